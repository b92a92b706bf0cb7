"""Which kernel runs a problem on a GPU, with which blocks, and why: a pure function of shapes, dtype and layout.

    forward      stencil        depthwise, narrow groups, one or two input channels   no matrix product
                 shuffle_gemm   k = s, no padding                                     one matrix product, interleaved
                 long_kernel    1-D, s ≥ 32                                           a channel's phases are columns
                 few_outputs    up to four output channels                            all phases are columns
                 phase_gemm     everything else                                       phases grouped by their taps
    grad_input   strided_stencil, strided_gemm      the kernels of stencil and phase_gemm with other tables
    grad_weight  split_stencil, split_k             sums over parts of the positions, added in order

The prices are predictions from a data sheet: they say what a kernel would take if it met its peaks, and rank nothing
that `tune` can measure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from ..problem import Problem
from .choice import ALGORITHMS as ALGORITHMS
from .choice import DIRECTIONS as DIRECTIONS
from .choice import DTYPES, ITEM, Choice, Direction
from .cost import priced
from .machine import H100, Gpu
from .phases import MOST_GROUPS, combinations, forward_axes
from .tables import axes_of, channels, long_tiles, power, rows_of, tiles


@lru_cache(maxsize=4096)
def refusal(p: Problem, dtype: str) -> str:
    """Why no kernel here runs the problem; empty if one does."""
    if dtype not in DTYPES:
        return f"the Triton kernels take {', '.join(DTYPES)}, not {dtype}"
    many = math.prod(len(axis.groups) for axis in forward_axes(p))
    if many > MOST_GROUPS:
        return (
            f"stride {p.stride} with dilation {p.dilation} makes {many} groups of phases, "
            f"the kernels know {MOST_GROUPS}"
        )
    return ""


@lru_cache(maxsize=4096)
def choose(
    p: Problem,
    direction: Direction = "forward",
    *,
    dtype: str = "float32",
    channels_last: bool = False,
    tf32: bool = False,
    gpu: Gpu = H100,
) -> Choice:
    """The kernel and the blocks for `p` if nothing is measured: the first candidate that fills the GPU, else the one
    that comes nearest, with the least padding."""
    found = candidates(p, direction, dtype=dtype, channels_last=channels_last, tf32=tf32, gpu=gpu)
    return next((c for c in found if c.programs >= 2 * gpu.units), max(found, key=lambda c: (c.programs, -c.m * c.n)))


def expected(
    rank: int, c_in: int, c_out: int, groups: int, kernel: Sequence[int], stride: Sequence[int],
    padding: Sequence[int], dtype: str, tf32: bool,
) -> str:  # fmt: skip
    """Why these kernels are expected to beat cuDNN on a layer, in either direction; empty if they are not.

    What a call without measurements goes by. It asks for no sizes, so that one compiled graph serves them all. `c_in`
    and `c_out` are all channels.
    """
    if groups > 1 and c_in * c_out <= 16 * groups * groups:
        return "depthwise, or groups too narrow for cuDNN's matrix products"
    if dtype == "float32" and not tf32:
        return ""  # without matrix units cuDNN's own kernels are at the peak of the vector units
    if rank != 2:
        return f"cuDNN is weak in {rank}-D"
    if groups > 1:
        return "cuDNN is weak in grouped layers"
    if c_out <= 4:
        return f"cuDNN is weak with {c_out} output channels"
    if tuple(kernel) == tuple(stride) and not any(padding):
        return "k = s is one matrix product"
    return ""


def expected_of(p: Problem, dtype: str, tf32: bool) -> str:
    """The same for a problem."""
    return expected(p.rank, p.c_in, p.c_out, p.groups, p.kernel, p.stride, p.padding, dtype, tf32)


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
        return (
            "strided_gemm",
            f"the strided convolution: {c_out}·{math.prod(p.kernel)} products for each of {c_in} channels",
        )
    if p.kernel == p.stride and not any(p.padding) and not any(p.output_padding) and set(p.dilation) == {1}:
        return "shuffle_gemm", "k = s without padding: one product, its columns interleaved"
    if p.rank == 1 and p.stride[0] >= 32 and p.dilation == (1,):
        return "long_kernel", f"1-D with stride {p.stride[0]}: the phases of a channel fill the columns"
    if writes <= 4 and set(p.dilation) == {1} and writes * math.prod(p.stride) <= 256:
        return "few_outputs", f"{writes} output channels × {math.prod(p.stride)} phases are columns of one product"
    taps = sorted({math.prod(g.taps for g in c) for c in combinations(forward_axes(p))}, reverse=True)
    return "phase_gemm", f"phases grouped by their taps ({', '.join(map(str, taps))})"


@lru_cache(maxsize=4096)
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
    made = [replace(c, algorithm=algorithm, why=why) for c in make(p, direction, dtype, channels_last, tf32, gpu)]
    return tuple(priced(c, p, direction, dtype, tf32, gpu) for c in dict.fromkeys(made))


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


def _phase_gemm(
    p: Problem, direction: Direction, dtype: str, channels_last: bool, tf32: bool, gpu: Gpu
) -> list[Choice]:
    reads, writes = channels(p, direction)
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
    reads, writes = channels(p, direction)
    columns = writes * math.prod(p.kernel)
    line = 1 if channels_last or p.kernel[-1] & (p.kernel[-1] - 1) else min(p.kernel[-1], 64)
    rows, found = max(1, rows_of(p, direction)), []
    for tile in _tiles(dtype, tf32):
        m, n, k, warps, stages = _fitted(tile, max(columns, line), reads)
        count = -(-columns // n) * p.groups * -(-rows // m)
        found.append(
            Choice(
                "", "", m, n, k, line if n % line == 0 else 1, warps, stages, tap_major=channels_last, programs=count
            )
        )
    return found


def _few_outputs(
    p: Problem, direction: Direction, dtype: str, channels_last: bool, tf32: bool, gpu: Gpu
) -> list[Choice]:
    reads, writes = channels(p, direction)
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
    reads = channels(p, direction)[0]
    rows, found = max(1, rows_of(p, direction)), []
    for tile in _tiles(dtype, tf32):
        m, n, k, warps, stages = _fitted(tile, p.stride[0], reads)
        count = long_tiles(p, n)[-1][0] * p.groups * -(-rows // m)
        copied = ITEM[dtype] == 2 and reads >= 32
        found.append(Choice("", "", m, n, k, n, warps, stages, input_last=copied, programs=count))
    return found


def _stencil(p: Problem, direction: Direction, dtype: str, channels_last: bool, tf32: bool, gpu: Gpu) -> list[Choice]:
    writes = channels(p, direction)[1] * p.groups
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
