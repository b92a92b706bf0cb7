"""A report in the terminal: the findings, grouped by layer, and a summary line.

decoder.up1  ConvTranspose kernel 3, stride 2 …  64×64 → 128×128        models/generator.py:31
  UW101 uneven-coverage  warning
    …
    = 4 · 2 · 2 · 1 taps
    fix (safe): …

Found 3 findings (2 warnings, 1 note) in 14 layers.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .words import describe, evidence_line, grouped, shape_words, summary

if TYPE_CHECKING:
    from ..finding import Finding
    from ..layer import Layer
    from ..report import Report

STYLES = {"note": "cyan", "warning": "yellow", "error": "bold red"}


def renderable(report: Report, *, layers: bool = False) -> RenderableType:
    """The whole report for `rich.print`; with `layers`, a table of every resampling layer in front of it."""
    parts: list[RenderableType] = []
    if layers and report.layers:
        parts += [layer_table(report), Text()]
    for path, layer, findings in grouped(report):
        parts.append(_heading(path, layer, findings, report))
        parts += [Padding(_finding(f), (0, 0, 0, 2)) for f in findings]
        parts.append(Text())
    parts += [Text.assemble(("note: ", "dim"), _clean(n)) for n in report.notes]
    parts.append(_summary(report))
    return Group(*parts)


def _heading(path: str, layer: Layer | None, findings: list[Finding], report: Report) -> Text:
    text = Text(_clean(path or report.target or "the model"), style="bold")
    if layer is not None:
        text.append(f"  {_clean(describe(layer))}", style="not bold dim")
    where = next((f.where for f in findings if f.where), layer.where if layer else None)
    second = [shape_words(layer)] if layer is not None else []
    if where:
        second.append(_clean(where))
    if second:
        text.append(f"\n  {'  '.join(second)}", style="not bold dim")
    return text


def _finding(f: Finding) -> RenderableType:
    title = Text.assemble((f.code, "bold"), " ", (f.name, "bold"), "  ", (str(f.level), STYLES[str(f.level)]))
    lines = [Text(_clean(f.message))]
    if short := evidence_line(f):
        lines.append(Text(f"= {_clean(short)}", style="dim"))
    if f.fix is not None:
        lines.append(Text.assemble((f"fix ({f.fix.applicability}): ", "green"), _clean(f.fix.message)))
        if f.fix.code:
            lines += [Text(f"    {_clean(line)}", style="bold") for line in f.fix.code.splitlines()]
    return Group(title, *(Padding(x, (0, 0, 0, 2)) for x in lines))


def _summary(report: Report) -> Text:
    return Text(summary(report), style="bold" if report.findings else "green")


def layer_table(report: Report) -> Table:
    """Every resampling layer: path, what it is, sizes, coverage, alignment, findings."""
    table = Table(box=None, pad_edge=False, header_style="dim", show_edge=False)
    for name in ("layer", "what", "size", "findings"):
        table.add_column(name, overflow="fold")
    codes: dict[str, list[str]] = {}
    for f in report.findings:
        codes.setdefault(f.layer, []).append(f.code)
    for x in report.layers:
        found = " ".join(dict.fromkeys(codes.get(x.path, [])))
        table.add_row(Text(_clean(x.path)), Text(_clean(describe(x))), Text(shape_words(x)), Text(found, "yellow"))
    return table


def _clean(text: str) -> str:
    """The text without control characters: a layer's name must not drive the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def to_text(report: Report, *, width: int = 100, layers: bool = False) -> str:
    """The report as plain text without colours."""
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=False, highlight=False, emoji=False)
    console.print(renderable(report, layers=layers), soft_wrap=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def rich_console(report: Report) -> Iterator[RenderableType]:
    """What `Report.__rich_console__` yields."""
    yield renderable(report)
