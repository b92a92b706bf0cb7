"""Winograd's way of running a phase bank: fewer multiplications, where a phase has two taps or more along an axis.

Phase ρ of a transposed convolution is an ordinary correlation with ⌈(k − ρ)/s⌉ taps. For m neighbouring cells of an
axis, r taps are r·m products; Toom and Cook's scheme F(m, r) needs m + r − 1, on sums of samples and of taps (S.
Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural
Networks, 2016). Two axes multiply: a 4 × 4 kernel of stride 2 in tiles of 3 × 3 cells takes 16/36 of the products.

    up to 4 points: 0, 1, −1, ∞; sums and differences, in float32 as accurate as the products themselves
    5 or 6 points:  about half a decimal digit is lost along each such axis

So the operators use more than four points only along an axis that is alone in its tiles; `precise=False` allows them
everywhere. Along the last axis more taps than a scheme takes are cut into segments of as many as it takes, which share
the points of the samples; and taps that are spread by a dilation are a scheme over every dilation-th sample.
Which tiles are best is priced in cycles as in `schedule`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .problem import Problem
from .schedule import SLICE, even
from .winograd_axis import Axis, axis_of, cells_of, count_of_cells, loses, rounded

WORKSPACE = 3 * 1024 * 1024
"""Bytes of one thread, at most."""
PAST_CACHES = 32 * 1024 * 1024
"""Larger outputs are written past the caches, whole lines of them; a line that two items share is read first."""
WEIGHTS = 256 * 1024 * 1024
"""Bytes of transformed weights, at most: what the store of packed weights would keep."""


@dataclass(frozen=True, slots=True)
class Winograd:
    """Tiles of `cells` along (depth, height, width), and the blocks of a work item; `cycles` as in `Schedule`.

    An item is `tiles` of each of `tile_rows` rows of tiles × a share of the output channels, one of `shares`. `saved`
    is products of the definition for each one made.
    """

    why: str
    cells: tuple[int, int, int]
    tile_rows: int
    tiles: int
    shares: int
    saved: float
    cycles: float

    @property
    def algorithm(self) -> str:
        """The name in a plan."""
        return "winograd"


def schedule(
    p: Problem, *, channels_last: bool = False, threads: int = 1, tile: tuple[int, int] = (16, 14),
    precise: bool = True, packs: bool = False, cells: tuple[int, ...] | None = None,
) -> Winograd | None:  # fmt: skip
    """The best tiles and blocks for `p` in float32, or None where there is nothing to win.

    With one tap a phase there are no fewer products; but of a few positions, which would leave lanes of the direct
    loops empty, output channels fill them. `tile` is (lanes of a vector, tiles of a micro-kernel) of the instruction
    set. `packs`: the weights are transformed in every call. `cells`: with these tiles alone.
    """
    # few positions do not pay for the transforms, few channels leave lanes empty
    full = p.c_out // p.groups >= tile[0] // 2 or phases_fill(p, channels_last, tile[0])
    if p.batch < 1 or not full or p.c_in // p.groups < tile[0] // 2 or p.multiplies < 1 << 18:
        return None
    if p.rank == 1 and cells is None:
        # signals of like lengths have the same tiles, and so the same packed weights
        like = _cheapest(p, channels_last, threads, tile, precise, packs, None, 1)
        cells = tuple(a.m for a in like[1]) if like else None
    best = _cheapest(p, channels_last, threads, tile, precise, packs, cells, 6)
    if best is None:
        return None
    (cycles, tile_rows, tiles, shares, channels), axes = best
    saved = p.multiplies / (
        p.c_in * p.c_out // p.groups * p.batch * math.prod(a.tiles for a in axes) * _count(axes).steps
    )
    what = f"tiles of {'×'.join(str(a.m) for a in axes if a.m > 1)} cells make one product of {saved:.2f}"
    if max(a.m for a in axes) == 1:
        what = "output channels side by side, since there are few positions"
    return Winograd(
        f"{what}; {tile_rows} × {tiles} of them for {channels} output channels",
        tuple(a.m for a in axes), tile_rows, tiles, shares, saved, cycles,  # type: ignore[arg-type]
    )  # fmt: skip


def phases_fill(p: Problem, channels_last: bool, lanes: int) -> bool:
    """True if phases along the last axis fill vectors that channels do not: the core has them in its lanes then."""
    k, s = p.kernel[-1], p.stride[-1]
    whole = k >= s and k % s % lanes == 0 and (s - k % s) % lanes == 0
    return whole and not channels_last and p.c_out // p.groups % lanes != 0


def _cheapest(
    p: Problem, channels_last: bool, threads: int, tile: tuple[int, int], precise: bool, packs: bool,
    cells: tuple[int, ...] | None, bits: int,
) -> tuple[_Blocks, tuple[Axis, ...]] | None:  # fmt: skip
    """The best blocks over all tiles, or over these; axes are rounded to so many significant bits."""
    sizes = (p.batch, p.groups, p.c_in // p.groups, p.c_out // p.groups)
    few = p.batch * math.prod(p.size) < tile[0] and p.kernel == p.stride
    phase_lanes = phases_fill(p, channels_last, tile[0])
    options = [[axis_of(1, 1, 1, 1, 1)]] * (3 - p.rank) + [
        [
            axis_of(p.kernel[a], p.stride[a], p.dilation[a], rounded(count_of_cells(p, a), bits), m)
            for m in cells_of(p, a)
        ]
        for a in range(p.rank)
    ]
    found = [
        (blocks, chosen) for chosen in itertools.product(*options)
        if (few or any(a.m > 1 for a in chosen)) and not (precise and loses(chosen))
        and cells in (None, tuple(a.m for a in chosen))
        for blocks in [_best(chosen, sizes, channels_last, phase_lanes, max(1, threads), tile, packs)] if blocks
    ]  # fmt: skip
    return min(found, key=lambda one: one[0].cycles, default=None)


class _Count(NamedTuple):
    """Of one tile and a pair of vectors of channels: points, vectors of sums, products, transformed weights."""

    planes: int
    columns: int
    steps: int
    weights: int
    odd: bool


def _count(axes: tuple[Axis, ...]) -> _Count:
    planes = columns = steps = weights = 0
    odd = False
    d, h, w = axes
    for one, two, (index, three) in itertools.product(d.classes, h.classes, enumerate(w.classes)):
        product = (one, two, three)
        points, phases = math.prod(c.points for c in product), math.prod(c.phases for c in product)
        planes += 0 if w.shares(index) else points
        columns += points * phases
        steps += points * phases * three.segments
        # one tap has as many points as cells, and the same weight at all of them
        weights += math.prod(1 if c.scheme == 1 else c.points for c in product) * phases * three.segments
        odd |= phases % 2 > 0
    return _Count(planes, columns, steps, weights, odd)


class _Blocks(NamedTuple):
    """A way to cut the work, and its price; `channels` are the output channels of an item."""

    cycles: float
    tile_rows: int
    tiles: int
    shares: int
    channels: int


@lru_cache(maxsize=1024)
def _best(
    axes: tuple[Axis, ...], sizes: tuple[int, int, int, int], channels_last: bool, phase_lanes: bool, threads: int,
    tile: tuple[int, int], packs: bool,
) -> _Blocks | None:  # fmt: skip
    return min(_candidates(axes, sizes, channels_last, phase_lanes, threads, tile, packs), default=None)


def _candidates(
    axes: tuple[Axis, ...], sizes: tuple[int, int, int, int], channels_last: bool, phase_lanes: bool, threads: int,
    tile: tuple[int, int], packs: bool,
) -> Iterator[_Blocks]:  # fmt: skip
    batch, groups, c_in, c_out = sizes
    lanes, high = tile
    d, h, w = axes
    ins, outs, slices = -(-c_in // lanes), -(-c_out // lanes), -(-c_in // SLICE)
    n = _count(axes)
    outputs = math.prod(a.m * a.stride for a in axes)  # of a tile, in vectors
    load, store = (1.7, 1.7) if channels_last else (3.0, 3.6)
    if phase_lanes:
        n = _Count(n.planes, n.columns // lanes, n.steps // lanes, n.weights // lanes, n.odd and lanes == 1)
        outs, outputs, store = c_out, outputs // lanes, 0.8
    weights = n.weights * groups * c_in * outs * lanes
    if 4 * weights > WEIGHTS:
        return
    chunk = min(outs, 2 if n.odd else 1)  # as the core: whole pairs of columns
    chunks = -(-outs // chunk)
    rows = batch * d.tiles * h.tiles
    written = 4 * groups * c_out * batch * math.prod(a.tiles * a.m * a.stride for a in axes)
    lines, lead, beyond = d.reads * h.reads, w.lead, (w.reach - 1) * w.dilation
    deep, flat = (sum(c.points for c in a.classes) for a in (d, h))
    along = deep * h.reads * (d.reach > 1) + deep * flat * (h.reach > 1)
    back = n.columns * (14 + (14 * w.m / max(c.points for c in w.classes) if h.m > 1 else 0))
    # weights come from the third level of caches, if they fit there, once for each item
    stream = 4 * c_in * lanes * n.steps * (0 if weights < 2**17 else 0.024 if weights < 5 * 2**20 else 0.042)
    blocks = w.tiles // w.dilation
    for tiles in {w.dilation * even(blocks, max(1, most // w.dilation)) for most in (8, 16, 24, 32, 48, 64)}:
        columns = -(-w.tiles // tiles)
        width = w.m * tiles + beyond
        # one vector of input channels of one row: lines from memory, then along each axis
        gather = lines * (90 + load * (-(-width // lanes) + 1) * lanes)
        transform = gather + 4.7 * along * width + 7 * n.planes * (tiles + lead)
        # one vector of output channels of one row
        shared = written > PAST_CACHES and columns > 1 and tiles * w.m * w.stride % lanes > 0
        finish = tiles * (back + (store + 20 * shared) * outputs)
        for tile_rows in {even(rows, most) for most in (1, 2, 3, 4, 6, 8, 12, 16, 24)}:
            many = tiles * tile_rows
            if many > 96 and (tile_rows > 1 or tiles > 64):
                continue
            workspace = 4 * (
                n.planes * tile_rows * (tiles + lead) * slices * SLICE + chunk * n.columns * many * lanes
                + lanes * (3 * lines * width + outputs * tiles)
            )  # fmt: skip
            if workspace > WORKSPACE:
                continue
            kernels = tile_rows * -(-tiles // high) if lead else -(-many // high)
            steps = n.steps * c_in * (1.035 * many + 1.28 * kernels) * (1 + 0.025 * workspace / 2**20)
            product = steps + n.steps * slices * (2 * many + 20 * kernels) + stream
            for shares in {1, threads, 2 * threads}:
                if shares > chunks:
                    continue
                own = min(outs, chunk * -(-chunks // shares))
                each = tile_rows * (ins * transform + own * finish) + own * product + 3000
                items = groups * shares * -(-rows // tile_rows) * columns
                cycles = each * -(-items // threads) * (1 + 0.06 * threads / items)
                if packs:
                    cycles += 8 * weights / threads
                yield _Blocks(cycles, tile_rows, tiles, shares, own * (1 if phase_lanes else lanes))
