"""Renderers: one report as text, JSON, SARIF, GitHub annotations or HTML. Each is imported when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UpweaveError
from .files import check_destination, write_text

if TYPE_CHECKING:
    from ..report import Report

FORMATS = {
    "text": ("text", "to_text"),
    "json": ("json", "to_json"),
    "sarif": ("sarif", "to_sarif_json"),
    "github": ("github", "to_github"),
    "html": ("html", "to_html"),
}
"""Format name: (module of this package, function from a report to a string)."""

SUFFIXES = {".txt": "text", ".json": "json", ".sarif": "sarif", ".html": "html", ".htm": "html"}
"""File suffix: format."""


def render(report: Report, fmt: str) -> str:
    """The report in the format of that name (`FORMATS`); raises `UpweaveError` for any other name."""
    if fmt not in FORMATS:
        raise UpweaveError(f"no format is called '{fmt}'; there are {', '.join(FORMATS)}")
    module, function = FORMATS[fmt]
    make: Callable[[Report], str] = getattr(import_module(f"{__name__}.{module}"), function)
    return make(report)


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a file's suffix stands for; raises `UpweaveError` for an unknown suffix."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UpweaveError(f"no format belongs to the suffix of '{os.fspath(path)}'; known are {', '.join(SUFFIXES)}")
    return SUFFIXES[suffix]


def save(report: Report, path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Write the report to `path` in the format of its suffix, all of it or nothing; returns the path.

    Raises `UpweaveError` if the suffix is unknown, the folder does not exist, or the file does and `force` is False.
    """
    fmt = format_of(path)
    target = check_destination(path, force=force)
    write_text(target, render(report, fmt))
    return target
