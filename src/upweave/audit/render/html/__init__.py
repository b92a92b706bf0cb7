"""Reports as one HTML file: no network, no script; light and dark, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from .... import __version__
from .page import model_of

if TYPE_CHECKING:
    from ...report import Report

TEMPLATES = Path(__file__).parent / "templates"


def render_html(reports: Sequence[Report], *, title: str | None = None) -> str:
    """One self-contained page for one or many reports; with more than one it begins with a table of contents."""
    models = [model_of(report, f"m{i}") for i, report in enumerate(reports)]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    named = title or (f"Upweave: {models[0].target}" if len(models) == 1 else "Upweave audits")
    page: str = environment.get_template("report.html.j2").render(models=models, title=named, version=__version__)
    return page


def to_html(report: Report) -> str:
    """The page of one report."""
    return render_html([report])
