"""What a kernel is told of a problem: axes, rows, and which tile belongs to which group of phases."""

from __future__ import annotations

import math
from functools import lru_cache

from ..problem import Problem
from .choice import Direction
from .phases import Axis, backward_axes, combinations, forward_axes


def power(n: int) -> int:
    """The least power of two that is not below n."""
    return 1 << max(0, n - 1).bit_length()


def channels(p: Problem, direction: Direction) -> tuple[int, int]:
    """(read, written) channels of one group."""
    c_in, c_out = p.c_in // p.groups, p.c_out // p.groups
    return (c_in, c_out) if direction == "forward" else (c_out, c_in)


def axes_of(p: Problem, direction: Direction) -> tuple[Axis, Axis, Axis]:
    """The axes as the kernels of this direction know them."""
    return forward_axes(p) if direction == "forward" else backward_axes(p)


def rows_of(p: Problem, direction: Direction) -> int:
    """Positions of all axes and the batch."""
    return p.batch * math.prod(a.positions for a in axes_of(p, direction))


@lru_cache(maxsize=1024)
def tiles(axes: tuple[Axis, Axis, Axis], channels: int, columns: int, phases: int) -> tuple[tuple[int, ...], ...]:
    """The table of phase_gemm and stencil: for each combination of groups its first tile and the three groups' numbers,
    and at the end the number of tiles. A tile is `columns` of the channels × `phases` of the last axis."""
    found: list[tuple[int, ...]] = []
    first = 0
    for a, b, c in combinations(axes):
        found.append((first, *a.row, *b.row, *c.row))
        first += -(-channels // columns) * a.phases * b.phases * -(-c.phases // phases)
    return (*found, (first,))


@lru_cache(maxsize=1024)
def long_tiles(p: Problem, columns: int) -> tuple[tuple[int, ...], ...]:
    """The table of long_kernel: (first tile, first phase, phases, taps) of each group, and the number of tiles."""
    found, first = [], 0
    for g in forward_axes(p)[2].groups:
        found.append((first, g.first, g.phases, g.taps))
        first += p.c_out // p.groups * -(-g.phases // columns)
    return (*found, (first,))
