"""The report of a rewrite as one HTML file: no network, no script."""

from __future__ import annotations

from pathlib import Path

import jinja2

from .. import __version__
from ..audit.render.html import TEMPLATES
from .report import RewriteReport, count, effect, headline, rows, seconds, size


def to_html(report: RewriteReport) -> str:
    """The page of one report, in the look of the audit's."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).parent / "templates", TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page: str = environment.get_template("rewrite.html.j2").render(
        report=report,
        headline=headline(report),
        rows=rows(report),
        count=count,
        size=size,
        seconds=seconds,
        effect=effect,
        version=__version__,
    )
    return page
