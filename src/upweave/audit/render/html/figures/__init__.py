"""The pictures of the report: each module draws one kind, from plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Figure:
    """A drawing with its title and the sentence that says what to see in it."""

    title: str
    drawing: Markup
    caption: str
    wide: bool = False
