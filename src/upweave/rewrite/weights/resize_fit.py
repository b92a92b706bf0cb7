"""The nearest resize and convolution that come closest to a transposed convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...bank import Array
from ...convert import boundary
from ...errors import NotRepresentable
from ...spec import Conv, ConvTranspose


def fit_resize_conv(spec: ConvTranspose, weight: Any) -> tuple[Conv, Array, float]:
    """(convolution, weight, residual): nearest ×s, then this convolution, has the impulse response nearest to the
    layer's in the Euclidean norm.

    The convolution has max(3, k − s + 1) taps an axis; folded, it spans as many outputs as the layer or more, centred
    on it. On each axis h ≈ A·v with A = "repeat s times, then flip", so v = A⁺·h, axis by axis. The weight is
    (C_out, C_in/g, k…); `residual` is the distance relative to the norm of the layer's weight. Output sizes stay.
    Raises `NotRepresentable` for dilation above 1, and where the sizes would need a negative padding.
    Source: Odena, Dumoulin, Olah: Deconvolution and checkerboard artifacts, 2016.
    """
    w = np.asarray(weight)
    rank, g = w.ndim - 2, spec.groups
    c_in, c_out = w.shape[0], w.shape[1] * g
    target = np.swapaxes(w.reshape(g, c_in // g, c_out // g, *w.shape[2:]), 1, 2).astype(np.float64)
    target = target.reshape(c_out, c_in // g, *w.shape[2:])
    fit, again = target, target
    kernel: list[int] = []
    padding: list[tuple[int, int]] = []
    pads = [(0, 0), (0, 0)]
    for n, (a, edge) in enumerate(zip(spec.per_axis(rank), boundary(spec, rank), strict=True)):
        if a.dilation != 1:
            raise NotRepresentable(f"axis {n}: a resize has no gaps, and dilation {a.dilation} does")
        k = max(3, a.kernel - a.stride + 1) if a.stride > 1 else a.kernel
        span = k + a.stride - 1
        front = (span - a.kernel) // 2
        begin = k - 1 - a.begin - front
        end = edge.excess + k - 1 - begin
        if begin < 0 or end < 0:
            raise NotRepresentable(f"axis {n}: the convolution would need the padding {min(begin, end)}")
        matrix = _fold_matrix(k, a.stride)
        inverse = np.linalg.pinv(matrix)[:, front : front + a.kernel]  # zeros where the layer has no taps
        fit = _along(inverse, fit, 2 + n)
        again = _along(matrix @ inverse, again, 2 + n)
        kernel.append(k)
        padding.append((begin, end))
        pads.append((front, span - front - a.kernel))
    lost = float(np.linalg.norm(again - np.pad(target, pads)))
    size = float(np.linalg.norm(target))
    conv = Conv(tuple(kernel), (1,) * rank, tuple(padding), (1,) * rank, g)
    return conv, fit.astype(w.dtype), lost / size if size else 0.0


def _along(matrix: Array, array: Array, axis: int) -> Array:
    return np.moveaxis(np.tensordot(matrix, array, axes=(1, axis)), 0, axis)


def _fold_matrix(k: int, s: int) -> Array:
    """h = A·v of nearest ×s and a convolution v: tap t, flipped, spreads over s samples."""
    matrix = np.zeros((k + s - 1, k))
    for t in range(k):
        matrix[k - 1 - t : k - 1 - t + s, t] = 1
    return matrix
