"""Which function lowers which ATen operator: one table, filled by the `lower_*` modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from .walk import Walker

Lowering: TypeAlias = "Callable[[Walker, Any, dict[str, Any]], Any]"
"""(walker, fx node, its arguments by their names in the operator's schema) -> the value or values it writes."""

LOWERINGS: dict[str, Lowering] = {}
"""By the operator's name without overload and without the trailing underscore of the in-place form."""


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Decorator: enter a lowering for the given operators."""

    def enter(lowering: Lowering) -> Lowering:
        for name in names:
            if name in LOWERINGS:
                raise AssertionError(f"two lowerings for {name}")
            LOWERINGS[name] = lowering
        return lowering

    return enter


class Unsupported(Exception):
    """A lowering meets arguments that no IR node can say; the message becomes the reason of an `Opaque` node."""
