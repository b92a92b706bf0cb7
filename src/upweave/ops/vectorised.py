"""The transposed convolution in NumPy alone: one matrix product a tap, added to the outputs that the tap reaches.

    tap t of every input at once           Wₜ [C_out/g × C_in/g] · x [C_in/g × ∏H]
    where it lands, on each axis           n = s·i + d·t − p, so y[lo::s] += product[first:last]

No buffer holds more than one tap's product: C_out·∏H numbers, never k·C_out·∏H.
"""

from __future__ import annotations

import math

import numpy as np

from ..bank import Array
from .problem import Problem

BLOCK = 64
"""More float32 products than this onto one output are summed in float64: a long chain of additions loses digits."""


def algorithm(p: Problem) -> str:
    """The name of what runs: "tap_gemm", or "tap_scale" where a group has one input channel and no sum to take."""
    return "tap_scale" if p.c_in == p.groups else "tap_gemm"


def vectorised(x: Array, weight: Array, bias: Array | None, p: Problem, out: Array | None = None) -> Array:
    """The output of shape `p.output_shape`, written into `out` where it is given.

    `x` of shape `p.input_shape` and `weight` of `p.weight_shape` have one dtype, float32 or float64, and any strides;
    `out`, C-contiguous and of that dtype, shares no memory with them.
    """
    y = np.empty(p.output_shape, x.dtype) if out is None else out
    chain = math.prod(-(-k // s) for k, s in zip(p.kernel, p.stride, strict=True))
    wide = x.dtype == np.float32 and chain > BLOCK
    total = np.zeros(p.output_shape, np.float64) if wide else y
    total[...] = 0 if bias is None else bias.reshape(-1, *(1,) * p.rank)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):  # inf − inf is NaN, and no news
        _add_taps(total, x, weight, p)
        if wide:
            y[...] = total
    return y


def _add_taps(y: Array, x: Array, weight: Array, p: Problem) -> None:
    g, ci, co = p.groups, p.c_in // p.groups, p.c_out // p.groups
    # [k…, g, co, ci]: each tap's matrix in one piece
    order = (*range(3, 3 + p.rank), 0, 2, 1)
    taps = np.ascontiguousarray(weight.reshape(g, ci, co, *p.kernel).transpose(order))
    lines = x.reshape(p.batch, g, ci, math.prod(p.size))
    woven = y.reshape(p.batch, g, co, *p.out)
    product = np.empty((p.batch, g, co, lines.shape[-1]), x.dtype)
    shaped = product.reshape(p.batch, g, co, *p.size)
    run = np.multiply if algorithm(p) == "tap_scale" else np.matmul
    reached = [[_reach(p, a, t) for t in range(k)] for a, k in enumerate(p.kernel)]
    for tap in np.ndindex(*p.kernel):
        reads = tuple(reached[a][t][0] for a, t in enumerate(tap))
        if any(r.start >= r.stop for r in reads):
            continue  # the padding crops everything that this tap makes
        writes = tuple(reached[a][t][1] for a, t in enumerate(tap))
        run(taps[tap], lines, out=product)
        woven[(..., *writes)] += shaped[(..., *reads)]


def _reach(p: Problem, axis: int, t: int) -> tuple[slice, slice]:
    """(inputs, outputs) of tap t on an axis: the i with 0 ≤ s·i + d·t − p < H_T, and where they land."""
    s, at = p.stride[axis], p.dilation[axis] * t - p.padding[axis]
    first = max(0, -(at // s))
    last = min(p.size[axis], (p.out[axis] - 1 - at) // s + 1)
    return slice(first, last), slice(s * first + at, s * (last - 1) + at + 1, s)
