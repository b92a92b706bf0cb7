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

The products of matrices may be Strassen's (V. Strassen, Gaussian Elimination is not Optimal, 1969): seven, of pairs of
tiles and halves of the channels, for eight; a quarter of a digit is lost. With one tap a phase they are all there is to
win, and the tiles are of one cell. They are made where two axes at most are in tiles, of up to four points, or with
`precise=False`.
Which tiles are best is priced in cycles as in `schedule`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from .problem import Problem
from .schedule import SLICE, even
from .winograd_axis import Axis, axis_of, cells_of, count_of_cells, lengthened, loses, rounded

WORKSPACE = 3 * 1024 * 1024
"""Bytes of one thread, at most."""
PAST_CACHES = 32 * 1024 * 1024
"""Larger outputs are written past the caches, whole lines of them; a line that two items share is read first."""
SHORT = 128
"""Signals of fewer samples have the tiles of one that has so many."""
STRASSEN = 7
"""Products of halves that Strassen's way makes for eight."""
WEIGHTS = 256 * 1024 * 1024
"""Bytes of transformed weights, at most: what the store of packed weights would keep."""


@dataclass(frozen=True, slots=True)
class Winograd:
    """Tiles of `cells` along (depth, height, width), and the blocks of a work item; `cycles` as in `Schedule`.

    An item is `tiles` of each of `tile_rows` rows of tiles × a share of the output channels, one of `shares`. `saved`
    is products of the definition for each one made. `strassen`: products are of pairs of tiles and halves of channels.
    """

    why: str
    cells: tuple[int, int, int]
    tile_rows: int
    tiles: int
    shares: int
    strassen: bool
    saved: float
    cycles: float

    @property
    def algorithm(self) -> str:
        """The name in a plan."""
        return "strassen" if max(self.cells) == 1 and self.strassen else "winograd"


def schedule(
    p: Problem, *, channels_last: bool = False, threads: int = 1, tile: tuple[int, int] = (16, 14),
    precise: bool = True, packs: bool = False, cells: tuple[int, ...] | None = None, strassen: bool | None = None,
) -> Winograd | None:  # fmt: skip
    """The best tiles and blocks for `p` in float32, or None where there is nothing to win.

    With one tap a phase there are no fewer products; but of a few positions, which would leave lanes of the direct
    loops empty, output channels fill them. `tile` is (lanes of a vector, tiles of a micro-kernel) of the instruction
    set. `packs`: the weights are transformed in every call. `cells`: with these tiles alone;
    `strassen`: with or without Strassen's products alone.
    """
    # few positions do not pay for the transforms, few channels leave lanes empty
    full = p.c_out // p.groups >= tile[0] // 2 or phases_fill(p, channels_last, tile[0])
    if p.batch < 1 or not full or p.c_in // p.groups < tile[0] // 2 or p.multiplies < 1 << 18:
        return None
    if p.rank == 1 and cells is None and not _few(p, tile[0]):
        # all short signals have the same tiles, and so the same packed weights
        like = _cheapest(
            lengthened(p, max(SHORT, p.size[0])), channels_last, threads, tile, precise, packs, None, strassen
        )
        if like is None:
            return None
        cells, strassen = tuple(a.m for a in like[1]), like[2]
    best = _cheapest(p, channels_last, threads, tile, precise, packs, cells, strassen)
    if best is None:
        return None
    (cycles, tile_rows, tiles, shares, channels), axes, strassen = best
    saved = p.multiplies / (
        p.c_in * p.c_out // p.groups * p.batch * math.prod(a.tiles for a in axes) * _count(axes).steps
        * (STRASSEN / 8 if strassen else 1)
    )  # fmt: skip
    what = f"tiles of {'×'.join(str(a.m) for a in axes if a.m > 1)} cells"
    if max(a.m for a in axes) == 1:
        what = "halves of the channels" if strassen else "output channels side by side, since there are few positions"
    return Winograd(
        f"{what}{f' make one product of {saved:.2f}' if saved > 1 else ''}{', pairs by Strassen' if strassen else ''}; "
        f"{tile_rows} × {tiles} of them for {channels} output channels",
        tuple(a.m for a in axes), tile_rows, tiles, shares, strassen, saved, cycles,  # type: ignore[arg-type]
    )  # fmt: skip


def _few(p: Problem, lanes: int) -> bool:
    """True if positions would leave lanes of the direct loops empty, and a phase has one tap."""
    return p.batch * math.prod(p.size) < lanes and p.kernel == p.stride


def phases_fill(p: Problem, channels_last: bool, lanes: int) -> bool:
    """True if phases along the last axis fill vectors that channels do not: the core has them in its lanes then."""
    k, s = p.kernel[-1], p.stride[-1]
    whole = k >= s and k % s % lanes == 0 and (s - k % s) % lanes == 0
    return whole and not channels_last and p.c_out // p.groups % lanes != 0


def _cheapest(
    p: Problem, channels_last: bool, threads: int, tile: tuple[int, int], precise: bool, packs: bool,
    cells: tuple[int, ...] | None, strassen: bool | None,
) -> tuple[_Blocks, tuple[Axis, ...], bool] | None:  # fmt: skip
    """The best blocks over all tiles, or over these; axes are rounded to six significant bits."""
    sizes = (p.batch, p.groups, p.c_in // p.groups, p.c_out // p.groups)
    few = _few(p, tile[0])
    phase_lanes = phases_fill(p, channels_last, tile[0])
    options = [[axis_of(1, 1, 1, 1, 1)]] * (3 - p.rank) + [
        [axis_of(p.kernel[a], p.stride[a], p.dilation[a], rounded(count_of_cells(p, a), 6), m) for m in cells_of(p, a)]
        for a in range(p.rank)
    ]
    products = [
        (chosen, halved) for chosen in itertools.product(*options) for halved in (False, True)
        if cells in (None, tuple(a.m for a in chosen)) and strassen in (None, halved)
        and (halves(sizes, chosen, tile[0], precise) if halved else few or any(a.m > 1 for a in chosen))
        and not (precise and loses(chosen))
    ]  # fmt: skip
    found = [
        (blocks, chosen, halved) for chosen, halved in products
        for blocks in [_best(chosen, sizes, channels_last, phase_lanes, max(1, threads), tile, packs, halved)] if blocks
    ]  # fmt: skip
    return min(found, key=lambda one: one[0].cycles, default=None)


def halves(sizes: tuple[int, int, int, int], axes: tuple[Axis, ...], lanes: int, precise: bool) -> bool:
    """True if the core's products may be Strassen's: whole vectors in each half, and no precision that must be kept."""
    _, _, c_in, c_out = sizes
    whole = c_in % (2 * lanes) == 0 and c_out % (2 * lanes) == 0 and min(c_in, c_out) >= 64
    alone = axes[2].lead == 0 and axes[2].dilation == 1
    tiled = [a for a in axes if a.m > 1]
    exact = len(tiled) < 3 and all(c.points <= 4 for a in tiled for c in a.classes)
    return whole and alone and (exact or not precise)


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
    tile: tuple[int, int], packs: bool, strassen: bool,
) -> _Blocks | None:  # fmt: skip
    return min(_candidates(axes, sizes, channels_last, phase_lanes, threads, tile, packs, strassen), default=None)


def _candidates(
    axes: tuple[Axis, ...], sizes: tuple[int, int, int, int], channels_last: bool, phase_lanes: bool, threads: int,
    tile: tuple[int, int], packs: bool, strassen: bool,
) -> Iterator[_Blocks]:  # fmt: skip
    batch, groups, c_in, c_out = sizes
    lanes, high = tile
    pair = 2 if strassen else 1  # of tiles, of halves of the channels
    factors = STRASSEN if strassen else 1
    d, h, w = axes
    w = replace(w, tiles=w.tiles + w.tiles % pair)
    ins, outs, slices = -(-c_in // lanes), -(-c_out // lanes), -(-c_in // SLICE)
    depth, factor_slices = c_in // pair, -(-c_in // pair // SLICE)
    n = _count(axes)
    outputs = math.prod(a.m * a.stride for a in axes)  # of a tile, in vectors
    load, store = (1.7, 1.7) if channels_last else (3.0, 3.6)
    if phase_lanes:
        n = _Count(n.planes, n.columns // lanes, n.steps // lanes, n.weights // lanes, n.odd and lanes == 1)
        outs, outputs, store = c_out, outputs // lanes, 0.8
    weights = n.weights * groups * c_in * outs * lanes * factors // (pair * pair)
    if 4 * weights > WEIGHTS:
        return
    chunk = pair * min(outs // pair, 2 if n.odd else 1)  # as the core: whole pairs of columns
    chunks = -(-outs // chunk)
    rows = batch * d.tiles * h.tiles
    written = 4 * groups * c_out * batch * math.prod(a.tiles * a.m * a.stride for a in axes)
    lines, lead, beyond = d.reads * h.reads, w.lead, (w.reach - 1) * w.dilation
    deep, flat = (sum(c.points for c in a.classes) for a in (d, h))
    along = deep * h.reads * (d.reach > 1) + deep * flat * (h.reach > 1)
    back = n.columns * (14 + (14 * w.m / max(c.points for c in w.classes) if h.m > 1 else 0))
    # weights come from the third level of caches, if they fit there, once for each item
    stream = 4 * c_in * lanes * n.steps * (0 if weights < 2**17 else 0.024 if weights < 5 * 2**20 else 0.042)
    stream = stream * factors / (pair * pair)
    granule = pair * w.dilation
    blocks = w.tiles // granule
    for tiles in {granule * even(blocks, max(1, most // granule)) for most in (8, 16, 24, 32, 48, 64)}:
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
            if strassen:
                workspace += (
                    4 * factors * many // 2 * (n.planes * factor_slices * SLICE + chunk // 2 * n.columns * lanes)
                )
            if workspace > WORKSPACE:
                continue
            kernels = tile_rows * -(-tiles // high) if lead else -(-many // pair // high)
            # a block's part of the products of a chunk: one, or 7 for a pair of blocks
            steps = n.steps * factors / pair
            product = steps * depth * (1.035 * many / pair + 1.28 * kernels) * (1 + 0.025 * workspace / 2**20)
            product += steps * factor_slices * (2 * many / pair + 20 * kernels) + stream
            product += 6 * strassen * n.columns * many
            for shares in {1, threads, 2 * threads}:
                if shares > chunks:
                    continue
                own = min(outs, chunk * -(-chunks // shares))
                each = tile_rows * (ins * transform + own * finish) + own * product + 3000
                each += 7 * strassen * ins * n.planes * many
                items = groups * shares * -(-rows // tile_rows) * columns
                cycles = each * -(-items // threads) * (1 + 0.06 * threads / items)
                if packs:
                    cycles += 8 * weights / threads
                yield _Blocks(cycles, tile_rows, tiles, shares, own * (1 if phase_lanes else lanes))
