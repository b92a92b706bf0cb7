"""A finding: one thing that one rule has to say about one layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, TypeAlias

Applicability: TypeAlias = Literal["safe", "unsafe", "display"]


class Level(IntEnum):
    """How much a finding matters; ordered, so that a fail level is a comparison."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Level:
        """The level of that name; raises KeyError for any other text."""
        return cls[text.upper()]


@dataclass(frozen=True)
class Fix:
    """What to do about a finding.

    `applicability` is "safe" (the model's outputs stay the same), "unsafe" (they change) or "display" (advice only).
    `code` is the layer to write instead, where there is one.
    """

    applicability: Applicability
    message: str
    code: str | None = None


@dataclass(frozen=True)
class Finding:
    """One result of one rule.

    Attributes:
        code, name: the rule, "UW101" and "uneven-coverage".
        level: note, warning or error.
        layer: dotted module path or ONNX node name ("" speaks of the whole model).
        message: what is wrong, understood without the manual, with the numbers.
        evidence: the numbers again, as plain JSON values.
        fix: what to do.
        where: "file.py:line" of the layer's class or call, where known.
        node: name of the node in the graph.
    """

    code: str
    name: str
    level: Level
    layer: str
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)
    fix: Fix | None = None
    where: str | None = None
    node: str = ""
