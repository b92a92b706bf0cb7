"""What the statistics of a picture are made of: sums over its blocks, taken strip by strip.

The transform of a block at harmonic m is y. Along the flat axes of m (where m is 0) blocks are averaged first: an edge
that follows such an axis is the same in all of them, and counts once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bank import Array
from . import arrays
from .arrays import Tensorlike
from .harmonics import Grid, Harmonic

STRIP = 1 << 20
"""Samples of the blocks that are transformed at a time; each takes about fifty bytes."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Shape (rows, harmonics) each; rows are the channels of all items.

    Energies are those of a pattern: |y|² over the squared sum of the window.

    Attributes:
        mean: Ȳ, the mean of y over blocks, complex.
        spread: Σ|Y − Ȳ|²/(count − 1).
        energy: the mean of |y|².
        around: the mean of |y|² over the neighbours.
        evenness: (Σq)²/Σq² of the blocks' energies q at the neighbours: how many blocks matter.
    """

    mean: Tensorlike
    spread: Tensorlike
    energy: Tensorlike
    around: Tensorlike
    evenness: Array


def sums(x: Tensorlike, mean: Tensorlike, grid: Grid, *, around: bool = True) -> Sums:
    """The sums of `x`, shape (rows, *size), from whose rows the `mean`, shape (rows,), is taken.

    Arrays are worked through in strips, in bounded memory. Tensors that carry a gradient are too, but remember all.
    Without `around` the energies are not computed: `energy`, `around` and `evenness` are empty.
    """
    d = len(grid.size)
    rows = x.shape[0]
    shape = (1,) * d
    taper = arrays.like(_outer(grid.windows), arrays.floating(x[:0]))
    scale = float(np.prod([w.sum() for w in grid.windows]))
    taper = taper / scale
    each = rows * int(np.prod(grid.block)) * int(np.prod(grid.blocks[1:]))
    strip = max(1, STRIP // each)
    acc = [_Running(h) for h in grid.harmonics]
    for first in range(0, grid.blocks[0], strip):
        last = min(first + strip, grid.blocks[0])
        begin = grid.start[0] + first * grid.step[0]
        end = grid.start[0] + (last - 1) * grid.step[0] + grid.block[0]
        rest = (slice(o, None) for o in grid.start[1:])
        part = arrays.floating(x[(slice(None), slice(begin, end), *rest)]) - mean.reshape(rows, *shape)
        spectrum = arrays.transform(arrays.blocks(part, grid.block, grid.step) * taper, d)
        power = arrays.squared(spectrum) if around else None
        for running in acc:
            running.add(spectrum, power)
    done = [running.result(grid) for running in acc]
    mean_y, spread, energy, near = (arrays.stack([r[i] for r in done]) for i in range(4))
    return Sums(mean_y, spread, energy, near, np.stack([r[4] for r in done], -1))


class _Running:
    """The sums of one harmonic so far. Blocks have the axes (rows, b₁…b_d), of which strips cut b₁."""

    def __init__(self, harmonic: Harmonic) -> None:
        self.h = harmonic
        self.d = len(harmonic.m)
        self.columns: Tensorlike = None  # Σ over b₁, where m₁ = 0: its blocks count once
        self.each: list[Tensorlike] = []  # (Σy, Σ|y|²) of each strip, otherwise
        self.energy: Tensorlike = 0.0
        self.around: Tensorlike = 0.0
        self.squares: Array = np.zeros(())
        self.total: Array = np.zeros(())

    def add(self, spectrum: Tensorlike, power: Tensorlike) -> None:
        h, d = self.h, self.d
        y = arrays.own(spectrum[(..., *h.bins)])
        axes = tuple(range(1, d + 1))
        if 0 in h.flat:
            part = y.sum(1)
            self.columns = part if self.columns is None else self.columns + part
        else:
            self.each.append(_flatten(y, tuple(a + 1 for a in h.flat)))
        if power is None:
            return
        self.energy = self.energy + power[(..., *h.bins)].sum(axes)
        places = h.neighbours
        q = power[(..., *places)].mean(-1)
        self.around = self.around + q.sum(axes)
        level = arrays.numbers(q)
        self.squares = self.squares + (level * level).sum(axes)
        self.total = self.total + level.sum(axes)

    def result(self, grid: Grid) -> tuple[Tensorlike, Tensorlike, Tensorlike, Tensorlike, Array]:
        h = self.h
        if 0 in h.flat:
            y = _flatten(self.columns / grid.blocks[0], tuple(a for a in h.flat if a))
        else:
            y = arrays.join(self.each)
        n = h.count
        mean = y.mean(-1)
        away = y - mean[:, None]
        spread = arrays.squared(away).sum(-1) / (n - 1)
        every = float(np.prod(grid.blocks))
        count = np.full(self.squares.shape, every)
        even = np.divide(self.total**2, self.squares, out=count, where=self.squares > 0)
        return mean, spread, self.energy / every + spread * 0, self.around / every + spread * 0, even


def _flatten(y: Tensorlike, flat: tuple[int, ...]) -> Tensorlike:
    """Blocks averaged along the flat axes, and the others made one: shape (rows, blocks)."""
    for a in sorted(flat, reverse=True):
        y = y.mean(a)
    return y.reshape(y.shape[0], -1)


def _outer(lines: tuple[Array, ...]) -> Array:
    out = lines[0]
    for line in lines[1:]:
        out = np.multiply.outer(out, line)
    return out
