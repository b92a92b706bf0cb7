"""What the labs' own widgets share: one style sheet, one short script, and their place in a marimo page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import anywidget
import marimo as mo


@cache
def static(name: str) -> str:
    """A file of `static/`."""
    return (files(__package__) / "static" / name).read_text(encoding="utf-8")


def module(name: str) -> str:
    """The script of one widget: what they share, then its own. Nothing is fetched."""
    return static("shared.js") + static(name)


class Widget(anywidget.AnyWidget):  # type: ignore[misc]
    """A widget that draws what its traits say, and computes nothing itself."""

    _css = static("widget.css")


def in_page(widget: Widget) -> Any:
    """The widget as a marimo element: cells that name it run again when the reader moves it."""
    return mo.ui.anywidget(widget)
