"""Masks, and what a small network makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..errors import SpecError
from .networks import Network
from .text import Text

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Shape:
    """A mask of any size: `inside(row, column)` says for places in [0, 1) whether they are in it."""

    label: Text
    inside: Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], Mask]

    def mask(self, size: int) -> Mask:
        """The mask with `size` × `size` pixels, each judged by its centre."""
        place = (np.arange(size) + 0.5) / size
        return self.inside(place[:, None], place[None, :])


def _discs(*discs: tuple[float, float, float]) -> Callable[..., Mask]:
    def inside(r: npt.NDArray[np.float64], c: npt.NDArray[np.float64]) -> Mask:
        near = [(r - y) ** 2 + (c - x) ** 2 < radius**2 for y, x, radius in discs]
        return np.asarray(np.any(near, axis=0))

    return inside


def _ring(r: npt.NDArray[np.float64], c: npt.NDArray[np.float64]) -> Mask:
    away = np.hypot(r - 0.5, c - 0.5)
    return np.asarray((away > 0.2) & (away < 0.32))


SHAPES: Mapping[str, Shape] = {
    "cells": Shape(
        Text("cells", "细胞"),
        _discs((0.3, 0.32, 0.13), (0.34, 0.68, 0.09), (0.68, 0.36, 0.1), (0.66, 0.68, 0.14)),
    ),
    "disc": Shape(Text("one organ", "单个器官"), _discs((0.5, 0.5, 0.28))),
    "ring": Shape(Text("a ring", "圆环"), _ring),
}
"""Masks by name; all keep clear of the border, which zero padding darkens."""


def reconstructed(network: Network, mask: Mask) -> Mask:
    """The mask after the network, down and up on both axes without skips, cut at one half.

    Raises `SpecError` where the network does not bring the size back.
    """
    through = network.through(len(mask))
    if through.shape[0] != len(mask):
        raise SpecError(f"this network makes {through.shape[0]} samples of {len(mask)}")
    return np.asarray(through @ mask.astype(np.float64) @ through.T > 0.5)


def overlap(a: Mask, b: Mask) -> Fraction:
    """Intersection over union; 1 for two empty masks."""
    union = int((a | b).sum())
    return Fraction(int((a & b).sum()), union) if union else Fraction(1)
