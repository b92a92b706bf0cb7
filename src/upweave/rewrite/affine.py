"""Point-wise operators that scale and shift each channel: batch normalisation, and arithmetic with a constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph.ir import Node, Pointwise

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Affine:
    """y = scale·x + shift a channel, both of shape (C,) or (1,), in float64."""

    scale: Array
    shift: Array


def is_affine(node: Node) -> bool:
    """Whether `affine` would find something, without loading any number."""
    op = node.op
    if not isinstance(op, Pointwise) or op.nonlinear or len(node.inputs) != 1:
        return False
    if op.kind == "batch_normalization":
        return {"scale", "bias", "mean", "variance", "epsilon"} <= set(node.weights)
    return op.kind in _ARITHMETIC and "operand" in node.weights


def affine(node: Node) -> Affine | None:
    """What a point-wise node does to each channel, or None if it is not affine, or its numbers are not known.

    Batch normalisation at inference: scale = γ/√(σ² + ε), shift = β − μ·scale.
    """
    if not is_affine(node):
        return None
    assert isinstance(node.op, Pointwise)
    found = {role: w.load() for role, w in node.weights.items()}
    if any(v is None for v in found.values()):
        return None
    values = {role: np.asarray(v, np.float64).reshape(-1) for role, v in found.items()}
    if node.op.kind == "batch_normalization":
        scale = values["scale"] / np.sqrt(values["variance"] + values["epsilon"])
        return Affine(scale, values["bias"] - values["mean"] * scale)
    c = values["operand"]
    return _ARITHMETIC[node.op.kind](c)


_ARITHMETIC: dict[str, Callable[[Array], Affine]] = {
    "add": lambda c: Affine(np.ones_like(c), c),
    "sub": lambda c: Affine(np.ones_like(c), -c),
    "mul": lambda c: Affine(c, np.zeros_like(c)),
    "div": lambda c: Affine(1 / c, np.zeros_like(c)),
}
