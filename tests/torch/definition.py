"""Value and gradients as the definition has them: sums over real pairs of input and output alone, a tap at a time.

Nothing is multiplied with the zeros of a border, so that 0 · ∞ never arises there.
"""

from __future__ import annotations

import numpy as np

from upweave.ops.problem import Problem


def _pairs(p: Problem, tap: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """(inputs, outputs) that a tap connects, on each axis: n = s·i + d·t − p."""
    reads, writes = [], []
    for h, s, pad, d, out, t in zip(p.size, p.stride, p.padding, p.dilation, p.out, tap, strict=True):
        i = [i for i in range(h) if 0 <= s * i + d * t - pad < out]
        if not i:
            return None
        n = [s * m + d * t - pad for m in i]
        reads.append(slice(i[0], i[-1] + 1))
        writes.append(slice(n[0], n[-1] + 1, s))
    return tuple(reads), tuple(writes)


def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, p: Problem) -> np.ndarray:
    """Σ w[t]·x[i], and the bias."""
    y = np.zeros(p.output_shape)
    for ci, co, group in _channels(p):
        for tap, (reads, writes) in _taps(p):
            y[(slice(None), group + co, *writes)] += x[(slice(None), ci, *reads)] * weight[(ci, co, *tap)]
    return y if bias is None else y + bias.reshape(-1, *(1,) * p.rank)


def grad_input(gy: np.ndarray, weight: np.ndarray, p: Problem) -> np.ndarray:
    """Σ w[t]·gy[n]."""
    gx = np.zeros(p.input_shape)
    for ci, co, group in _channels(p):
        for tap, (reads, writes) in _taps(p):
            gx[(slice(None), ci, *reads)] += gy[(slice(None), group + co, *writes)] * weight[(ci, co, *tap)]
    return gx


def grad_weight(x: np.ndarray, gy: np.ndarray, p: Problem) -> np.ndarray:
    """Σ x[i]·gy[n]."""
    gw = np.zeros(p.weight_shape)
    for ci, co, group in _channels(p):
        for tap, (reads, writes) in _taps(p):
            gw[(ci, co, *tap)] = (x[(slice(None), ci, *reads)] * gy[(slice(None), group + co, *writes)]).sum()
    return gw


def _channels(p: Problem) -> list[tuple[int, int, int]]:
    """(input channel, output channel of its group, the group's first output channel)."""
    per_in, per_out = p.c_in // p.groups, p.c_out // p.groups
    return [(ci, co, ci // per_in * per_out) for ci in range(p.c_in) for co in range(per_out)]


def _taps(p: Problem) -> list[tuple[tuple[int, ...], tuple[tuple[slice, ...], tuple[slice, ...]]]]:
    return [(tap, pairs) for tap in np.ndindex(*p.kernel) if (pairs := _pairs(p, tap)) is not None]
