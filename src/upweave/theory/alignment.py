"""Where a layer puts its input: the centre of an input's footprint against the two grids in use.

    input n                0           1           2
    point grid             0     ·     2     ·     4           ideal centre s·n
    half-pixel grid         0.5   |     2.5   |     4.5        ideal centre s·n + (s−1)/2

A shift is a fault only where grids that meet disagree (a layer of phase 0 undoes a strided encoder exactly).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import numpy as np

from ..bank import PhaseBank
from ..boundary import Boundary
from ..convert.axis import axis_boundary, axis_response
from ..convert.forward import impulse_response
from ..convert.impulse import Impulse, unfold_count
from ..shapes import rank_of
from ..spec import Spec

Kind: TypeAlias = Literal["centred", "phase-0", "corner", "causal", "other"]


@dataclass(frozen=True)
class AxisAlignment:
    """Where one axis puts its input; all lengths in output samples.

    Attributes:
        stride: s.
        offset: the centre map is f(n) = s·n + offset.
        kind: "centred" (on the half-pixel grid) · "corner" (on the point grid, first and last samples meet,
            H_T = s(H−1)+1) · "phase-0" (on the point grid otherwise) · "causal" (nothing before s·n, cut to s·H on
            the right) · "other".
        centroid: the same offset by weight (the group delay at DC), None without weights or where their sum vanishes.
    """

    stride: int
    offset: Fraction
    kind: Kind
    centroid: float | None = None

    @property
    def shift_point(self) -> Fraction:
        """Displacement against the point grid, whose ideal is f(n) = s·n."""
        return self.offset

    @property
    def shift_half_pixel(self) -> Fraction:
        """Displacement against the half-pixel grid, whose ideal is f(n) = s·n + (s−1)/2."""
        return self.offset - Fraction(self.stride - 1, 2)

    @property
    def centroid_shift_half_pixel(self) -> float | None:
        """Displacement of the weight centroid against the half-pixel grid."""
        return None if self.centroid is None else self.centroid - (self.stride - 1) / 2

    def centre(self, n: int | Fraction) -> Fraction:
        """f(n): the centre of input n's footprint in the output."""
        return self.stride * Fraction(n) + self.offset


@dataclass(frozen=True)
class Alignment:
    """The alignment of every axis, in order."""

    axes: tuple[AxisAlignment, ...]

    @property
    def kind(self) -> str:
        """The kind that all axes share, else "mixed"."""
        kinds = {a.kind for a in self.axes}
        return kinds.pop() if len(kinds) == 1 else "mixed"

    @property
    def is_centred(self) -> bool:
        """True if every axis is centred on the half-pixel grid."""
        return all(a.kind == "centred" for a in self.axes)


def alignment(what: Spec | PhaseBank, weight: Any = None, *, boundary: Sequence[Boundary] | None = None) -> Alignment:
    """Where a layer puts its input: per axis the offset of f(n) = s·n + offset, its shift on both grids, and its kind.

    Input n's taps reach outputs s·n + u, u_min ≤ u ≤ u_max, and offset = (u_min + u_max)/2: −p + d(k−1)/2 for a
    `ConvTranspose`. With `weight` (or a bank, which has its own) the centroid Σ u·h[u]/Σ h[u] is given too, over
    channels as the one shift τ that best explains all first moments m = τ·g, weighted by the squared gains g². A bank
    needs its `boundary` to be told causal or corner. Raises `NotRepresentable` for a strided `Conv`. Source: the
    article, geometric alignment.
    """
    if isinstance(what, PhaseBank):
        spans = [(low, low + len(count) - 1) for low, count in map(unfold_count, what.axes)]
        strides, ends = what.stride, [b.excess for b in boundary] if boundary is not None else [None] * what.rank
        weighted: Impulse | None = impulse_response(what)
    else:
        rank = rank_of(what, None, weight)
        axes = what.per_axis(rank)
        spans = [(r.low, r.high) for r in map(axis_response, axes)]
        strides, ends = tuple(axis_response(a).stride for a in axes), [axis_boundary(a).excess for a in axes]
        weighted = None if weight is None else impulse_response(what, weight)
    found: list[AxisAlignment] = []
    for a, ((low, high), s, excess) in enumerate(zip(spans, strides, ends, strict=True)):
        centroid = None if weighted is None else _centroid(weighted, a)
        found.append(AxisAlignment(s, Fraction(low + high, 2), _kind(s, low, high, excess), centroid))
    return Alignment(tuple(found))


def centre_map(n: int, kernel: int, padding: int, stride: int = 2) -> Fraction:
    """The article's f_p(n) = s·n − p + (k−1)/2, with p the transposed convolution's own padding; Δ = f₁ − f₀ = −1."""
    return stride * n - padding + Fraction(kernel - 1, 2)


def first_pixel_offset(kernel: int, conv_padding: int, stride: int = 2) -> Fraction:
    """The article's (k−1−2p')/4 for s = 2: the receptive field's centre of output 0, in input pixels.

    It is written with the padding p' of the stride-1 convolution after zero insertion. The transposed convolution's own
    padding is p = (k−1) − p', so that in terms of p the sign turns. For any stride: (k−1−2p')/(2s).
    """
    return Fraction(kernel - 1 - 2 * conv_padding, 2 * stride)


def _kind(s: int, low: int, high: int, excess: int | None) -> Kind:
    if low + high == s - 1:
        return "centred"
    if low + high == 0:
        return "corner" if excess == 1 - s else "phase-0"
    if low == 0 and high >= s and excess == 0:
        return "causal"
    return "other"


def _centroid(impulse: Impulse, axis: int) -> float | None:
    others = tuple(2 + a for a in range(impulse.rank) if a != axis)
    line = impulse.h.sum(axis=others, dtype=np.float64)
    gain = line.sum(axis=-1)
    moment = line @ impulse.positions(axis)
    power = float((gain * gain).sum())
    scale = float((np.abs(line).sum(axis=-1) ** 2).sum())
    return float((gain * moment).sum()) / power if power > 1e-24 * scale else None
