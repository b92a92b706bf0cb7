"""How times, ratios and machines are written, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterable

from .results import MemoryRow, Outcome, Run
from .summary import AIMS, MEMORY_MIB, OVERHEAD_US, TOTALS, Comparison, Summary

NOTHING = "—"
LABELS = {
    "torch": "PyTorch, NCHW",
    "nchw": "the best peer that takes NCHW",
    "any": "the best peer in any layout",
    "roofline": "the roofline",
}


def ms(value: float | None) -> str:
    """Milliseconds with three digits; microseconds below 10 µs would show as 0.00, so that small ones get more."""
    if value is None:
        return NOTHING
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def times(value: float | None) -> str:
    """A ratio: 3.51×."""
    return NOTHING if value is None else f"{value:.2f}×"


def share(value: float | None) -> str:
    """A part of the roofline: 0.71."""
    return NOTHING if value is None else f"{value:.2f}"


def spread(outcome: Outcome) -> str:
    """A median with its quartiles: 2.10 (2.05–2.31)."""
    return f"{ms(outcome.median_ms)} ({ms(outcome.q1_ms)}–{ms(outcome.q3_ms)})"


def machine(run: Run) -> list[str]:
    """What a run was measured on, a sentence each."""
    m = run.machine
    caches = ", ".join(f"{level} {size}" for level, size in (m.get("caches") or {}).items())
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in run.versions.items())
    commit = (m.get("commit") or "unknown")[:12]
    settings = run.settings
    lines = [
        f"{m.get('cpu')} (family/model/stepping {m.get('family_model_stepping')}; {', '.join(m.get('flags') or ())}), "
        f"{m.get('cores')} cores, {caches}, {m.get('memory_gib')} GiB; {m.get('system')} {m.get('kernel')}, "
        f"governor {m.get('governor') or 'not readable'}, transparent huge pages "
        f"{m.get('transparent_hugepage') or 'not readable'}.",
        f"{run.date}, commit {commit}{' with uncommitted changes' if m.get('changed_since') else ''}, "
        f"{settings.get('threads')} threads on processors {m.get('affinity')}, load average {m.get('load_before')} "
        f"before and {m.get('load_after')} after.",
        f"Python {m.get('python')}, {versions}; instruction sets: Upweave {m.get('upweave_isa') or NOTHING}, "
        f"PyTorch {m.get('torch_isa') or NOTHING}.",
    ]
    if run.roofline:
        lines.append(
            f"Measured ceilings: {run.roofline['gflops']:.0f} Gflop/s in fp32 GEMM, {run.roofline['gb_s']:.1f} GB/s in "
            "a copy (bytes read and written)."
        )
    return lines


def found(mode: str, summary: Summary) -> list[tuple[str, str, str]]:
    """(what is compared, what was found, what Upweave sets out to reach) for each ratio of a summary that there is."""
    aims = AIMS.get(mode, {})
    lines = []
    for key, label in LABELS.items():
        value = getattr(summary, key)
        if value is not None:
            write = share if key == "roofline" else times
            lines.append((label, write(value), f"≥ {write(aims[key])}" if key in aims else NOTHING))
    return lines


def over(mode: str, rows: int, label: str) -> str:
    """What the ratios of a summary are: geometric mean of 40 core rows."""
    return f"{'total' if mode in TOTALS else 'geometric mean'} of {rows} {label}"


def overheads(comparisons: Iterable[Comparison]) -> list[str]:
    """What a call costs above PyTorch's, a line for each row that has both."""
    return [
        f"{c.row.name}: {1e3 * (c.ours.median_ms - c.torch.median_ms):.1f} µs above torch (aim ≤ {OVERHEAD_US:.0f} µs)."
        for c in comparisons
        if c.ours is not None and c.torch is not None and c.ours.median_ms is not None and c.torch.median_ms is not None
    ]


def memory(rows: Iterable[MemoryRow], ours: str | None) -> str:
    """The row on which Upweave takes most above its weight."""
    own = [r for r in rows if r.contender == ours]
    if not own:
        return "Upweave was not part of this run."
    most = max(own, key=lambda r: r.above_packed_mib / r.threads)
    return (
        f"At most {most.above_packed_mib / most.threads:.1f} MiB a thread above output and packed weight, "
        f"on {most.name} (aim ≤ {MEMORY_MIB:.0f} MiB)."
    )


def slow(summary: Summary) -> str:
    """The rows on which Upweave is slower than 0.9 of the best peer's speed."""
    if summary.any is None:
        return "Nothing was compared."
    if not summary.slow:
        return "No row is under 0.9× of the best peer."
    rows = ", ".join(f"{name} ({times(ratio)})" for name, ratio in summary.slow)
    return f"Under 0.9× of the best peer: {rows}."


def reasons(run: Run) -> list[str]:
    """Why contenders were not timed, a line for each contender and reason, with the rows it holds for."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in run.rows:
        for o in row.outcomes:
            if o.status in ("cannot", "failed", "wrong"):
                found.setdefault((o.name, o.status, o.reason), []).append(row.name)
    verbs = {"cannot": "does not run", "failed": "failed on", "wrong": "was wrong on"}
    return [f"{name} {verbs[status]} {', '.join(rows)}: {reason}" for (name, status, reason), rows in found.items()]
