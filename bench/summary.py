"""Ratios of a run: Upweave against PyTorch, the best peer that takes NCHW, and the best peer in any layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .results import Outcome, Row, Run
from .stats import geomean

SLOW = 0.9
"""Rows on which Upweave is slower than this share of the best peer's speed are named."""

AIMS = {
    "forward": {"torch": 3.5, "nchw": 1.7, "any": 1.25, "roofline": 0.70},
    "train": {"torch": 1.5},
    "lengths": {"torch": 5.0},
    "isa": {"torch": 2.0},
}
"""What Upweave sets out to reach over the core rows."""

TOTALS = frozenset({"lengths"})
"""Modes whose rows are added up: what somebody waits who meets them all. Of the others, geometric means are taken."""

OVERHEAD_US, MEMORY_MIB = 15.0, 4.0
"""The most that a call may cost above PyTorch's, in µs, and take above its packed weight, in MiB a thread."""


@dataclass(frozen=True)
class Comparison:
    """One row: Upweave's ms, and how many times faster it is than `torch`, `nchw` and `any` (the best peers' outcomes).

    A field is None where that side was not timed. `roofline` is the least time over Upweave's.
    """

    row: Row
    ours: Outcome | None
    torch: Outcome | None
    nchw: Outcome | None
    any: Outcome | None

    def ratio(self, other: Outcome | None) -> float | None:
        """Times that Upweave is faster than `other`."""
        if self.ours is None or other is None:
            return None
        assert self.ours.median_ms is not None
        assert other.median_ms is not None
        return other.median_ms / self.ours.median_ms

    @property
    def roofline(self) -> float | None:
        """Floor over Upweave's time."""
        if self.ours is None or self.row.floor_ms is None:
            return None
        assert self.ours.median_ms is not None
        return self.row.floor_ms / self.ours.median_ms


@dataclass(frozen=True)
class Summary:
    """Ratios over `rows` rows (None where nothing was compared), and the rows that are slow.

    They are geometric means, or, for a mode among `TOTALS`, ratios of sums; `roofline_mean` is the arithmetic mean of
    the share that `roofline` is the geometric one of. `slow` has every row under `SLOW` of the best peer with that
    share, worst first; `slow_torch` the same against PyTorch.
    """

    rows: int
    torch: float | None
    nchw: float | None
    any: float | None
    roofline: float | None
    roofline_mean: float | None
    slow: tuple[tuple[str, float], ...]
    slow_torch: tuple[tuple[str, float], ...]


def compare(run: Run) -> tuple[Comparison, ...]:
    """The comparison of every row."""
    return tuple(compare_row(row, run.ours) for row in run.rows)


def compare_row(row: Row, ours: str | None) -> Comparison:
    """Upweave, under the name `ours`, beside the fastest peers of a row; only what was timed in every round counts."""
    timed = [o for o in row.outcomes if o.status == "ok"]
    peers = [o for o in timed if not o.name.startswith("upweave") and not o.name.endswith("(seen)")]
    return Comparison(
        row,
        _fastest(o for o in timed if o.name == ours),
        _fastest(o for o in peers if o.name == "torch"),
        _fastest(o for o in peers if o.takes_nchw),
        _fastest(peers),
    )


def _fastest(outcomes: Iterable[Outcome]) -> Outcome | None:
    return min(outcomes, key=lambda o: o.median_ms or 0.0, default=None)


def groups(comparisons: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """The core rows and all rows, by what to call them; one group where that is the same."""
    found = {"core rows": [c for c in comparisons if c.row.core], "rows": list(comparisons)}
    if len(found["core rows"]) in (0, len(found["rows"])):
        del found["core rows"]
    return found


def summarise(rows: Iterable[Comparison], mode: str = "") -> Summary:
    """The ratios over some rows of a mode; a row counts where both of its sides were timed."""
    rows = tuple(rows)
    sides = {"torch": [c.ratio(c.torch) for c in rows], "nchw": [c.ratio(c.nchw) for c in rows],
             "any": [c.ratio(c.any) for c in rows], "roofline": [c.roofline for c in rows]}  # fmt: skip
    kept = {key: [v for v in values if v is not None] for key, values in sides.items()}
    means = {key: geomean(values) if values else None for key, values in kept.items()}
    if mode in TOTALS:
        means |= {key: _of_totals(rows, sides[key]) for key in ("torch", "nchw", "any")}
    roofline = kept["roofline"]
    return Summary(
        len(rows), means["torch"], means["nchw"], means["any"], means["roofline"],
        sum(roofline) / len(roofline) if roofline else None,
        _slow(rows, sides["any"]), _slow(rows, sides["torch"]),
    )  # fmt: skip


def _of_totals(rows: tuple[Comparison, ...], ratios: list[float | None]) -> float | None:
    """The others' time over Upweave's, of all rows that have both."""
    both = [(r, c.ours.median_ms) for c, r in zip(rows, ratios, strict=True) if r and c.ours and c.ours.median_ms]
    return sum(r * ms for r, ms in both) / sum(ms for _, ms in both) if both else None


def _slow(rows: tuple[Comparison, ...], ratios: list[float | None]) -> tuple[tuple[str, float], ...]:
    slow = [(c.row.name, r) for c, r in zip(rows, ratios, strict=True) if r is not None and r < SLOW]
    return tuple(sorted(slow, key=lambda pair: pair[1]))
