"""Which function translates which ONNX operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from .state import Call

Lowering: TypeAlias = Callable[[Call], None]
TABLE: dict[str, Lowering] = {}
"""By name of the operator in ONNX's own domain."""


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Decorator: this function translates these operators."""

    def enter(function: Lowering) -> Lowering:
        for name in names:
            TABLE[name] = function
        return function

    return enter
