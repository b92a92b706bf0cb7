"""What the audit says of a model, in the page; its messages are in English, as `upweave audit` prints them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import marimo as mo

from ...audit.finding import Finding
from ..text import Text


def findings(found: Iterable[Finding], title: Text) -> mo.Html:
    """The findings, one a line, under a title; a line of its own where there are none."""
    lines = [f"{f.code} {f.name} · {f.level} · {f.layer or 'model'}\n  {f.message}" for f in found]
    text = "".join(f"{escape(line)}\n" for line in lines)
    none = Text("nothing found", "未发现问题").inline if not lines else ""
    return mo.Html(
        f'<div class="uw-text"><p><strong>{title.inline}</strong></p><pre class="report">{text}{none}</pre></div>'
    )
