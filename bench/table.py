"""A run in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from . import words
from .results import MemoryRow, Outcome, Row, Run
from .summary import Comparison, compare, groups, summarise


def names(run: Run) -> list[str]:
    """Every contender of a run by name: Upweave's, then the peers in their order, then what is left."""
    seen = dict.fromkeys(o.name for row in run.rows for o in row.outcomes)
    first = [n for n in seen if n.startswith("upweave")] + [n for n in run.peers if n in seen]
    return list(dict.fromkeys([*first, *seen]))


def best(row: Row, name: str) -> Outcome | None:
    """What a row has of a contender: its fastest variant, or one that says why it was not timed."""
    found = [o for o in row.outcomes if o.name == name]
    timed = [o for o in found if o.median_ms is not None]
    return min(timed, key=lambda o: (o.status != "ok", o.median_ms or 0.0), default=next(iter(found), None))


def cell(outcome: Outcome | None) -> str:
    """Its median; in brackets if only the trial was timed; the status if there is no time."""
    if outcome is None:
        return words.NOTHING
    if outcome.median_ms is None:
        return words.NOTHING if outcome.status == "cannot" else outcome.status
    return words.ms(outcome.median_ms) if outcome.status == "ok" else f"({words.ms(outcome.median_ms)})"


def line(c: Comparison) -> str:
    """One row in one line, for while the others are still measured."""
    if c.ours is None:
        fastest = c.any
        return f"{c.row.name}: {fastest.name} {words.spread(fastest)} ms" if fastest else f"{c.row.name}: nothing timed"
    against = f", {words.times(c.ratio(c.any))} {c.any.name}" if c.any else ""
    roofline = f", {words.share(c.roofline)} of the roofline" if c.roofline else ""
    return f"{c.row.name}: {words.spread(c.ours)} ms, {words.times(c.ratio(c.torch))} torch{against}{roofline}"


def show(run: Run, console: Console) -> None:
    """Print the rows, the means and what is remarkable."""
    if run.memory:
        console.print(_memory(run.memory))
        console.print(words.memory(run.memory, run.ours))
    if run.rows:
        console.print(_times(run))
        for text in summary_lines(run):
            console.print(text)
    for text in (*words.reasons(run), *words.machine(run)):
        console.print(text, style="dim", highlight=False)


def summary_lines(run: Run) -> list[str]:
    """The ratios over the core rows, and over all rows if there are others."""
    comparisons = compare(run)
    if run.mode == "overhead":
        return words.overheads(comparisons)
    lines = []
    for label, group in groups(comparisons).items():
        summary = summarise(group, run.mode)
        ratios = "; ".join(f"{found} {what} (aim {aim})" for what, found, aim in words.found(run.mode, summary))
        lines.append(f"{words.over(run.mode, len(group), label).capitalize()}: {ratios or 'nothing to compare'}.")
        if ratios:
            lines.append(words.slow(summary))
    return lines


def _times(run: Run) -> Table:
    table = Table(title=f"{run.mode}, median ms; (trial only)", title_justify="left")
    columns = names(run)
    table.add_column("row", no_wrap=True)
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right", style="bold" if name == run.ours else None)
    for heading in ("× torch", "× best NCHW", "× best", "best", "roofline"):
        table.add_column(heading, justify="right")
    for c in compare(run):
        table.add_row(
            c.row.name,
            *(cell(best(c.row, name)) for name in columns),
            *(words.times(c.ratio(other)) for other in (c.torch, c.nchw, c.any)),
            c.any.name if c.any else words.NOTHING,
            words.share(c.roofline),
        )
    return table


def _memory(rows: Sequence[MemoryRow]) -> Table:
    table = Table(title="memory, MiB above the output at the peak", title_justify="left")
    table.add_column("row", no_wrap=True)
    table.add_column("contender")
    for heading in ("packed weight", "output", "first call", "later call", "above packed", "a thread"):
        table.add_column(heading, justify="right")
    for r in rows:
        values = (r.weight_mib, r.output_mib, r.first_mib, r.later_mib, r.above_packed_mib)
        table.add_row(r.name, r.contender, *(f"{v:.1f}" for v in values), f"{r.above_packed_mib / r.threads:.1f}")
    return table
