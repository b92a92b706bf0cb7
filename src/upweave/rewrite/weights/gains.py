"""The least change of a transposed convolution's weights that gives all its phases the same DC gain."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from ...bank import Array
from ...errors import NotRepresentable
from ...spec import ConvTranspose


def members(spec: ConvTranspose, rank: int) -> tuple[Array, ...]:
    """For each axis, shape (s, k): 1 where tap t belongs to phase class d·t mod s."""
    out: list[Array] = []
    for a in spec.per_axis(rank):
        classes = a.dilation * np.arange(a.kernel) % a.stride
        out.append((np.arange(a.stride)[:, None] == classes).astype(np.float64))
    return tuple(out)


def phase_gains(spec: ConvTranspose, weight: Any) -> Array:
    """The sums of the taps of each phase class, shape (C_in, C_out/g, s…); padding only renames the phases."""
    w = np.asarray(weight, np.float64)
    return _along(w, members(spec, w.ndim - 2))


def equal_gains(spec: ConvTranspose, weight: Any) -> Array:
    """The nearest weight, in the Euclidean norm, whose phases all have one gain, for each pair of channels.

    With g_r the sum over the T_r taps of phase r, (γ − g_r)/T_r is added to each tap of phase r, where
    γ = Σ(g_r/T_r)/Σ(1/T_r). Raises `NotRepresentable` where a phase has no taps: its gain is 0 and stays 0.
    Source: the article, checkerboard artifacts; `upweave.nn.EqualPhaseGain` keeps it during training.
    """
    w = np.asarray(weight)
    rank = w.ndim - 2
    axes = members(spec, rank)
    counts = [m.sum(axis=1) for m in axes]
    if any((c == 0).any() for c in counts):
        raise NotRepresentable("some phases have no taps, and their gain stays 0; take a kernel of at least the stride")
    share = reduce(np.multiply.outer, [1 / c for c in counts])
    gain = _along(w.astype(np.float64), axes)
    spatial = tuple(range(2, w.ndim))
    common = (gain * share).sum(spatial, keepdims=True) / share.sum()
    change = _along((common - gain) * share, tuple(m.T for m in axes))
    return (w + change).astype(w.dtype)


def imbalance(spec: ConvTranspose, weight: Any) -> float:
    """How far the phases' gains are from their mean, relative to the largest gain or the mean size of a tap."""
    gain = phase_gains(spec, weight)
    spatial = tuple(range(2, gain.ndim))
    off = np.abs(gain - gain.mean(spatial, keepdims=True)).max(initial=0.0)
    scale = max(float(np.abs(gain).max(initial=0.0)), float(np.abs(np.asarray(weight)).mean()))
    return float(off / scale) if scale else 0.0


def _along(array: Array, matrices: tuple[Array, ...]) -> Array:
    """Each matrix applied to its trailing axis."""
    for a, m in enumerate(matrices):
        array = np.moveaxis(np.tensordot(m, array, axes=(1, 2 + a)), 0, 2 + a)
    return array
