"""Which of the native core's algorithms runs a problem, with which blocks: a pure function of shapes and machine.

Everything the core does is one loop nest (`native/body/engine.h`): a tile of positions is packed into a panel, phase
groups are multiplied from it, and the phases are woven into the output. What is chosen here is how the panel looks:

    phase_gemm   the panel holds one copy of the tile for each input offset. No position is wasted, however narrow the
                 rows are, and rows of several images share a tile. Packing costs one copy an offset.
    phase_rows   the panel holds zero-padded rows once; a tap is a shifted address. Packing is cheap, rows are rounded
                 up to whole vectors: for wide rows, above all with few output channels.
    stencil      phase_rows with one channel at a time: depthwise layers.

Some dozens of candidates are priced with a model of the loop nest in cycles, and the cheapest one is taken. The prices
were fitted by hand to measurements on an AVX-512 processor; they rank candidates, they do not predict times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .problem import Problem

ALGORITHMS = ("phase_gemm", "phase_rows", "stencil")

PANEL = 256 * 1024
"""Bytes of a panel, at most: it should stay in the second-level cache together with a slice of the weights."""
WORKSPACE = 2 * 1024 * 1024
"""Bytes of panel and scratch of one thread, at most."""
SLICE = 256
"""Steps that the core sums in registers before it adds them to the scratch."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named choice of the native core, why, and its blocks.

    A work item is `tile` positions (of each of `tile_rows` rows, if `rows`) × `chunk` output channels; its panel holds
    `channels` channels at a time. `cycles` is the model's price for the thread with the most work.
    """

    algorithm: str
    why: str
    rows: bool
    tile_rows: int
    tile: int
    channels: int
    chunk: int
    cycles: float


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis: positions, and what `_taps` says."""

    count: int
    groups: tuple[tuple[int, int], ...]
    offsets: int
    span: int

    @property
    def phases(self) -> int:
        return sum(phases for phases, _ in self.groups)


@dataclass(frozen=True, slots=True)
class _Job:
    """A problem as the loop nest sees it."""

    axes: tuple[_Axis, ...]
    groups: tuple[tuple[int, int], ...]  # (phases, taps) of each phase group
    phases: int
    positions: int
    batch: int
    conv_groups: int
    reduce: int
    produce: int
    item: int
    lanes: int
    height: int
    threads: int
    strided: bool

    @property
    def offsets(self) -> int:
        return math.prod(a.offsets for a in self.axes)

    @property
    def width(self) -> int:
        return self.axes[-1].count


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

    `tile` is what the micro-kernel of the instruction set covers: lanes of a vector, rows. `direction` is "forward" or
    "grad_input", the strided convolution of the output's gradient.
    """
    return _cheapest(_job(p, dtype, threads, tile, direction))


@lru_cache(maxsize=1024)
def _cheapest(job: _Job) -> Schedule:
    return min(_candidates(job), key=lambda s: s.cycles)


def _job(p: Problem, dtype: str, threads: int, tile: tuple[int, int], direction: str) -> _Job:
    forward = direction == "forward"
    axes = tuple(_axis(p, a, forward) for a in range(p.rank))
    groups = [(1, 1)]
    for a in axes:
        groups = [(f * g, t * u) for f, t in groups for g, u in a.groups if u]
    reduce, produce = p.c_in // p.groups, p.c_out // p.groups
    if not forward:
        reduce, produce = produce, reduce
    batch = max(1, p.batch)
    return _Job(
        axes, tuple(groups), math.prod(a.phases for a in axes), batch * math.prod(a.count for a in axes), batch, p.groups,
        reduce, produce, 8 if dtype == "float64" else 4, tile[0], tile[1], max(1, threads),
        not forward and max(p.stride) > 1,
    )  # fmt: skip


def _axis(p: Problem, a: int, forward: bool) -> _Axis:
    k, s, d = p.kernel[a], p.stride[a], p.dilation[a]
    if not forward:
        return _Axis(_rounded(p.size[a]), ((1, k),), k, d * (k - 1))
    if p.size[a] == 1:  # every output is a phase of its own
        return _Axis(1, ((p.out[a], 1),), 1, 0)
    groups, offsets, span = _taps(k, s, p.padding[a], d)
    return _Axis(_rounded(-(-p.out[a] // s)), groups, offsets, span)


def _rounded(count: int) -> int:
    """A long axis to four significant bits, up: signals of many lengths share few schedules."""
    step = 1 << max(0, count.bit_length() - 4)
    return count if count <= 64 else -(-count // step) * step


@lru_cache(maxsize=1024)
def _taps(k: int, s: int, p: int, d: int) -> tuple[tuple[tuple[int, int], ...], int, int]:
    """Groups of phases as (phases, taps), the number of input offsets, and their span."""
    reads: dict[int, list[int]] = {}
    for t in range(k):
        r = (d * t - p) % s
        reads.setdefault(r, []).append((r + p - d * t) // s)
    members: dict[tuple[int, ...], int] = {}
    for offsets in reads.values():
        key = tuple(sorted(offsets))
        members[key] = members.get(key, 0) + 1
    every = {offset for key in members for offset in key}
    groups = tuple((phases, len(key)) for key, phases in members.items())
    if s > len(reads):
        groups += ((s - len(reads), 0),)
    return groups, len(every), max(every) - min(every)


def _candidates(job: _Job) -> Iterator[Schedule]:
    for vectors in (1, 2, 3, 4, 6, 8):
        columns = _evenly(job.positions, vectors * job.lanes, job.lanes)
        if vectors == 1 or columns > (vectors - 1) * job.lanes:
            for chunk in _chunks(job, -(-job.positions // columns)):
                yield _gemm(job, columns, chunk)
    if job.strided:
        return
    height = job.axes[-2].count if len(job.axes) > 1 else 1
    planes = job.batch * math.prod(a.count for a in job.axes[:-2])
    for tile in {_even(job.width, n) for n in (64, 128, 256, 512)}:
        for rows in {_even(height, n) for n in (1, 2, 4, 8, 16, 32)}:
            for chunk in _chunks(job, planes * -(-height // rows) * -(-job.width // tile)):
                yield _rows(job, rows, tile, chunk)


def _chunks(job: _Job, tiles: int) -> set[int]:
    """Output channels of an item: all, unless there would be too few items to share out evenly."""
    if tiles * job.conv_groups >= 16 * job.threads:
        return {job.produce}
    return {_even(job.produce, -(-job.produce // n)) for n in (1, job.threads, 3 * job.threads)}


def _gemm(job: _Job, columns: int, chunk: int) -> Schedule:
    panel = job.offsets * columns
    channels = _fit(job, panel)
    vectors = columns // job.lanes
    runs = columns / job.width + (0.5 if job.width > 1 else 0)
    run = min(job.width, columns)
    copies = runs * (20 + 4 * math.ceil(run / job.lanes)) + (job.offsets - 1) * runs * (8 + 3 * math.ceil(run / job.lanes))
    if job.strided:
        copies = job.offsets * columns * 1.5
    tiles = -(-job.positions // columns)
    scratch = job.phases * columns
    cycles = _price(job, vectors, 1, channels, chunk, copies, columns, runs, tiles, scratch, panel)
    why = f"{chunk * job.phases} rows a tile of {columns} positions at {job.offsets} offsets"
    return Schedule("phase_gemm", why, False, 1, columns, channels, chunk, cycles)


def _rows(job: _Job, rows: int, tile: int, chunk: int) -> Schedule:
    last = job.axes[-1]
    planes = job.axes[0].offsets if len(job.axes) == 3 else 1
    tall = rows + (job.axes[-2].span if len(job.axes) > 1 else 0)
    padded = -(-tile // job.lanes) * job.lanes
    line = (rows - 1) * (tile + last.span) + tile
    flat = -(-line // job.lanes) * job.lanes <= rows * padded + (rows * padded // 8 if padded < 4 * job.lanes else 0)
    panel = planes * tall * (tile + last.span + (0 if flat else job.lanes))
    channels = _fit(job, panel)
    lines, vectors = (1, -(-line // job.lanes)) if flat else (rows, padded // job.lanes)
    copies = planes * tall * (24 + 4 * math.ceil((tile + last.span) / job.lanes))
    tiles = job.batch * math.prod(a.count for a in job.axes[:-2])
    if len(job.axes) > 1:
        tiles *= -(-job.axes[-2].count // rows)
    tiles *= -(-last.count // tile)
    columns = lines * vectors * job.lanes
    cycles = _price(job, vectors, lines, channels, chunk, copies, rows * tile, rows, tiles, job.phases * columns, panel)
    name = "stencil" if job.reduce == 1 else "phase_rows"
    why = f"{chunk * job.phases} rows a tile of {rows} × {tile} positions, packed once for {job.offsets} offsets"
    return Schedule(name, why, True, rows, tile, channels, chunk, cycles)


def _price(
    job: _Job, vectors: int, lines: int, channels: int, chunk: int, copies: float, positions: int, runs: float,
    tiles: int, scratch: int, panel: int,
) -> float:  # fmt: skip
    """Cycles of the thread with the most items; infinite where the workspace would be too large."""
    panels = -(-job.reduce // channels)
    kept = chunk if panels > 1 else min(chunk, max(1, 8 * job.height // job.phases))
    workspace = job.item * (scratch * kept + panel * channels)
    multiply = 0.0
    for phases, taps in job.groups:
        m = phases * chunk
        height = m / -(-m // job.height)
        widest = max(1, min(8, int(((31 if job.height > 6 else 15)) // (height + 1))))
        parts = -(-vectors // widest) * lines
        steps = job.reduce * taps
        slices = panels * -(-(channels * taps) // SLICE)
        load_bound = max(0.0, 2 / height - 1) if job.lanes > 4 else 0.0
        multiply += vectors * lines * m * (steps * (1 + 0.4 / height + load_bound) + 3.5 * slices)
        multiply += 45 * parts * slices * -(-m // job.height) + 2 * steps * parts * -(-m // job.height)
    weights = job.reduce * chunk * sum(f * t for f, t in job.groups) * job.item
    stream = weights / 24 if weights > 256 * 1024 else 0.0
    pack = job.reduce * copies
    weave_width = job.axes[-1].phases
    weave = chunk * (positions * job.phases / job.lanes * (6 + weave_width % 2 * min(weave_width, job.lanes) * 1.5))
    weave += chunk * runs * (job.phases / max(1, weave_width)) * 30
    items = tiles * -(-job.produce // chunk) * job.conv_groups
    each = multiply + stream + pack + weave + 400
    if workspace > WORKSPACE:
        return each * items * (4 + workspace / WORKSPACE)
    # small working sets are faster than the sum of their parts, and many items hide a thread that is held up
    return each * -(-items // job.threads) * (1 + workspace / WORKSPACE / 4 + 0.06 * job.threads / items)


def _fit(job: _Job, floats: int) -> int:
    """Channels of a panel that hold `floats` elements each."""
    return _even(job.reduce, max(1, PANEL // (job.item * max(1, floats))))


def _even(total: int, most: int) -> int:
    """The size of the parts of `total` when it is shared evenly over as few parts of at most `most` as possible."""
    return math.ceil(total / math.ceil(total / max(1, most)))


def _evenly(total: int, most: int, lanes: int) -> int:
    """The same in whole vectors."""
    return math.ceil(_even(total, most) / lanes) * lanes
