"""A transposed convolution moved onto the half-pixel grid, its output size unchanged."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ...bank import Array
from ...convert import boundary
from ...errors import NotRepresentable
from ...spec import ConvTranspose


def shifts(spec: ConvTranspose, rank: int) -> tuple[Fraction, ...]:
    """How far each axis is off the half-pixel grid, in output samples: d(k−1)/2 − p − (s−1)/2."""
    return tuple(
        Fraction(a.dilation * (a.kernel - 1), 2) - a.begin - Fraction(a.stride - 1, 2) for a in spec.per_axis(rank)
    )


def recentred(spec: ConvTranspose, weight: Any) -> tuple[ConvTranspose, Array]:
    """The layer whose footprint is centred on the half-pixel grid: (spec, weight).

    Whole samples are moved by the padding. Half a sample is interpolated: the kernel is averaged with its neighbour,
    w ∗ (½, ½), one tap longer and a little smoother. Output sizes stay. Raises `NotRepresentable` for dilation above 1
    and for kernels shorter than the stride, which no padding centres.
    """
    w = np.asarray(weight)
    rank = w.ndim - 2
    out = w.astype(np.float64)
    kernel: list[int] = []
    padding: list[tuple[int, int]] = []
    extra: list[int] = []
    for n, (a, edge) in enumerate(zip(spec.per_axis(rank), boundary(spec, rank), strict=True)):
        if a.dilation != 1:
            raise NotRepresentable(f"axis {n}: dilation {a.dilation} leaves no neighbours to average with")
        k = a.kernel
        if (k - a.stride) % 2:
            out = 0.5 * (_padded(out, 2 + n, 0, 1) + _padded(out, 2 + n, 1, 0))
            k += 1
        begin = (k - a.stride) // 2
        if begin < 0:
            raise NotRepresentable(f"axis {n}: a kernel of {a.kernel} is shorter than the stride {a.stride}")
        end = k - a.stride - begin - edge.excess
        room = a.stride - 1
        if -end > room:
            raise NotRepresentable(f"axis {n}: the output is {-end} samples longer than the centred taps reach")
        kernel.append(k)
        padding.append((begin, max(0, end)))
        extra.append(max(0, -end))
    new = ConvTranspose(
        tuple(kernel), tuple(a.stride for a in spec.per_axis(rank)), tuple(b if b == e else (b, e) for b, e in padding),
        tuple(extra), (1,) * rank, spec.groups,
    )  # fmt: skip
    return new, out.astype(w.dtype)


def _padded(array: Array, axis: int, before: int, after: int) -> Array:
    pads = [(0, 0)] * array.ndim
    pads[axis] = (before, after)
    return np.pad(array, pads)
