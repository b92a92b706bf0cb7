"""A report in a notebook's output cell: a compact table, styled by attributes alone, everything escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from .words import describe, grouped, shape_words, summary

if TYPE_CHECKING:
    from ..report import Report

MOST = 50
_COLOURS = {"note": "#2c7da0", "warning": "#b36b00", "error": "#c0362c"}
_CELL = "text-align:left;vertical-align:top;padding:4px 12px 4px 0"


def to_notebook(report: Report) -> str:
    """The first findings as an HTML table under the summary line."""
    rows: list[str] = []
    shown = 0
    for path, layer, findings in grouped(report):
        what = f"<br/><small>{escape(describe(layer))} · {escape(shape_words(layer))}</small>" if layer else ""
        for f in findings:
            if shown == MOST:
                break
            shown += 1
            fix = f"<br/><small>Fix ({escape(f.fix.applicability)}): {escape(f.fix.message)}</small>" if f.fix else ""
            rows.append(
                f'<tr><td style="{_CELL}"><code>{escape(path or "the model")}</code>{what}</td>'
                f'<td style="{_CELL};color:{_COLOURS[str(f.level)]}"><b>{escape(f.code)}</b> {escape(f.name)}</td>'
                f'<td style="{_CELL}">{escape(f.message)}{fix}</td></tr>'
            )
    more = len(report.findings) - shown
    rest = f"<p>… and {more} more</p>" if more else ""
    table = f'<table style="border-collapse:collapse">{"".join(rows)}</table>' if rows else ""
    return f"<div><p><b>{escape(report.target or 'model')}</b> · {escape(summary(report))}</p>{table}{rest}</div>"
