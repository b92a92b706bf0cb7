"""A transposed convolution with more taps, all of them zero: the same outputs from other hyper-parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...bank import Array
from ...errors import NotRepresentable
from ...spec import ConvTranspose


def add_taps(weight: Any, before: tuple[int, ...], after: tuple[int, ...]) -> Array:
    """The weight (C_in, C_out/g, k…) with zero taps in front and behind on each axis."""
    w = np.asarray(weight)
    return np.pad(w, [(0, 0), (0, 0), *zip(before, after, strict=True)])


def widened(spec: ConvTranspose, rank: int) -> tuple[ConvTranspose, tuple[int, ...], tuple[int, ...]]:
    """The spec whose kernel is a multiple of its stride, and the zero taps (before, after) that make it so.

    With d = 1: a taps appended and b prepended, a + b ≡ −k (mod s); padding p + b, output padding o + b − a, within
    0 … s − 1. Of several splits the one with the least output padding, then the least padding. Raises
    `NotRepresentable` for dilation above 1 and where no split fits.
    """
    new: list[ConvTranspose] = []
    before: list[int] = []
    after: list[int] = []
    for n, a in enumerate(spec.per_axis(rank)):
        if a.dilation != 1:
            raise NotRepresentable(f"axis {n}: with dilation {a.dilation} zero taps do not fill the phases")
        extra = -a.kernel % a.stride
        splits = [(b, extra - b, a.output_padding + 2 * b - extra) for b in range(extra + 1)]
        fitting = [(o, b, c) for b, c, o in splits if 0 <= o < a.stride]
        if not fitting:
            raise NotRepresentable(
                f"axis {n}: no share of {extra} zero taps keeps the output padding in 0…{a.stride - 1}"
            )
        o, b, c = min(fitting)
        new.append(replace(a, kernel=a.kernel + extra, padding=((a.begin + b, a.end + b),), output_padding=o))
        before.append(b)
        after.append(c)
    return _joined(new, spec.groups), tuple(before), tuple(after)


def without_output_padding(spec: ConvTranspose, rank: int) -> tuple[ConvTranspose, tuple[int, ...]]:
    """The spec that reaches the same outputs without output padding, and the zero taps to append on each axis.

    ⌈o/d⌉ taps are appended; what they reach too far is cropped at the end.
    """
    new: list[ConvTranspose] = []
    after: list[int] = []
    for a in spec.per_axis(rank):
        taps = -(-a.output_padding // a.dilation)
        end = a.end + a.dilation * taps - a.output_padding
        new.append(replace(a, kernel=a.kernel + taps, padding=((a.begin, end),), output_padding=0))
        after.append(taps)
    return _joined(new, spec.groups), tuple(after)


def _joined(axes: list[ConvTranspose], groups: int) -> ConvTranspose:
    """One spec of single-axis ones."""
    return ConvTranspose(
        tuple(int(a.kernel) for a in axes),  # type: ignore[arg-type]
        tuple(int(a.stride) for a in axes),  # type: ignore[arg-type]
        tuple(a.begin if a.begin == a.end else (a.begin, a.end) for a in axes),
        tuple(int(a.output_padding) for a in axes),  # type: ignore[arg-type]
        tuple(int(a.dilation) for a in axes),  # type: ignore[arg-type]
        groups,
    )
