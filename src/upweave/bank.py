"""The phase bank: what every linear upsampling layer is.

A bank has a stride s on each axis and ∏s phases. Phase r is an ordinary stride-1 filter of the input, and the
phases are woven into the output:

    y[s·q + r] = bias[r] + Σ_j  weights[r, …, j] · x[q + start + j]

    one axis, s = 2, T = 2, start = −1            output  0 1 2 3 4 5 …
                                                   phase   0 1 0 1 0 1 …
        phase 0   ── w[0,0]·x[q−1] + w[0,1]·x[q]           ▲   ▲   ▲
        phase 1   ── w[1,0]·x[q−1] + w[1,1]·x[q]             ▲   ▲   ▲

`Taps` is the structure of one axis alone (which tap of which phase exists, whatever its weight is), so coverage
and alignment need no weights. Structure is counted, never guessed from values: a zero weight is still a tap.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import SpecError

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Taps:
    """The structure of one axis: `count[r, j]` paths lead from input q + start + j to output s·q + r.

    For a single layer a count is 0 or 1; in a composition it is the number of ways through the layers.
    """

    start: int
    count: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.count.ndim != 2 or 0 in self.count.shape:
            raise SpecError(f"taps are counted on a (stride, taps) grid, got shape {self.count.shape}")

    @property
    def stride(self) -> int:
        """The upsampling factor s of this axis."""
        return int(self.count.shape[0])

    @property
    def length(self) -> int:
        """The number T of tap positions that the phases share."""
        return int(self.count.shape[1])

    def __matmul__(self, first: Taps) -> Taps:
        """The structure of `first`, then `self`: counts of paths, stride s_self · s_first."""
        return compose_taps(self, first)


def compose_taps(second: Taps, first: Taps) -> Taps:
    """Path counts of two stacked axes.

    Output n = s₂·m + r₂ reads the middle signal at m + start₂ + j₂, and middle sample s₁·q + r₁ reads the input at
    q + start₁ + j₁. Written over n = s₁s₂·q + (s₂·r₁ + r₂), the middle index is s₁·(q + c) + r with
    c, r = divmod(r₁ + start₂ + j₂, s₁).
    """
    s1, s2 = first.stride, second.stride
    low = first.start + second.start // s1
    high = first.start + first.length - 1 + (s1 - 1 + second.start + second.length - 1) // s1
    count = np.zeros((s1 * s2, high - low + 1), dtype=np.int64)
    for r1 in range(s1):
        for j2 in range(second.length):
            carry, r = divmod(r1 + second.start + j2, s1)
            at = carry + first.start - low
            for r2 in range(s2):
                if second.count[r2, j2]:
                    count[s2 * r1 + r2, at : at + first.length] += second.count[r2, j2] * first.count[r]
    return Taps(low, count)


@dataclass(frozen=True, eq=False)
class PhaseBank:
    """A periodically shift-varying filter: the value behind every upsampling spec.

    Attributes:
        axes: the structure of each axis (`Taps`): stride, first tap offset, which taps exist.
        weights: shape (s₁…s_d, C_out, C_in/g, T₁…T_d).
        bias: shape (s₁…s_d, C_out), or None.
        groups: number of channel groups g.

    Raises `SpecError` where the shapes disagree.
    """

    axes: tuple[Taps, ...]
    weights: Array
    bias: Array | None = None
    groups: int = 1

    def __post_init__(self) -> None:
        d = self.rank
        want = (*self.stride, *self.weights.shape[d : d + 2], *(t.length for t in self.axes))
        if self.weights.ndim != 2 * d + 2 or self.weights.shape != want:
            raise SpecError(f"weights of shape {self.weights.shape} do not fit a bank of shape {want}")
        if self.groups < 1 or self.out_channels % self.groups:
            raise SpecError(f"{self.out_channels} output channels do not split into {self.groups} groups")
        if self.bias is not None and self.bias.shape != (*self.stride, self.out_channels):
            raise SpecError(f"bias of shape {self.bias.shape} does not fit {(*self.stride, self.out_channels)}")

    @property
    def rank(self) -> int:
        """Number of spatial axes d."""
        return len(self.axes)

    @property
    def stride(self) -> tuple[int, ...]:
        """The upsampling factor of each axis."""
        return tuple(t.stride for t in self.axes)

    @property
    def start(self) -> tuple[int, ...]:
        """The input offset of tap 0 on each axis."""
        return tuple(t.start for t in self.axes)

    @property
    def out_channels(self) -> int:
        """C_out."""
        return int(self.weights.shape[self.rank])

    @property
    def in_channels(self) -> int:
        """C_in, over all groups."""
        return int(self.weights.shape[self.rank + 1]) * self.groups

    @property
    def support(self) -> npt.NDArray[np.int64]:
        """Paths a tap, shape (s₁…s_d, T₁…T_d): the product of the axes' counts."""
        return outer([t.count for t in self.axes])

    def __matmul__(self, first: PhaseBank) -> PhaseBank:
        """`second @ first`: the bank of both layers, exact wherever no tap of either reads past a border."""
        return compose(self, first)


def ungrouped(bank: PhaseBank) -> PhaseBank:
    """The same bank with groups = 1: the weights between groups become zeros."""
    if bank.groups == 1:
        return bank
    d, g = bank.rank, bank.groups
    o, i = bank.out_channels // g, bank.in_channels // g
    lead, tail = (slice(None),) * d, bank.weights.shape[d + 2 :]
    dense = np.zeros((*bank.stride, bank.out_channels, bank.in_channels, *tail), dtype=bank.weights.dtype)
    for n in range(g):
        rows, cols = slice(n * o, (n + 1) * o), slice(n * i, (n + 1) * i)
        dense[(*lead, rows, cols)] = bank.weights[(*lead, rows)]
    return replace(bank, weights=dense, groups=1)


def compose(second: PhaseBank, first: PhaseBank) -> PhaseBank:
    """The bank of `first` followed by `second`; its taps and counts are `compose_taps` on each axis.

    Raises `SpecError` if the ranks or the channels between the two disagree.
    """
    if second.rank != first.rank:
        raise SpecError(f"a bank of {second.rank} axes cannot follow one of {first.rank}")
    if second.in_channels != first.out_channels:
        raise SpecError(f"the second bank reads {second.in_channels} channels, the first writes {first.out_channels}")
    if second.groups != first.groups:
        second, first = ungrouped(second), ungrouped(first)
    g = first.groups
    axes = tuple(compose_taps(b, a) for b, a in zip(second.axes, first.axes, strict=True))
    stride = tuple(t.stride for t in axes)
    c_out, c_in = second.out_channels, first.in_channels // g
    dtype = np.result_type(first.weights, second.weights)
    weights = np.zeros((*stride, c_out, c_in, *(t.length for t in axes)), dtype=dtype)
    bias = None
    if first.bias is not None or second.bias is not None:
        bias = np.zeros((*stride, c_out), dtype=dtype)
    for r1 in np.ndindex(*first.stride):
        for j2 in np.ndindex(*(t.length for t in second.axes)):
            middle = [divmod(r + t.start + j, s) for r, t, j, s in zip(r1, second.axes, j2, first.stride, strict=True)]
            r = tuple(m[1] for m in middle)
            at = tuple(
                slice(c + a.start - t.start, c + a.start - t.start + a.length)
                for (c, _), a, t in zip(middle, first.axes, axes, strict=True)
            )
            inner = first.weights[r].reshape(g, first.out_channels // g, c_in, -1)
            for r2 in np.ndindex(*second.stride):
                w2 = second.weights[(*r2, slice(None), slice(None), *j2)].reshape(g, c_out // g, -1)
                phase = tuple(s * a + b for s, a, b in zip(second.stride, r1, r2, strict=True))
                product = np.einsum("gom,gmit->goit", w2, inner)
                weights[(*phase, slice(None), slice(None), *at)] += product.reshape(
                    c_out, c_in, *(a.length for a in first.axes)
                )
                if bias is not None and first.bias is not None:
                    middle_bias = first.bias[r].reshape(g, -1)
                    bias[phase] += np.einsum("gom,gm->go", w2, middle_bias).reshape(c_out)
    if bias is not None and second.bias is not None:
        for r1, r2 in itertools.product(np.ndindex(*first.stride), np.ndindex(*second.stride)):
            bias[tuple(s * a + b for s, a, b in zip(second.stride, r1, r2, strict=True))] += second.bias[r2]
    return PhaseBank(axes, weights, bias, g)


def outer(grids: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """The product of per-axis (s, T) grids as one array of shape (s₁…s_d, T₁…T_d)."""
    d = len(grids)
    out: npt.NDArray[np.int64] = np.ones((1,) * (2 * d), dtype=np.int64)
    for a, g in enumerate(grids):
        shape = [1] * (2 * d)
        shape[a], shape[d + a] = g.shape
        out = out * g.reshape(shape)
    return out
