"""A report as GitHub Actions workflow commands: one annotation a finding.

    ::warning file=model.py,line=12,title=UW101 uneven-coverage::up1: …

GitHub reads a command up to the end of the line; what would end it, or a property, early is percent-encoded.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from .location import relative, split_where

if TYPE_CHECKING:
    from ..finding import Finding
    from ..report import Report

_COMMANDS = {"note": "notice", "warning": "warning", "error": "error"}


def escape_data(text: str) -> str:
    """What stands behind the second `::`."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """What stands behind a `key=`."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def annotation(finding: Finding, target: str) -> str:
    """The workflow command of one finding. A layer without a source line is named in the text alone."""
    properties = {}
    place = split_where(finding.where)
    if place is not None:
        properties["file"] = PurePath(relative(place[0])).as_posix()
        if place[1] is not None:
            properties["line"] = str(place[1])
    properties["title"] = f"{finding.code} {finding.name}"
    text = f"{finding.layer or target}: {finding.message}"
    if finding.fix is not None:
        text += f"\nFix: {finding.fix.message}"
    listed = ",".join(f"{k}={escape_property(v)}" for k, v in properties.items())
    return f"::{_COMMANDS[str(finding.level)]} {listed}::{escape_data(text)}"


def to_github(report: Report) -> str:
    """One line a finding; empty if there are none."""
    return "".join(annotation(f, report.target) + "\n" for f in report.findings)
