"""The taps of each phase as arithmetic progressions, so that a kernel needs no table and no division in its loops.

With n the output, write n + p = s·q + r, 0 ≤ r < s. Tap t reaches it from input i where s·i + d·t = s·q + r. With
γ = gcd(d, s) and u = s/γ, the first tap t₀ < u of a phase decides everything:

    r = d·t₀ mod s                 the phase
    t = t₀ + u·j                   its taps, j = 0, 1, … while t < k
    i = q + base − (d/γ)·j         their inputs, base = (r − d·t₀)/s

Counting phases from n + p instead of n makes all phases of a dense kernel (d = 1, s | k) read the same inputs:

    k = 4, s = 2        r = 0: taps 0 2    r = 1: taps 1 3        both read q, q − 1

Phases with equal base and number of taps are one *group*: neighbouring t₀, whose r lie d apart. Phases without taps
(k < s, or γ > 1) are groups of no taps, whose outputs are the bias alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from ..problem import Problem

MOST_GROUPS = 64
"""Combinations of groups over the axes that a kernel tells apart; only dilated layers of odd strides have more."""


@dataclass(frozen=True, slots=True)
class Group:
    """Phases of one axis that read the same inputs: r = first + step·f, f = 0 … phases − 1.

    Phase f has the taps tap + f + u·j, j = 0 … taps − 1, which read the inputs q + base − (d/γ)·j.
    """

    first: int
    step: int
    phases: int
    base: int
    taps: int
    tap: int

    @property
    def row(self) -> tuple[int, ...]:
        """The six numbers in the order in which the kernels read them."""
        return (self.first, self.step, self.phases, self.base, self.taps, self.tap)


@dataclass(frozen=True, slots=True)
class Axis:
    """What a kernel knows of one axis.

    Position q stands for a = q + low; a group's input is reach·a + base − hop·j, its tap tap + f + skip·j, and the
    output weave·a + first + step·f − pad. `positions` are enough for every output.
    """

    positions: int
    low: int
    reach: int
    hop: int
    skip: int
    weave: int
    pad: int
    groups: tuple[Group, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The constants in the order in which the kernels read them."""
        return (self.low, self.reach, self.hop, self.skip, self.weave, self.pad)


@lru_cache(maxsize=1024)
def groups(kernel: int, stride: int, dilation: int) -> tuple[Group, ...]:
    """The groups of one axis, those with most taps first; every phase is in exactly one."""
    common = math.gcd(dilation, stride)
    skip = stride // common
    found: list[Group] = []
    for t in range(min(skip, kernel)):
        r = dilation * t % stride
        base, taps = (r - dilation * t) // stride, (kernel - 1 - t) // skip + 1
        last = found[-1] if found else None
        if last is not None and (last.base, last.taps) == (base, taps):
            found[-1] = Group(last.first, dilation, last.phases + 1, base, taps, last.tap)
        else:
            found.append(Group(r, dilation, 1, base, taps, t))
    live = {g.first + g.step * f for g in found for f in range(g.phases)}
    return (*sorted(found, key=lambda g: -g.taps), *_empty([r for r in range(stride) if r not in live]))


def _empty(phases: list[int]) -> Iterator[Group]:
    """Phases without taps, as runs of neighbours."""
    start = 0
    for i in range(1, len(phases) + 1):
        if i == len(phases) or phases[i] != phases[i - 1] + 1:
            yield Group(phases[start], 1, i - start, 0, 0, 0)
            start = i


def forward_axis(p: Problem, a: int) -> Axis:
    """The transposed convolution along axis `a`."""
    k, s, pad, d, out = p.kernel[a], p.stride[a], p.padding[a], p.dilation[a], p.out[a]
    common = math.gcd(d, s)
    low = pad // s
    return Axis((out - 1 + pad) // s - low + 1, low, 1, d // common, s // common, s, pad, groups(k, s, d))


def backward_axis(p: Problem, a: int) -> Axis:
    """The strided convolution along axis `a`, the gradient of the input: one phase, which has all taps.

    Its "input" is the output's gradient at s·i − p + d·t, its "output" the input's gradient at i.
    """
    k, s, pad, d = p.kernel[a], p.stride[a], p.padding[a], p.dilation[a]
    return Axis(p.size[a], 0, s, -d, 1, 1, 0, (Group(0, 1, 1, -pad, k, 0),))


UNIT = Axis(1, 0, 1, 1, 1, 1, 0, (Group(0, 1, 1, 0, 1, 0),))
"""An axis of one position and one tap: what 1-D and 2-D problems have before their own."""


def three(axes: tuple[Axis, ...]) -> tuple[Axis, Axis, Axis]:
    """The axes with units in front, three in all."""
    padded = (UNIT,) * (3 - len(axes)) + axes
    return padded[0], padded[1], padded[2]


@lru_cache(maxsize=1024)
def forward_axes(p: Problem) -> tuple[Axis, Axis, Axis]:
    """The three axes of the transposed convolution."""
    return three(tuple(forward_axis(p, a) for a in range(p.rank)))


@lru_cache(maxsize=1024)
def backward_axes(p: Problem) -> tuple[Axis, Axis, Axis]:
    """The three axes of the gradient of the input."""
    return three(tuple(backward_axis(p, a) for a in range(p.rank)))


def combinations(axes: tuple[Axis, Axis, Axis]) -> list[tuple[Group, Group, Group]]:
    """A group of each axis, in every combination, those with most taps first: long work starts early."""
    found = [(a, b, c) for a, b, c in product(*(axis.groups for axis in axes))]
    return sorted(found, key=lambda g: -math.prod(x.taps for x in g))
