"""Which of the native core's algorithms runs a problem, with which blocks: a pure function of shapes and machine.

Everything the core does is one loop nest (`native/body/engine.h`): a tile of positions is packed into a panel, phase
groups are multiplied from it, and the phases are woven into the output. What is chosen here is how the panel looks:

    phase_gemm   the panel holds one copy of the tile for each input offset. No position is wasted, however narrow the
                 rows are, and rows of several images share a tile. Packing costs one copy an offset.
    phase_rows   the panel holds zero-padded rows once; a tap is a shifted address. Packing is cheap, rows are rounded
                 up to whole vectors: for wide rows, above all with few output channels.
    stencil      phase_rows with one channel at a time: depthwise layers.
    image_gemm   a position is a whole image, and each of its outputs a phase of its own with the taps that read inside
                 alone: many small maps, which would read their borders' zeros for a good part of the work.

Some dozens of candidates are priced with a model of the loop nest in cycles, and the cheapest one is taken. The prices
were fitted by hand to measurements on an AVX-512 processor; they rank candidates, they do not predict times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from .problem import Problem

ALGORITHMS = ("phase_gemm", "phase_rows", "stencil", "image_gemm")

PANEL = 256 * 1024
"""Bytes of a panel, at most: it should stay in the second-level cache together with a slice of the weights."""
WORKSPACE = 2 * 1024 * 1024
"""Bytes of panel and scratch of one thread; what needs more is taken only where nothing needs less."""
IMAGE = 1024
"""Outputs of an image, at most, for each to be a phase of its own."""
SLICE = 128
"""Steps that the core sums in registers before it adds them to the scratch."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named choice of the native core, why, and its blocks.

    A work item is `tile` positions (of each of `tile_rows` rows, if `rows`; whole images, if `images`) × `chunk` output
    channels; its panel holds `channels` channels at a time. `cycles` is the price for the thread with the most work.
    """

    algorithm: str
    why: str
    images: bool
    rows: bool
    tile_rows: int
    tile: int
    channels: int
    chunk: int
    cycles: float


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis: positions, groups of phases as (phases, taps), input offsets that they read, and their span.

    `weights` are the packed weights of all groups, of which those with the same taps share theirs.
    """

    count: int
    groups: tuple[tuple[int, int], ...]
    offsets: int
    span: int
    weights: int

    @property
    def phases(self) -> int:
        return sum(phases for phases, _ in self.groups)


@dataclass(frozen=True, slots=True)
class _Job:
    """A problem as the loop nest sees it; `reduce` and `produce` are channels of one convolution group."""

    axes: tuple[_Axis, ...]
    batch: int
    conv_groups: int
    reduce: int
    produce: int
    itemsize: int
    lanes: int
    height: int
    threads: int
    strided: bool
    packs: bool  # weights are packed in every call
    images: bool = False

    @property
    def groups(self) -> list[tuple[int, int]]:
        """(phases, taps) of each phase group that has taps."""
        found = [(1, 1)]
        for a in self.axes:
            found = [(f * g, t * u) for f, t in found for g, u in a.groups if u]
        return found

    @property
    def phases(self) -> int:
        return math.prod(a.phases for a in self.axes)

    @property
    def offsets(self) -> int:
        return math.prod(a.offsets for a in self.axes)

    @property
    def positions(self) -> int:
        return self.batch * math.prod(a.count for a in self.axes)


@dataclass(frozen=True, slots=True)
class _Tile:
    """A tile of positions, and what it costs to pack."""

    rows: int
    width: int
    lines: int  # runs of the micro-kernels, of
    vectors: int  # so many vectors each
    positions: int
    runs: float  # pieces of output lines
    panel: int  # elements for each channel
    pack: float  # cycles for each channel
    count: int  # tiles


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
    forward = direction == "forward"
    channels = (p.c_in // p.groups, p.c_out // p.groups)
    job = _Job(
        tuple(_axis(p, a, forward) for a in range(p.rank)), max(1, p.batch), p.groups,
        *(channels if forward else channels[::-1]), 8 if dtype == "float64" else 4, *tile, max(1, threads),
        not forward and max(p.stride) > 1, not forward,
    )  # fmt: skip
    # fewer images than lanes waste lanes, and more outputs than this need more weights than they save
    if max(p.size) > 1 and 2 * p.batch > tile[0] and math.prod(p.out) <= IMAGE:
        axes = tuple(_unrolled(p, a, forward) for a in range(p.rank))
        images = replace(job, axes=axes, images=True, strided=False)
        return min(_cheapest(job), _cheapest(images), key=lambda s: s.cycles)
    return _cheapest(job)


@lru_cache(maxsize=1024)
def _cheapest(job: _Job) -> Schedule:
    return min(_candidates(job), key=lambda s: s.cycles)


def _axis(p: Problem, a: int, forward: bool) -> _Axis:
    k, s, d = p.kernel[a], p.stride[a], p.dilation[a]
    if not forward:
        return _Axis(_rounded(p.size[a]), ((1, k),), k, d * (k - 1), k)
    if p.size[a] == 1:  # every output is a phase of its own
        return _Axis(1, ((p.out[a], 1),), 1, 0, p.out[a])
    return _Axis(_rounded(-(-p.out[a] // s)), *taps_along(k, s, p.padding[a], d), k)


def _unrolled(p: Problem, a: int, forward: bool) -> _Axis:
    """An axis of which every output is a phase, and every input that is read an offset."""
    reads: list[list[tuple[int, int]]] = [[] for _ in range(p.out[a] if forward else p.size[a])]
    for t in range(p.kernel[a]):
        for i in range(p.size[a]):
            n = p.stride[a] * i + p.dilation[a] * t - p.padding[a]
            if 0 <= n < p.out[a]:
                reads[n if forward else i].append((i if forward else n, t))
    members: dict[tuple[int, ...], list[tuple[int, ...]]] = {}  # the taps of each phase, by the inputs that they read
    for phase in map(sorted, reads):
        members.setdefault(tuple(i for i, _ in phase), []).append(tuple(t for _, t in phase))
    groups = tuple((len(phases), len(key)) for key, phases in members.items())
    read = {i for key in members for i in key}
    weights = sum(len(phases) * len(phases[0]) for phases in {tuple(taps) for taps in members.values()})
    return _Axis(1, groups, max(1, len(read)), 0, weights)


def _rounded(count: int) -> int:
    """A long axis to four significant bits, up: signals of many lengths share few schedules."""
    step = 1 << max(0, count.bit_length() - 4)
    return count if count <= 64 else -(-count // step) * step


@lru_cache(maxsize=1024)
def taps_along(k: int, s: int, p: int, d: int) -> tuple[tuple[tuple[int, int], ...], int, int]:
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
    if job.images:
        tiles = [*_tiles_of_images(job)]
    else:
        tiles = [*_tiles_of_offsets(job), *([] if job.strided else _tiles_of_rows(job))]
    for tile in tiles:
        for chunk in _chunks(job, tile.count):
            yield _priced(job, tile, chunk)


def _chunks(job: _Job, tiles: int) -> set[int]:
    """Output channels of an item: all, unless there would be too few items to share out evenly."""
    if tiles * job.conv_groups >= 16 * job.threads:
        return {job.produce}
    chunks = {even(job.produce, -(-job.produce // n)) for n in (1, job.threads, 3 * job.threads)}
    # the outputs of a large image leave room for few channels at a time
    return chunks | {even(job.produce, job.height)} if job.images else chunks


def _tiles_of_offsets(job: _Job) -> Iterator[_Tile]:
    """phase_gemm: any positions, a copy for each offset. The first copy of a piece waits for memory."""
    width = job.axes[-1].count
    for vectors in (1, 2, 3, 4, 6, 8):
        columns = -(-even(job.positions, vectors * job.lanes) // job.lanes) * job.lanes
        runs = columns / width + (0.5 if width > 1 else 0)
        piece = -(-min(width, columns) // job.lanes)
        pack = runs * (20 + 4 * piece + (job.offsets - 1) * (8 + 3 * piece))
        if job.strided:
            pack = job.offsets * columns * 1.5
        count, panel = -(-job.positions // columns), job.offsets * columns
        yield _Tile(0, columns, 1, columns // job.lanes, columns, runs, panel, pack, count)


def _tiles_of_images(job: _Job) -> Iterator[_Tile]:
    """image_gemm: no more images than it takes for eight independent sums, since their panel is large."""
    vectors = -(-8 // job.height)
    columns = vectors * job.lanes
    panel = job.offsets * columns
    yield _Tile(0, columns, 1, vectors, columns, 0, panel, 12 * panel / job.lanes, -(-job.batch // columns))


def _tiles_of_rows(job: _Job) -> Iterator[_Tile]:
    """phase_rows: whole rows or parts of them, with the rows around them."""
    *outer, last = job.axes
    span = outer[-1].span if outer else 0
    height = outer[-1].count if outer else 1
    depth = math.prod(a.count for a in outer[:-1])
    planes = outer[0].offsets if len(outer) == 2 else 1
    for width in {even(last.count, n) for n in (64, 128, 256, 512)}:
        for rows in {even(height, n) for n in (1, 2, 4, 8, 16, 32)}:
            # One line over all rows, or a line for each: `make_tables` decides by the same rule.
            padded = -(-width // job.lanes) * job.lanes
            line = -(-((rows - 1) * (width + last.span) + width) // job.lanes) * job.lanes
            flat = line <= rows * padded + (rows * padded // 8 if width < 4 * job.lanes else 0)
            lines, vectors = (1, line // job.lanes) if flat else (rows, padded // job.lanes)
            reads, pitch = planes * (rows + span), width + last.span
            yield _Tile(
                rows, width, lines, vectors, rows * width, rows, reads * (pitch + (0 if flat else job.lanes)),
                reads * (24 + 4 * -(-pitch // job.lanes)),
                job.batch * depth * -(-height // rows) * -(-last.count // width),
            )  # fmt: skip


def _priced(job: _Job, tile: _Tile, chunk: int) -> Schedule:
    """The schedule with these tiles and output channels, its panel as large as fits, and its price."""
    # the panel of many samples is read once for each block of channels, in order: it need not stay close
    most = (4 if job.images else 1) * PANEL
    channels = even(job.reduce, most // (job.itemsize * tile.panel))
    panels = -(-job.reduce // channels)
    multiply = 0.0
    packed = math.prod(a.weights for a in job.axes)
    weights = job.reduce * chunk * job.itemsize * packed
    for phases, taps in job.groups:
        m = phases * chunk
        kernels = -(-m // job.height)  # of m / kernels rows and as many vectors as the registers hold beside them
        height = m / kernels
        widest = max(1, min(8, int((31 if job.height > 6 else 15) // (height + 1))))
        runs = kernels * tile.lines * -(-tile.vectors // widest)
        steps, slices = job.reduce * taps, panels * -(-channels * taps // SLICE)
        # a step: one operation for each vector and row, its loads where the rows are too few to hide them, the loop
        loads = 0.4 / height + max(0.0, 2 / height - 1)
        multiply += tile.lines * tile.vectors * m * (steps * (1 + loads) + 3.5 * slices)
        multiply += runs * ((0.7 if job.images else 2) * steps + 45 * slices)
    # the epilogue: a vector of output, more of them where the stride is no power of two, and each piece of a line
    stride = job.axes[-1].phases
    weave = tile.positions * job.phases / job.lanes * (6 + stride % 2 * min(stride, job.lanes) * 1.5)
    weave += tile.runs * job.phases / stride * 30
    each = multiply + chunk * weave + job.reduce * tile.pack + weights / 16 + 400
    together = max((phases for phases, _ in job.groups), default=1) if job.images else job.phases
    kept = chunk if panels > 1 else min(chunk, max(1, 8 * job.height // together))
    workspace = job.itemsize * (
        job.phases * tile.lines * tile.vectors * job.lanes * kept + tile.panel * channels
    )  # fmt: skip
    items = tile.count * -(-job.produce // chunk) * job.conv_groups
    # small working sets are faster than the sum of their parts, and many items hide a thread that is held up
    crowded = workspace / WORKSPACE / (8 if job.images else 4)
    cycles = each * -(-items // job.threads) * (1 + crowded + 0.06 * job.threads / items)
    if job.packs:
        cycles += 5 * job.conv_groups * job.reduce * job.produce * packed / job.threads
    if workspace > WORKSPACE:
        cycles *= 4 * workspace / WORKSPACE
    what = f"{chunk * job.phases} rows (channels × phases)"
    if job.images:
        why = f"{what} for tiles of {tile.width} images, each of whose {job.phases} outputs reads its own inputs alone"
        return Schedule("image_gemm", why, True, False, 1, tile.width, channels, chunk, cycles)
    if not tile.rows:
        why = f"{what} for tiles of {tile.width} positions, copied for {job.offsets} input offsets"
        return Schedule("phase_gemm", why, False, False, 1, tile.width, channels, chunk, cycles)
    why = f"{what} for tiles of {tile.rows} × {tile.width} positions, packed once for {job.offsets} input offsets"
    name = "stencil" if job.reduce == 1 else "phase_rows"
    return Schedule(name, why, False, True, tile.rows, tile.width, channels, chunk, cycles)


def even(total: int, most: int) -> int:
    """The size of the parts of `total` when it is shared evenly over as few parts of at most `most` as possible."""
    return -(-total // -(-total // max(1, most)))
