"""`docs/performance.md` and its charts, from the results and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import gpu_floors, gpu_table, layers, words
from .chart import svg
from .results import MODES, Outcome, Run, loads
from .summary import Comparison, compare, groups, summarise
from .table import best, cell, names

HEAD = """\
# Performance

<!-- Written by `python -m bench report` from bench/results. Change those, not this. -->

How fast `upweave.conv_transpose` runs on a CPU, beside PyTorch, `torch.compile`, ONNX Runtime, OpenVINO and JAX, on the
transposed convolutions of published models (`bench/layers.json`). GPUs have [a section of their own](#gpu).
"""

TITLES = {
    "forward": "Inference",
    "train": "Forward and backward",
    "lengths": "Lengths never seen before",
    "overhead": "Overhead of a call",
    "memory": "Memory",
    "isa": "Held to AVX2",
    "models": "Whole models",
}

CHARTS = {
    "forward": ("Inference, times faster than PyTorch (NCHW)", "fp32, output in fresh memory, logarithmic axis"),
    "train": ("Forward and backward, times faster than PyTorch (NCHW)", "fp32, one layer, logarithmic axis"),
    "isa": ("Held to AVX2, times faster than PyTorch (NCHW)", "fp32, all held to AVX2, logarithmic axis"),
}

INTRO = {
    "forward": "One call with a frozen weight. × is the other's median over Upweave's; roofline is the least time that "
    "the measured ceilings allow over Upweave's.",
    "train": "Forward, and the gradients of input, weight and bias. The weight is written before every call, as an "
    "optimiser would.",
    "lengths": "Total ms over 200 different lengths, each met once by a fresh process; “seen”: the same lengths again.",
    "overhead": "Problems of one multiplication: what is left is the call.",
    "memory": "Peak of resident memory during a call, above its output, each in a process of its own. The last "
    "column is the larger of two, for each thread: the first call less the packed weight, and a later call. PyTorch's "
    "weight is counted as it is.",
    "isa": "Upweave, PyTorch and oneDNN held to AVX2 by `UPWEAVE_ISA`, `ATEN_CPU_CAPABILITY` and `ONEDNN_MAX_CPU_ISA`.",
    "models": "`upweave.accelerate` on models with random weights, beside the same model in PyTorch as it is and with "
    "weights and input channels-last, in turns; each model in a process of its own. "
    "The share is what the upsamplers (a resize with the "
    "convolution behind it, a transposed convolution) took of the time: "
    "rewriting them alone cannot gain more; layouts and other convolutions can.",
}

METHOD = """\
## How it is measured

All contenders of a row run in one process, in turns: for each round, in a new order, a pause (thread pools spin for a
while after a call and would slow down the next contender), one untimed call, then a short burst of timed calls. Times
are medians over all calls of all rounds, with quartiles. While the quartiles of a contender that may be the fastest are
far apart, the rounds go on, up to three times as long. Ratios compare medians of the same run only. Before it is timed,
every contender is checked against PyTorch in fp64. The process is bound to as many processors as it has threads.

A call is timed until its output is released, and each output is in memory of its own: no contender writes into a buffer
that an earlier call returned, as far as its API allows. Large outputs therefore pay for their page faults, everybody's.

A peer's variants (layouts, weights frozen or not) compete in a short trial; the fastest, and the fastest that takes
NCHW, go on. What was more than 8 times slower than the fastest in the trial was not timed further: its time is in
brackets.
"""

AGAIN = """\
## Again

```sh
make bench                              # the core rows, then this page
python -m bench forward --all           # every row
python -m bench train                   # also: lengths, overhead, memory, isa
python -m bench rewrites                # rewrites of ONNX files, one layer at a time
python -m bench forward --rows 'hifigan*' --peers torch,onnxruntime --quick --name look
python -m bench report                  # this page, from bench/results
python bench/gpu.py --output bench/results/gpu.json     # on a machine with a GPU; needs nothing compiled
```
"""


def load(folder: Path) -> dict[str, Run]:
    """The results that the page shows: those which are named like their mode.

    `ValueError` for a file that holds another mode's results, or none that can be read.
    """
    found = {}
    for mode in MODES:
        path = folder / f"{mode}.json"
        if path.exists():
            run = loads(path.read_text(encoding="utf-8"))
            if run.mode != mode:
                raise ValueError(f"{path} holds results of {run.mode}")
            found[mode] = run
    return found


def files(runs: Mapping[str, Run], page: Path, gpu: gpu_table.Run | None = None, more: str = "") -> dict[Path, str]:
    """What to write, by path: the page, beside it the predictions for a GPU, and in `assets/` a chart for each mode
    that has one.

    `more` is a section of its own, put in front of what was measured on a GPU.
    """
    charts = {
        mode: svg(run, *CHARTS[mode])
        for mode, run in runs.items()
        if mode in CHARTS and any(c.ratio(c.torch) is not None for c in compare(run))
    }
    written = {page.parent / "assets" / f"performance-{mode}.svg": text for mode, text in charts.items()}
    predictions = gpu_floors.page(layers.select(layers.load(), core=True))
    return {**written, page.parent / "performance-gpu.md": predictions, page: markdown(runs, set(charts), gpu, more)}


def markdown(runs: Mapping[str, Run], charts: set[str], gpu: gpu_table.Run | None = None, more: str = "") -> str:
    """The page's text, given the results by mode, the modes that have a chart, what was measured on a GPU, and a
    further section."""
    parts = [HEAD]
    if not runs:
        parts.append("**Nothing has been measured yet.** There are no results in `bench/results`.\n")
    for mode, run in runs.items():
        parts.append(f"## {TITLES[mode]}\n\n{INTRO[mode]}\n")
        if run.ours is None:
            parts.append("Peers alone: Upweave was not part of this run.\n")
        elif run.ours != "upweave":
            parts.append(f"What ran here is {run.ours}, not the native core.\n")
        if mode in charts:
            parts.append(f"![{CHARTS[mode][0]}](assets/performance-{mode}.svg)\n")
        parts.append(_memory(run) if run.memory else _models(run) if mode == "models" else _rows(run))
        if reasons := words.reasons(run):
            parts.append("\n".join([*(f"- {reason}" for reason in reasons), ""]))
        parts.append(_details(run))
    missing = [TITLES[mode].lower() for mode in MODES if mode not in runs]
    if runs and missing:
        parts.append(f"Not measured yet: {', '.join(missing)}.\n")
    return "\n".join([*parts, *([more] if more else []), gpu_table.section(gpu), METHOD, AGAIN])


def _models(run: Run) -> str:
    """Milliseconds and ratios, model by model."""
    lines = ["| model | input | torch | channels-last | **accelerated** | × torch | × channels-last | share | layout |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|---|")
    for row in run.rows:
        found = {o.name: o for o in row.outcomes}
        cells = [cell(found.get(name)) for name in ("torch", "torch_channels_last", "upweave")]
        ratios = [_times(found.get(name), found.get("upweave")) for name in ("torch", "torch_channels_last")]
        size = "×".join(map(str, row.shapes["input"]))
        share = row.facts.get("share")
        said = f"{share:.0%}" if isinstance(share, float) else "—"
        layout = row.facts.get("layout", words.NOTHING)
        lines.append(f"| {row.name} | {size} | {' | '.join([*cells, *ratios])} | {said} | {layout} |")
    return "\n".join([*lines, ""])


def _times(other: Outcome | None, ours: Outcome | None) -> str:
    if other is None or ours is None or other.median_ms is None or ours.median_ms is None:
        return words.NOTHING
    return f"{other.median_ms / ours.median_ms:.2f}×"


def _rows(run: Run) -> str:
    comparisons = compare(run)
    return "\n".join(part for part in (_means(run, comparisons), _table(run, comparisons)) if part)


def _means(run: Run, comparisons: tuple[Comparison, ...]) -> str:
    """Ratios beside what is aimed at: over the core rows, and over all if there are others."""
    if run.ours is None:
        return ""
    if run.mode == "overhead":
        return "\n".join([*(f"- {line}" for line in words.overheads(comparisons)), ""])
    lines = []
    for label, group in groups(comparisons).items():
        summary = summarise(group, run.mode)
        if not words.found(run.mode, summary):
            lines += [f"None of {len(group)} {label} has times of both Upweave and a peer.", ""]
            continue
        lines += [f"| {words.over(run.mode, len(group), label)}, against | found | aim |", "|---|---:|---:|"]
        lines += [f"| {what} | {found} | {aim} |" for what, found, aim in words.found(run.mode, summary)]
        lines += ["", words.slow(summary), ""]
    return "\n".join(lines)


def _table(run: Run, comparisons: tuple[Comparison, ...]) -> str:
    columns = names(run)
    headings = [f"`{n}`" if n != run.ours else f"**{n}**" for n in columns]
    ratios = [] if run.ours is None else ["× torch", "× best NCHW", "× best"]
    if run.roofline and run.ours is not None:
        ratios.append("roofline")
    lines = [
        "Median milliseconds.",
        "",
        "| " + " | ".join(["row", *headings, "best peer", *ratios]) + " |",
        "|" + "|".join(["---", *("---:" for _ in columns), "---", *("---:" for _ in ratios)]) + "|",
    ]
    for c in comparisons:
        cells = [cell(best(c.row, name)) for name in columns]
        values = [words.times(c.ratio(other)) for other in (c.torch, c.nchw, c.any)]
        values = [*values, words.share(c.roofline)][: len(ratios)]
        lines.append("| " + " | ".join([c.row.name, *cells, c.any.name if c.any else words.NOTHING, *values]) + " |")
    return "\n".join([*lines, ""])


def _memory(run: Run) -> str:
    lines = [
        "| row | contender | packed MiB | output MiB | first call MiB | later MiB | above packed, MiB a thread |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for r in run.memory:
        values = (r.weight_mib, r.output_mib, r.first_mib, r.later_mib, r.above_packed_mib / r.threads)
        lines.append(f"| {r.name} | {r.contender} | " + " | ".join(f"{v:.1f}" for v in values) + " |")
    return "\n".join([*lines, "", words.memory(run.memory, run.ours), ""])


def _details(run: Run) -> str:
    """What it was measured on and with which settings."""
    peers = [f"- `{name}`: {about}" for name, about in run.peers.items()]
    lines = [f"- Measured with `{run.command}`.", *(f"- {line}" for line in words.machine(run)), *peers]
    return "\n".join([f"### On what ({TITLES[run.mode].lower()})", "", *lines, ""])
