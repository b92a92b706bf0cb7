"""The report of a rewrite as one HTML file: no network, no script."""

from __future__ import annotations

from pathlib import Path

import jinja2

from .. import __version__
from ..audit.render.html import TEMPLATES
from .page import Shown


def to_html(report: Shown) -> str:
    """The page of one report, in the look of the audit's."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).parent / "templates", TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text: str = environment.get_template("rewrite.html.j2").render(
        page=report.page(),
        version=__version__,
    )
    return text
