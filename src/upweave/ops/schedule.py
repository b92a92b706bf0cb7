"""Which of the native core's algorithms runs a problem, with which blocks: a pure function of shapes and machine.

Everything the core does is one loop nest (`native/body/engine.h`): a tile of positions is packed into a panel, phase
groups are multiplied from it, and the phases are woven into the output. What is chosen here is how the panel looks:

    phase_gemm   the panel holds one copy of the tile for each input offset. No position is wasted, however narrow the
                 rows are, and rows of several images share a tile. Packing costs one copy an offset.
    phase_rows   the panel holds zero-padded rows once; a tap is a shifted address. For few output channels, where
                 packing would cost as much as the arithmetic.
    stencil      phase_rows with one channel at a time: depthwise layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .problem import Problem

ALGORITHMS = ("phase_gemm", "phase_rows", "stencil")

PANEL = 512 * 1024
"""Bytes of a panel: it should stay in the second-level cache together with a slice of the weights."""
CHUNK = 4 * 1024 * 1024
"""Bytes of packed weights that a work item streams: they should stay in the last-level cache between items."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named choice of the native core, why, and its blocks.

    `tile` positions (of each of `tile_rows` rows, if `rows`) × `chunk` output channels are one work item; its panel
    holds `channels` channels at a time.
    """

    algorithm: str
    why: str
    rows: bool
    tile_rows: int
    tile: int
    channels: int
    chunk: int


@dataclass(frozen=True, slots=True)
class _Axis:
    count: int  # positions
    phases: int
    offsets: int  # input offsets that any phase reads
    span: int  # from the least to the greatest


def schedule(
    p: Problem,
    *,
    dtype: str = "float32",
    channels_last: bool = False,
    threads: int = 1,
    tile: tuple[int, int] = (16, 14),
    direction: str = "forward",
) -> Schedule:
    """The algorithm and the blocks for `p`.

    `tile` is what the micro-kernel of the instruction set covers: lanes of a vector, rows.
    """
    lanes, height = tile
    item = 8 if dtype == "float64" else 4
    axes = [_axis(p, a, direction) for a in range(p.rank)]
    reduce, produce = p.c_in // p.groups, p.c_out // p.groups
    if direction != "forward":
        reduce, produce = produce, reduce
    offsets = math.prod(a.offsets for a in axes)
    phases = math.prod(a.phases for a in axes)
    taps = math.prod(p.kernel) if direction != "forward" else max(1, math.prod(p.kernel) // phases)
    positions = max(1, p.batch) * math.prod(a.count for a in axes)
    width = axes[-1].count
    depth = axes[0].count if p.rank == 3 else 1

    # Cost of a position and channel in vector operations: products, and copies into the panel.
    products = produce * phases * taps / lanes
    narrow = width < lanes
    copies = offsets * (1.2 if narrow or (direction != "forward" and p.stride[-1] > 1) else 0.2)
    rows_waste = (axes[-1].span + width) / width if narrow else math.ceil(width / lanes) * lanes / width
    use_rows = direction == "forward" and products * rows_waste + 0.3 < products + copies
    if use_rows:
        line = min(width, 256)
        rows = _rows_tile(axes, reduce, line, lanes, item, produce * phases)
        panel_rows = rows + (axes[-2].span if p.rank > 1 else 0)
        channel = (axes[0].offsets if p.rank == 3 else 1) * panel_rows * (line + axes[-1].span + lanes)
        channels = max(1, min(reduce, PANEL // (item * channel)))
        stencil = reduce == 1
        return Schedule(
            "stencil" if stencil else "phase_rows",
            "one channel a group" if stencil else f"{produce * phases} rows for {offsets} offsets: packing once is cheaper",
            True, rows, line, _even(reduce, channels), _chunk(p, reduce, produce, phases, taps, positions, threads, item),
        )  # fmt: skip
    del depth
    best = 64 if lanes >= 8 else 32
    while best > lanes and item * offsets * best * min(reduce, 64) > PANEL:
        best //= 2
    columns = min(best, math.ceil(positions / lanes) * lanes)
    if columns == best:  # shared out evenly: the last tile is no smaller than it must be
        columns = math.ceil(math.ceil(positions / math.ceil(positions / best)) / lanes) * lanes
    channels = max(1, min(reduce, PANEL // (item * offsets * columns)))
    return Schedule(
        "phase_gemm",
        f"{produce * phases} rows for {offsets} offsets",
        False, 1, columns, _even(reduce, channels), _chunk(p, reduce, produce, phases, taps, positions // columns, threads, item),
    )  # fmt: skip


def _axis(p: Problem, a: int, direction: str) -> _Axis:
    k, s, pad, d, size, out = p.kernel[a], p.stride[a], p.padding[a], p.dilation[a], p.size[a], p.out[a]
    if direction != "forward":
        return _Axis(size, 1, k, d * (k - 1))
    if size == 1:
        return _Axis(1, out, 1, 0)
    offsets = {((d * t - pad) % s + pad - d * t) // s for t in range(k)}
    return _Axis(-(-out // s), min(s, out), max(1, len(offsets)), max(offsets) - min(offsets))


def _rows_tile(axes: list[_Axis], reduce: int, line: int, lanes: int, item: int, rows_each: int) -> int:
    """Rows of a tile: as many as keep the panel and the scratch small, so that rows at its edge are packed rarely."""
    if len(axes) == 1:
        return 1
    span, planes = axes[-2].span, axes[0].offsets if len(axes) == 3 else 1
    pitch = line + axes[-1].span + lanes
    room = min(PANEL // 2 // (item * pitch * planes * min(reduce, 64)) - span, 128 * 1024 // (item * rows_each * line))
    return max(1, min(axes[-2].count, room))


def _even(total: int, most: int) -> int:
    """The size of the parts of `total` when it is shared evenly over as few parts of at most `most` as possible."""
    return math.ceil(total / math.ceil(total / most))


def _chunk(
    p: Problem, reduce: int, produce: int, phases: int, taps: int, tiles: int, threads: int, item: int
) -> int:
    """Output channels of a work item: few enough that there is work for every thread."""
    each = reduce * phases * taps * item
    chunk = max(1, min(produce, CHUNK // each))
    if tiles * p.groups < 4 * threads:
        wanted = math.ceil(4 * threads / max(1, tiles * p.groups))
        chunk = min(chunk, max(1, produce // wanted))
    return _even(produce, chunk)
