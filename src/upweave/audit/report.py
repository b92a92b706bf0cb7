"""The result of an audit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..graph.grid import GridMap
from .finding import Finding, Level
from .layer import Layer


@dataclass(frozen=True, repr=False)
class Report:
    """What an audit found; `print(report)` shows it as the command does, without colours.

    Attributes:
        target: the model as the user named it.
        findings: in order of the layers, then of the codes.
        layers: every resampling layer, in graph order.
        grids: the grids of every tensor.
        notes: what a reader should know about how the model was read.
        silenced: findings that the configuration silences.
    """

    target: str
    findings: tuple[Finding, ...]
    layers: tuple[Layer, ...]
    grids: GridMap
    notes: tuple[str, ...] = ()
    silenced: tuple[Finding, ...] = ()

    def at_least(self, level: Level) -> tuple[Finding, ...]:
        """The findings of that level or above."""
        return tuple(f for f in self.findings if f.level >= level)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values; its keys are the public contract."""
        from .render.json import to_dict

        return to_dict(self)

    def to_json(self, indent: int | None = 2) -> str:
        """The report as JSON text."""
        from .render.json import to_json

        return to_json(self, indent)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write the report in the format of the suffix: .txt, .json, .sarif or .html; all of it or nothing.

        Raises `UpweaveError` for another suffix, a missing folder, and for an existing file unless `force`.
        """
        from .render import save

        return save(self, path, force=force)

    def __str__(self) -> str:
        from .render.text import to_text

        return to_text(self).rstrip("\n")

    def __repr__(self) -> str:
        from .render.words import plural

        found = f"{plural(len(self.findings), 'finding')} in {plural(len(self.layers), 'resampling layer')}"
        return f"<Report on {repr(self.target) if self.target else 'the model'}: {found}>"

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from .render.text import rich_console

        return rich_console(self)

    def _repr_html_(self) -> str:
        from .render.notebook import to_notebook

        return to_notebook(self)
