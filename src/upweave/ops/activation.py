"""The point-wise functions that a backend may fuse behind a transposed convolution."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from ..bank import Array
from ..errors import SpecError

Activation: TypeAlias = str | tuple[str, float] | None

ACTIVATIONS = ("none", "relu", "leaky_relu", "silu", "tanh", "sigmoid")
"""Names by the number that the native core knows them under."""


def activation_of(value: Activation) -> tuple[str, float]:
    """(name, slope) of an activation: None, a name, or ("leaky_relu", slope); the slope's default is PyTorch's 0.01.

    Raises `SpecError` for a name that is not in `ACTIVATIONS`, a slope where there is none, or one that is no number.
    """
    if value is None:
        return "none", 0.01
    if isinstance(value, str):
        if value in ACTIVATIONS:
            return value, 0.01
    elif _is_pair(value):
        name, slope = value
        if name != "leaky_relu":
            raise SpecError(f"only leaky_relu has a slope, got {value!r}")
        if isinstance(slope, bool) or not isinstance(slope, (int, float, np.integer, np.floating)):
            raise SpecError(f"the slope of leaky_relu must be a number, got {value!r}")
        return name, float(slope)
    names = ", ".join(ACTIVATIONS[1:])
    raise SpecError(f'activation must be None, one of {names}, or ("leaky_relu", slope), got {value!r}')


def _is_pair(value: object) -> bool:
    """True for (known name, anything): what users pass need not be what the type says."""
    return isinstance(value, tuple) and len(value) == 2 and value[0] in ACTIVATIONS


def activate(y: Array, name: str, slope: float) -> None:
    """Apply a named activation to `y` in place; NaN stays NaN, infinities go where PyTorch sends them.

    leaky_relu(y) = y or slope·y, silu(y) = y/(1 + e^−y), sigmoid(y) = 1/(1 + e^−y).
    """
    if name == "none":
        return
    with np.errstate(over="ignore", invalid="ignore"):  # e^−y may overflow: 1/inf is the right 0
        if name == "relu":
            np.maximum(y, 0, out=y)
        elif name == "leaky_relu":
            np.multiply(y, slope, out=y, where=~(y > 0))
        elif name == "tanh":
            np.tanh(y, out=y)
        elif name == "silu":
            y /= 1 + np.exp(-y)
        else:
            np.divide(1, 1 + np.exp(-y), out=y)
