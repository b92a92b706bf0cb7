"""The point-wise functions that a backend may fuse behind a transposed convolution."""

from __future__ import annotations

from typing import TypeAlias

from ..errors import SpecError

Activation: TypeAlias = str | tuple[str, float] | None

ACTIVATIONS = ("none", "relu", "leaky_relu", "silu", "tanh", "sigmoid")
"""Names by the number that the native core knows them under."""


def activation_of(value: Activation) -> tuple[str, float]:
    """(name, slope) of an activation: None, a name, or ("leaky_relu", slope); the slope's default is PyTorch's 0.01.

    Raises `SpecError` for a name that is not in `ACTIVATIONS`, or a slope where there is none.
    """
    name, slope = ("none" if value is None else value, 0.01) if not isinstance(value, tuple) else value
    if name not in ACTIVATIONS:
        raise SpecError(f"activation must be None or one of {', '.join(ACTIVATIONS[1:])}, got {value!r}")
    if isinstance(value, tuple) and name != "leaky_relu":
        raise SpecError(f"only leaky_relu has a slope, got {value!r}")
    return name, float(slope)
