"""The impulse response of a bank, and the fold that turns one into the other.

A bank's tap (r, j) stands for u = n − s·i = r − s·(start + j), so the (s, T) grid of an axis is an interval of u,
read as a matrix. With s = 2, T = 2, start = 0:

    u        −2   −1    0    1          h, padded at both ends to whole strides
             └─ j=1 ─┘└─ j=0 ─┘         later inputs (greater j) reach less far
    r         0    1    0    1
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..bank import Array, PhaseBank, Taps


@dataclass(frozen=True, eq=False)
class Impulse:
    """What an upsampler answers to a unit impulse at input 0: y[n] = Σ_i h[n − s·i] · x[i].

    Attributes:
        stride: s of each axis.
        low: the u of index 0 on each axis.
        h: shape (C_out, C_in/g, U…).
        groups: number of channel groups g.
    """

    stride: tuple[int, ...]
    low: tuple[int, ...]
    h: Array
    groups: int = 1

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.stride)

    def positions(self, axis: int) -> npt.NDArray[np.int64]:
        """u along `axis`: the outputs that input 0 reaches."""
        return np.arange(self.low[axis], self.low[axis] + self.h.shape[2 + axis], dtype=np.int64)


def fold_count(stride: int, low: int, count: npt.NDArray[np.int64]) -> Taps:
    """The `Taps` of an axis whose impulse response has `count` paths at u = low, low + 1, …"""
    before, after, length, start = _frame(stride, low, len(count))
    padded = np.pad(count, (before, after))
    return Taps(start, np.ascontiguousarray(padded.reshape(length, stride)[::-1].T))


def unfold_count(taps: Taps) -> tuple[int, npt.NDArray[np.int64]]:
    """(low, count) of an axis, from its first live u to its last; the inverse of `fold_count`."""
    low = -taps.stride * (taps.start + taps.length - 1)
    count = np.ascontiguousarray(taps.count.T[::-1]).reshape(-1)
    live = count.nonzero()[0]
    if not len(live):
        return 0, np.zeros(1, dtype=np.int64)
    return low + int(live[0]), count[live[0] : live[-1] + 1]


def fold(impulse: Impulse, axes: tuple[Taps, ...], bias: Array | None = None) -> PhaseBank:
    """The bank of an impulse response whose structure is `axes`."""
    d = impulse.rank
    pads, split = [(0, 0), (0, 0)], list(impulse.h.shape[:2])
    for s, low, n in zip(impulse.stride, impulse.low, impulse.h.shape[2:], strict=True):
        before, after, length, _ = _frame(s, low, n)
        pads.append((before, after))
        split += [length, s]
    blocks = np.pad(impulse.h, pads).reshape(split)
    blocks = np.flip(blocks, axis=tuple(2 + 2 * a for a in range(d)))
    order = (*(3 + 2 * a for a in range(d)), 0, 1, *(2 + 2 * a for a in range(d)))
    return PhaseBank(axes, np.ascontiguousarray(blocks.transpose(order)), bias, impulse.groups)


def unfold(bank: PhaseBank) -> Impulse:
    """The impulse response of a bank, from the first live u to the last on each axis."""
    d = bank.rank
    order = (d, d + 1, *(x for a in range(d) for x in (d + 2 + a, a)))
    blocks = np.flip(bank.weights.transpose(order), axis=tuple(2 + 2 * a for a in range(d)))
    h = blocks.reshape(*blocks.shape[:2], *(t.stride * t.length for t in bank.axes))
    lows: list[int] = []
    for a, t in enumerate(bank.axes):
        low, count = unfold_count(t)
        if count.any():
            at = low + t.stride * (t.start + t.length - 1)
            h = np.take(h, range(at, at + len(count)), axis=2 + a)
        else:  # no tap is live on this axis: one zero at u = 0 says so
            h = np.zeros_like(np.take(h, [0], axis=2 + a))
        lows.append(low)
    return Impulse(bank.stride, tuple(lows), h, bank.groups)


def _frame(stride: int, low: int, n: int) -> tuple[int, int, int, int]:
    """(zeros before, zeros after, T, start) that bring u = low … low+n−1 to whole strides."""
    first, last = low // stride, (low + n - 1) // stride
    length = last - first + 1
    return low - first * stride, (last + 1) * stride - (low + n), length, -last
