"""What a choice should take on a GPU that meets its data sheet: a prediction, to be laid beside measurements.

seconds = max( multiply-adds of all tiles, padding and partial waves included / peak of the units that make them,
               operands moved once, copies and partial sums twice more        / bandwidth,
               launches · least time of a launch )
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from ..problem import Problem
from .choice import ITEM, Choice, Direction
from .machine import Gpu
from .phases import combinations
from .tables import axes_of, channels, long_tiles, power, rows_of, tiles

STENCILS = ("stencil", "strided_stencil", "split_stencil")
"""Kernels that multiply on the vector units, in fp32 whatever the dtype."""


def priced(c: Choice, p: Problem, direction: Direction, dtype: str, tf32: bool, gpu: Gpu) -> Choice:
    """The choice with its predicted time."""
    peak = gpu.vector if c.algorithm in STENCILS else gpu.peak(dtype, tf32)
    waves = max(1.0, -(-c.programs // gpu.units) * gpu.units / c.programs)
    compute = 2 * steps(c, p, direction) * waves / peak
    launches = 1 + c.input_last + c.tap_major + (c.splits > 1)
    return replace(c, seconds=max(compute, moved(c, p, direction, dtype) / gpu.bandwidth, launches * gpu.launch))


def moved(c: Choice, p: Problem, direction: Direction, dtype: str) -> int:
    """Bytes to and from memory."""
    x, w, y = (math.prod(shape) for shape in (p.input_shape, p.weight_shape, p.output_shape))
    copied = (y if direction == "grad_input" else x) if c.input_last else 0
    copied += w if c.tap_major else 0
    partial = 8 * c.splits * w if c.splits > 1 else 0
    return ITEM[dtype] * (x + w + y + 2 * copied) + partial


def steps(c: Choice, p: Problem, direction: Direction) -> int:
    """Multiply-adds of all tiles, with what is padding in them."""
    rows = _up(max(1, rows_of(p, direction)), c.m) if direction != "grad_weight" else max(1, rows_of(p, "grad_input"))
    reads, writes = channels(p, direction)
    taps = math.prod(p.kernel)
    if c.algorithm == "split_stencil":
        return rows * p.c_in * writes_each(p)
    if c.algorithm == "split_k":
        return rows * _up(p.c_in // p.groups, c.m) * _up(writes_each(p), c.n) * p.groups
    if c.algorithm in ("stencil", "strided_stencil"):
        live = sum(math.prod(g.phases * g.taps for g in groups) for groups in combinations(axes_of(p, direction)))
        return rows * live * reads * writes * p.groups
    each = rows * _up(reads, c.k) * p.groups  # of each column
    if c.algorithm == "shuffle_gemm":
        return each * _up(writes * taps, c.n)
    if c.algorithm == "few_outputs":
        offsets = math.prod(-(-k // s) for k, s in zip(p.kernel, p.stride, strict=True))
        return each * offsets * _up(writes * math.prod(p.stride[:-1]) * power(p.stride[-1]), c.n)
    if c.algorithm == "long_kernel":
        table = long_tiles(p, c.n)
        found = [row[3] for row in table[:-1]]
    else:
        table = tiles(axes_of(p, direction), writes, c.n // c.phases, c.phases)
        found = [row[5] * row[11] * row[17] for row in table[:-1]]
    firsts = [row[0] for row in table]
    counts = [after - first for first, after in pairwise(firsts)]
    return each * c.n * sum(taps * count for taps, count in zip(found, counts, strict=True))


def writes_each(p: Problem) -> int:
    """Columns of the weight's gradient: output channels of a group × taps."""
    return p.c_out // p.groups * math.prod(p.kernel)


def _up(n: int, block: int) -> int:
    """`n` rounded up to whole blocks."""
    return -(-n // block) * block
