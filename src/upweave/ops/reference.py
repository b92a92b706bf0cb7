"""The slow truth: every layer as nested loops over its definition, on arrays shaped (C_in, *size).

Nothing here is shared with the bank, the matrix or the fast kernels, so that each of them can be tested against it.
"""

from __future__ import annotations

import math
from functools import singledispatch
from typing import Any

import numpy as np

from ..bank import Array
from ..errors import SpecError
from ..spec import Conv, ConvPixelShuffle, ConvTranspose, FirUpsample, ResizeConv, Spec, ZeroInsertConv


def reference(spec: Spec, x: Any, weight: Any = None, bias: Any = None) -> Array:
    """The layer's output, float64 or complex of shape (C_out, *H_T), for an input of shape (C_in, *size).

    `weight` is in the spec's layout with both channel axes (`FirUpsample` takes none), `bias` has one entry a channel
    of the layer's convolution. Slow on purpose; raises what NumPy raises for shapes that do not fit.
    """
    x = np.asarray(x)
    x = x.astype(np.result_type(x, np.float64))
    return _run(spec, x, None if weight is None else np.asarray(weight), bias)


@singledispatch
def _run(spec: Spec, x: Array, weight: Any, bias: Any) -> Array:
    raise SpecError(f"the reference knows the specs of upweave.spec, not {type(spec).__name__}")


@_run.register
def _(spec: ConvTranspose, x: Array, weight: Any, bias: Any) -> Array:
    axes = spec.per_axis(x.ndim - 1)
    c_in, per_group = weight.shape[:2]
    size = [
        a.stride * (h - 1) - a.begin - a.end + a.dilation * (a.kernel - 1) + 1 + a.output_padding
        for a, h in zip(axes, x.shape[1:], strict=True)
    ]
    y = np.zeros((per_group * spec.groups, *size), dtype=x.dtype)
    for ci in range(c_in):
        group = ci // (c_in // spec.groups)
        for i in np.ndindex(*x.shape[1:]):
            for co in range(per_group):
                for t in np.ndindex(*weight.shape[2:]):
                    n = tuple(a.stride * m + a.dilation * u - a.begin for a, m, u in zip(axes, i, t, strict=True))
                    if all(0 <= v < h for v, h in zip(n, size, strict=True)):
                        y[(group * per_group + co, *n)] += x[(ci, *i)] * weight[(ci, co, *t)]
    return _biased(y, bias)


@_run.register
def _(spec: Conv, x: Array, weight: Any, bias: Any) -> Array:
    axes = spec.per_axis(x.ndim - 1)
    return _correlate(
        x, weight, bias, spec.groups,
        [a.stride for a in axes], [a.dilation for a in axes], [(a.begin, a.end) for a in axes],
    )  # fmt: skip


@_run.register
def _(spec: ZeroInsertConv, x: Array, weight: Any, bias: Any) -> Array:
    axes = spec.per_axis(x.ndim - 1)
    z = _insert(x, [a.stride for a in axes], [a.output_padding for a in axes])
    one = [1] * len(axes)
    return _correlate(z, weight, bias, spec.groups, one, [a.dilation for a in axes], [(a.begin, a.end) for a in axes])


@_run.register
def _(spec: ConvPixelShuffle, x: Array, weight: Any, bias: Any) -> Array:
    axes = spec.per_axis(x.ndim - 1)
    one = [1] * len(axes)
    z = _correlate(x, weight, bias, spec.groups, one, [a.dilation for a in axes], [(a.begin, a.end) for a in axes])
    s = [a.stride for a in axes]
    y = np.zeros((z.shape[0] // math.prod(s), *(n * f for n, f in zip(z.shape[1:], s, strict=True))), dtype=z.dtype)
    for index in np.ndindex(*y.shape):
        channel = index[0]
        for n, f in zip(index[1:], s, strict=True):
            channel = channel * f + n % f
        y[index] = z[(channel, *(n // f for n, f in zip(index[1:], s, strict=True)))]
    return y


@_run.register
def _(spec: ResizeConv, x: Array, weight: Any, bias: Any) -> Array:
    axes = spec.per_axis(x.ndim - 1)
    for a, axis in enumerate(axes):
        x = np.moveaxis(_resize_line(np.moveaxis(x, a + 1, 0), axis.stride, spec.mode, spec.cubic_a), 0, a + 1)
    one = [1] * len(axes)
    return _correlate(x, weight, bias, spec.groups, one, [a.dilation for a in axes], [(a.begin, a.end) for a in axes])


@_run.register
def _(spec: FirUpsample, x: Array, weight: Any, bias: Any) -> Array:
    axes = spec.per_axis(x.ndim - 1)
    k = len(spec.taps)
    z = _insert(x, [a.stride for a in axes], [a.stride - 1 for a in axes])
    flipped = np.ones(())
    for a in axes:
        line = np.array([spec.taps[k - 1 - t] for t in range(k)])
        flipped = np.multiply.outer(flipped, line * (a.stride / sum(spec.taps)) if spec.normalise else line)
    depthwise = np.stack([flipped[None]] * x.shape[0])
    one = [1] * len(axes)
    return _correlate(z, depthwise, bias, x.shape[0], one, one, [(a.begin, a.end) for a in axes])


def _correlate(
    x: Array, weight: Array, bias: Any, groups: int, stride: list[int], dilation: list[int], pads: list[tuple[int, int]]
) -> Array:
    """A convolution as networks define it, zeros outside."""
    c_out, per_group = weight.shape[:2]
    size = [
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(x.shape[1:], pads, dilation, weight.shape[2:], stride, strict=True)
    ]
    y = np.zeros((c_out, *size), dtype=np.result_type(x, weight))
    for co in range(c_out):
        group = co // (c_out // groups)
        for n in np.ndindex(*size):
            for ci in range(per_group):
                for t in np.ndindex(*weight.shape[2:]):
                    at = tuple(s * m + d * u - p[0] for s, m, d, u, p in zip(stride, n, dilation, t, pads, strict=True))
                    if all(0 <= v < h for v, h in zip(at, x.shape[1:], strict=True)):
                        y[(co, *n)] += x[(group * per_group + ci, *at)] * weight[(co, ci, *t)]
    return _biased(y, bias)


def _insert(x: Array, stride: list[int], tail: list[int]) -> Array:
    """s−1 zeros between neighbours, `tail` more after the last."""
    size = [s * (n - 1) + 1 + o for n, s, o in zip(x.shape[1:], stride, tail, strict=True)]
    z = np.zeros((x.shape[0], *size), dtype=x.dtype)
    for i in np.ndindex(*x.shape):
        z[(i[0], *(s * n for s, n in zip(stride, i[1:], strict=True)))] = x[i]
    return z


def _resize_line(x: Array, stride: int, mode: str, a: float) -> Array:
    """The first axis, resized on half-pixel positions, samples outside repeating the edge."""
    y = np.zeros((x.shape[0] * stride, *x.shape[1:]), dtype=x.dtype)
    for m in range(len(y)):
        if mode == "nearest":
            y[m] = x[m // stride]
            continue
        position = (m + 0.5) / stride - 0.5
        for i in range(math.floor(position) - 1, math.floor(position) + 3):
            distance = abs(position - i)
            if mode == "linear":
                weight = max(0.0, 1 - distance)
            elif distance <= 1:
                weight = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
            else:
                weight = a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a if distance < 2 else 0.0
            y[m] += weight * x[min(max(i, 0), x.shape[0] - 1)]
    return y


def _biased(y: Array, bias: Any) -> Array:
    return y if bias is None else y + np.asarray(bias).reshape(-1, *(1,) * (y.ndim - 1))
