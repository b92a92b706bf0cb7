"""Which kernel runs a problem on a GPU, with which blocks, and why: a pure function of shapes, dtype and layout.

    forward      stencil        depthwise, narrow groups, one or two input channels    no matrix product
                 shuffle_gemm   k = s, no padding                                      one matrix product, interleaved
                 long_kernel    1-D, s ≥ 32                                            a channel's phases are the columns
                 few_outputs    up to four output channels                             all phases are the columns
                 phase_gemm     everything else                                        phases grouped by their taps
    grad_input   strided_stencil, strided_gemm      the kernels of stencil and phase_gemm with other tables
    grad_weight  split_stencil, split_k             sums over parts of the positions, added in order

The prices are predictions from a data sheet: they say what a kernel would take if it met its peaks, and rank nothing
that `tune` can measure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias

from ..problem import Problem
from .machine import H100, Gpu
from .phases import MOST_GROUPS, Axis, backward_axes, combinations, forward_axes

Direction: TypeAlias = Literal["forward", "grad_input", "grad_weight"]

DIRECTIONS: tuple[Direction, ...] = ("forward", "grad_input", "grad_weight")

ALGORITHMS: dict[Direction, tuple[str, ...]] = {
    "forward": ("phase_gemm", "shuffle_gemm", "stencil", "few_outputs", "long_kernel"),
    "grad_input": ("strided_gemm", "strided_stencil"),
    "grad_weight": ("split_k", "split_stencil"),
}

DTYPES = ("float32", "bfloat16", "float16")
"""Element types of the kernels; sums are in float32."""

ITEM = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class Choice:
    """A named kernel, why, and how its work is cut.

    A program has `m` rows (positions; for split_k input channels) and `n` columns, of which `phases` are phases of the
    last axis (for split_stencil: taps), `k` steps of the sum at a time. `input_last`, `tap_major`: the input (or the
    output's gradient) is first copied with its channels last, the weight with its taps first. `splits` parts of the
    sum are added by a second kernel. `seconds` is the prediction: the longer of computing, padding included, and moving.
    """

    algorithm: str
    why: str
    m: int
    n: int
    k: int
    phases: int = 1
    warps: int = 4
    stages: int = 3
    splits: int = 1
    input_last: bool = False
    tap_major: bool = False
    programs: int = 1
    seconds: float = 0.0

    @property
    def blocks(self) -> str:
        """The blocks in one word, by which measurements know this choice."""
        text = f"{self.algorithm}:{self.m}x{self.n}x{self.k}:f{self.phases}:w{self.warps}:s{self.stages}:k{self.splits}"
        return text + (":last" if self.input_last else "") + (":taps" if self.tap_major else "")


def refusal(p: Problem, dtype: str) -> str:
    """Why no kernel here runs the problem; empty if one does."""
    if dtype not in DTYPES:
        return f"the Triton kernels take {', '.join(DTYPES)}, not {dtype}"
    many = math.prod(len(axis.groups) for axis in forward_axes(p))
    if many > MOST_GROUPS:
        return f"stride {p.stride} with dilation {p.dilation} makes {many} groups of phases, the kernels know {MOST_GROUPS}"
    return ""


def choose(
    p: Problem,
    direction: Direction = "forward",
    *,
    dtype: str = "float32",
    channels_last: bool = False,
    tf32: bool = False,
    gpu: Gpu = H100,
) -> Choice:
    """The kernel and the blocks for `p` if nothing is measured: the first candidate that fills the GPU."""
    found = candidates(p, direction, dtype=dtype, channels_last=channels_last, tf32=tf32, gpu=gpu)
    return next((c for c in found if c.programs >= 2 * gpu.units), max(found, key=lambda c: c.programs))


@lru_cache(maxsize=1024)
def _algorithm(p: Problem, direction: Direction) -> tuple[str, str]:
    """(name, reason)."""
    c_in, c_out = p.c_in // p.groups, p.c_out // p.groups
    narrow = c_in * c_out <= 16
    groups = f"{p.groups} groups of {c_in} to {c_out} channels" if p.groups > 1 else f"{c_in} to {c_out} channels"
    if direction == "grad_weight":
        if narrow:
            return "split_stencil", f"{groups}: too narrow for a matrix product"
        return "split_k", f"{c_in} channels × {c_out}·{math.prod(p.kernel)} (channel, tap), summed over the positions"
    reads, writes = (c_in, c_out) if direction == "forward" else (c_out, c_in)
    if narrow or reads <= 2:
        name = "stencil" if direction == "forward" else "strided_stencil"
        return name, f"{groups}: too narrow for a matrix product"
    if direction == "grad_input":
        return "strided_gemm", f"the strided convolution: {c_out}·{math.prod(p.kernel)} products for each of {c_in} channels"
    if p.kernel == p.stride and not any(p.padding) and not any(p.output_padding) and set(p.dilation) == {1}:
        return "shuffle_gemm", "k = s without padding: one product, its columns interleaved"
    if p.rank == 1 and p.stride[0] >= 32 and p.dilation == (1,):
        return "long_kernel", f"1-D with stride {p.stride[0]}: the phases of a channel fill the columns"
    if writes <= 4 and set(p.dilation) == {1} and writes * math.prod(p.stride) <= 256:
        return "few_outputs", f"{writes} output channels × {math.prod(p.stride)} phases are columns of one product"
    taps = sorted({math.prod(g.taps for g in c) for c in combinations(forward_axes(p))}, reverse=True)
    return "phase_gemm", f"phases grouped by their taps ({', '.join(map(str, taps))})"


def candidates(
    p: Problem,
    direction: Direction = "forward",
    *,
    dtype: str = "float32",
    channels_last: bool = False,
    tf32: bool = False,
    gpu: Gpu = H100,
) -> tuple[Choice, ...]:
    """A few ways to cut the work, the largest tiles first; every one computes the same."""
    algorithm, why = _algorithm(p, direction)
    make = _MAKERS[algorithm]
    found = tuple(_priced(c, p, direction, dtype, tf32, gpu) for c in make(p, direction, dtype, channels_last, tf32, gpu))
    return tuple(dict.fromkeys(replace(c, algorithm=algorithm, why=why) for c in found))


def _tiles(dtype: str, tf32: bool) -> Sequence[tuple[int, int, int, int, int]]:
    """(rows, columns, steps, warps, stages) of the matrix products that are tried."""
    if dtype != "float32":
        return ((128, 128, 32, 8, 3), (128, 64, 64, 4, 3), (64, 128, 64, 4, 3), (64, 64, 64, 4, 3))
    if tf32:
        return ((128, 128, 32, 8, 3), (128, 64, 32, 4, 3), (64, 128, 32, 4, 3), (64, 64, 32, 4, 3))
    return ((64, 64, 16, 4, 2), (64, 32, 16, 4, 2), (32, 32, 16, 2, 2))  # without matrix units: registers are the limit


def _fitted(tile: tuple[int, int, int, int, int], columns: int, steps: int) -> tuple[int, int, int, int, int]:
    """A tile no wider or deeper than the work; a matrix product takes 16 at least."""
    m, n, k, warps, stages = tile
    return m, min(n, max(16, power(columns))), min(k, max(16, power(steps))), warps, stages


def power(n: int) -> int:
    """The least power of two that is not below n."""
    return 1 << max(0, n - 1).bit_length()


def _channels(p: Problem, direction: Direction) -> tuple[int, int]:
    """(read, written) channels of one group."""
    c_in, c_out = p.c_in // p.groups, p.c_out // p.groups
    return (c_in, c_out) if direction == "forward" else (c_out, c_in)


def axes_of(p: Problem, direction: Direction) -> tuple[Axis, Axis, Axis]:
    """The axes as the kernels of this direction know them."""
    return forward_axes(p) if direction == "forward" else backward_axes(p)


def rows_of(p: Problem, direction: Direction) -> int:
    """Positions of all axes and the batch."""
    return p.batch * math.prod(a.positions for a in axes_of(p, direction))


def tiles(axes: tuple[Axis, Axis, Axis], channels: int, columns: int, phases: int) -> list[tuple[int, ...]]:
    """The table of phase_gemm and stencil: for each combination of groups its first tile and the three groups' numbers,
    and at the end the number of tiles. A tile is `columns` of the channels × `phases` of the last axis."""
    found: list[tuple[int, ...]] = []
    first = 0
    for a, b, c in combinations(axes):
        found.append((first, *a.row, *b.row, *c.row))
        first += -(-channels // columns) * a.phases * b.phases * -(-c.phases // phases)
    return [*found, (first,)]


def _phase_gemm(
    p: Problem, direction: Direction, dtype: str, channels_last: bool, tf32: bool, gpu: Gpu
) -> list[Choice]:
    reads, writes = _channels(p, direction)
    axis = axes_of(p, direction)[2]
    most = 1 if channels_last else min(16, power(max(g.phases for g in axis.groups)))
    rows, found = max(1, rows_of(p, direction)), []
    copied = ITEM[dtype] == 2 and not channels_last and reads >= 32
    for tile in _tiles(dtype, tf32):
        m, n, k, warps, stages = _fitted(tile, most * writes, reads)
        phases = min(most, n)
        n = max(n, phases)
        count = tiles(axes_of(p, direction), writes, n // phases, phases)[-1][0] * p.groups * -(-rows // m)
        found.append(
            Choice("", "", m, n, k, phases, warps, stages, input_last=copied, tap_major=rows >= 4 * m, programs=count)
        )
    return found


def _shuffle_gemm(
    p: Problem, direction: Direction, dtype: str, channels_last: bool, tf32: bool, gpu: Gpu
) -> list[Choice]:
    reads, writes = _channels(p, direction)
    columns = writes * math.prod(p.kernel)
    line = 1 if channels_last or p.kernel[-1] & (p.kernel[-1] - 1) else min(p.kernel[-1], 64)
    rows, found = max(1, rows_of(p, direction)), []
    for tile in _tiles(dtype, tf32):
        m, n, k, warps, stages = _fitted(tile, max(columns, line), reads)
        count = -(-columns // n) * p.groups * -(-rows // m)
        found.append(
            Choice("", "", m, n, k, line if n % line == 0 else 1, warps, stages, tap_major=channels_last, programs=count)
        )
    return found


def _few_outputs(
    p: Problem, direction: Direction, dtype: str, channels_last: bool, tf32: bool, gpu: Gpu
) -> list[Choice]:
    reads, writes = _channels(p, direction)
    line = power(p.stride[-1])
    columns = max(16, power(writes * math.prod(p.stride[:-1]) * line))
    n, rows, found = max(line, min(columns, 64)), max(1, rows_of(p, direction)), []
    for m, warps in ((128, 4), (256, 8), (64, 4)):
        k = min(64 if ITEM[dtype] == 2 else 32, max(16, power(reads)))
        count = -(-writes * math.prod(p.stride[:-1]) * line // n) * p.groups * -(-rows // m)
        found.append(Choice("", "", m, n, k, line, warps, 3, programs=count))
    return found


def _long_kernel(
    p: Problem, direction: Direction, dtype: str, channels_last: bool, tf32: bool, gpu: Gpu
) -> list[Choice]:
    reads, writes = _channels(p, direction)
    rows, found = max(1, rows_of(p, direction)), []
    for tile in _tiles(dtype, tf32):
        m, n, k, warps, stages = _fitted(tile, p.stride[0], reads)
        count = long_tiles(p, n)[-1][0] * p.groups * -(-rows // m)
        copied = ITEM[dtype] == 2 and reads >= 32
        found.append(Choice("", "", m, n, k, n, warps, stages, input_last=copied, programs=count))
    return found


def long_tiles(p: Problem, columns: int) -> list[tuple[int, ...]]:
    """The table of long_kernel: (first tile, first phase, phases, taps) of each group, and the number of tiles."""
    found, first = [], 0
    for g in forward_axes(p)[2].groups:
        found.append((first, g.first, g.phases, g.taps))
        first += p.c_out // p.groups * -(-g.phases // columns)
    return [*found, (first,)]


def _stencil(p: Problem, direction: Direction, dtype: str, channels_last: bool, tf32: bool, gpu: Gpu) -> list[Choice]:
    writes = _channels(p, direction)[1] * p.groups
    axis = axes_of(p, direction)[2]
    rows, found = max(1, rows_of(p, direction)), []
    for size, warps in ((1024, 4), (512, 4), (256, 2)):
        if channels_last:
            phases, n = 1, min(64, power(writes))
        else:
            phases = n = min(32, power(max(g.phases for g in axis.groups)))
        m = max(16, size // n)
        count = tiles(axes_of(p, direction), writes, n // phases, phases)[-1][0] * -(-rows // m)
        found.append(Choice("", "", m, n, 1, phases, warps, 2, programs=count))
    return found


def _split_k(p: Problem, direction: Direction, dtype: str, channels_last: bool, tf32: bool, gpu: Gpu) -> list[Choice]:
    c_in, columns = p.c_in // p.groups, p.c_out // p.groups * math.prod(p.kernel)
    rows, found = max(1, p.batch * math.prod(p.size)), []
    for tile in _tiles(dtype, tf32):
        m, n, k, warps, stages = _fitted(tile, columns, rows)
        m = min(m, max(16, power(c_in)))
        each = -(-c_in // m) * -(-columns // n) * p.groups
        splits = _splits(each, rows, k, math.prod(p.weight_shape), gpu)
        found.append(Choice("", "", m, n, k, 1, warps, stages, splits, programs=each * splits))
    return found


def _split_stencil(
    p: Problem, direction: Direction, dtype: str, channels_last: bool, tf32: bool, gpu: Gpu
) -> list[Choice]:
    pairs, taps = p.c_in * (p.c_out // p.groups), math.prod(p.kernel)
    rows, found = max(1, p.batch * math.prod(p.size)), []
    for size, warps in ((2048, 4), (1024, 4)):
        n = min(32, power(pairs) if channels_last else power(taps))
        phases = 1 if channels_last else n
        k = max(16, size // n)
        each = -(-pairs // (n // phases)) * -(-taps // phases)
        splits = _splits(each, rows, k, math.prod(p.weight_shape), gpu)
        found.append(Choice("", "", 1, n, k, phases, warps, 2, splits, programs=each * splits))
    return found


def _splits(programs: int, rows: int, step: int, weights: int, gpu: Gpu) -> int:
    """Parts of a sum: enough to fill the GPU four times, of eight steps at least, their sums 256 MiB at most."""
    wanted = -(-4 * gpu.units // programs)
    return max(1, min(wanted, rows // (8 * step), (256 << 20) // (4 * weights), 1024))


_MAKERS = {
    "phase_gemm": _phase_gemm,
    "strided_gemm": _phase_gemm,
    "shuffle_gemm": _shuffle_gemm,
    "few_outputs": _few_outputs,
    "long_kernel": _long_kernel,
    "stencil": _stencil,
    "strided_stencil": _stencil,
    "split_k": _split_k,
    "split_stencil": _split_stencil,
}


def _priced(c: Choice, p: Problem, direction: Direction, dtype: str, tf32: bool, gpu: Gpu) -> Choice:
    """The choice with its predicted time: products with their padding at the peak of the units that make them, tiles
    in whole waves, operands moved once and copies twice more."""
    narrow = c.k == 1 or c.m == 1
    peak = gpu.vector if narrow else gpu.matrix.get("tf32" if dtype == "float32" and tf32 else dtype, gpu.vector)
    steps = _steps(c, p, direction)
    waves = max(1.0, -(-c.programs // gpu.units) * gpu.units / c.programs)
    compute = 2 * steps * waves / peak
    item = ITEM[dtype]
    sizes = {"x": math.prod(p.input_shape), "w": math.prod(p.weight_shape), "y": math.prod(p.output_shape)}
    moved = item * sum(sizes.values())
    moved += 2 * item * (sizes["x" if direction == "forward" else "y"] if c.input_last else 0)
    moved += 2 * item * (sizes["w"] if c.tap_major else 0)
    moved += 8 * c.splits * sizes["w"] if c.splits > 1 else 0
    launches = 1 + c.input_last + c.tap_major + (c.splits > 1)
    return replace(c, seconds=max(compute, moved / gpu.bandwidth, launches * gpu.launch))


def _steps(c: Choice, p: Problem, direction: Direction) -> float:
    """Multiply-adds of the tiles, with what is padding in them."""
    rows = max(1, rows_of(p, direction)) if direction != "grad_weight" else max(1, p.batch * math.prod(p.size))
    reads, writes = _channels(p, direction)
    if direction == "grad_weight":
        columns = -(-writes_columns(p) // c.n) * c.n
        return rows * (c.m * -(-(p.c_in // p.groups) // c.m)) * columns * p.groups if c.m > 1 else rows * (
            p.c_in * writes_columns(p)
        )
    rows = -(-rows // c.m) * c.m
    if c.k == 1:  # stencils
        total = 0
        for groups in combinations(axes_of(p, direction)):
            total += math.prod(g.phases * g.taps for g in groups)
        return rows * total * reads * writes * p.groups
    deep = -(-reads // c.k) * c.k
    if c.algorithm in ("phase_gemm", "strided_gemm", "") and c.phases <= 16 and _algorithm(p, direction)[0] in (
        "phase_gemm", "strided_gemm",
    ):  # fmt: skip
        table = tiles(axes_of(p, direction), writes, c.n // c.phases, c.phases)
        total = 0
        for row, after in zip(table[:-1], table[1:], strict=True):
            total += (after[0] - row[0]) * row[5] * row[11] * row[17]
        return rows * deep * total * c.n * p.groups
    if _algorithm(p, direction)[0] == "long_kernel":
        table = long_tiles(p, c.n)
        total = sum((after[0] - row[0]) * row[3] for row, after in zip(table[:-1], table[1:], strict=True))
        return rows * deep * total * c.n * p.groups
    if _algorithm(p, direction)[0] == "few_outputs":
        offsets = math.prod(-(-k // s) for k, s in zip(p.kernel, p.stride, strict=True))
        columns = -(-writes * math.prod(p.stride[:-1]) * power(p.stride[-1]) // c.n) * c.n
        return rows * deep * offsets * columns * p.groups
    return rows * deep * (-(-writes * math.prod(p.kernel) // c.n) * c.n) * p.groups


def writes_columns(p: Problem) -> int:
    """Columns of the weight's gradient: output channels of a group × taps."""
    return p.c_out // p.groups * math.prod(p.kernel)
