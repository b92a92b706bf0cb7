"""Winograd's way of running a phase bank: fewer multiplications, where a phase has two or three taps along an axis.

Phase ρ of a transposed convolution is an ordinary correlation with ⌈(k − ρ)/s⌉ taps. For m neighbouring cells of an
axis, r taps are r·m products; Toom and Cook's scheme F(m, r) needs m + r − 1, on sums of samples and of taps (S.
Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural
Networks, 2016). Two axes multiply: a 4 × 4 kernel of stride 2 in tiles of 3 × 3 cells takes 16/36 of the products.

    m = 2, 3     the points 0, 1, −1, ∞: sums and differences, in float32 as accurate as the products themselves
    m = 4        two more points: about half a decimal digit is lost along each such axis

So the operators use tiles of four cells only along the one axis of a signal; `precise=False` allows them everywhere.
Which tiles are best, and whether they are better than the direct loops, is priced in cycles as in `schedule`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from . import schedule as direct
from .problem import Problem
from .schedule import SLICE, Schedule, even

WORKSPACE = 3 * 1024 * 1024
"""Bytes of one thread, at most."""
NOMINAL = 2
"""Threads for which it is decided what is computed."""
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


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis in tiles of m cells: (points, phases) of its one or two classes of phases."""

    m: int
    taps: int
    tiles: int
    stride: int
    classes: tuple[tuple[int, int], ...]

    @property
    def reads(self) -> int:
        return self.m + self.taps - 1


def choose(
    p: Problem, *, dtype: str = "float32", channels_last: bool = False, threads: int = 1,
    tile: tuple[int, int] = (16, 14), precise: bool = True, packs: bool = False,
) -> Schedule | Winograd:  # fmt: skip
    """Winograd's way where it is cheaper than the direct loops, and they where not; arguments as in `schedule`.

    What is computed does not depend on the number of threads, so that results are the same to the bit: which way, and
    which tiles, is decided for `NOMINAL` of them, and the blocks alone for `threads`.
    """
    loops = direct.schedule(p, dtype=dtype, channels_last=channels_last, threads=NOMINAL, tile=tile)
    fewer = None
    if dtype == "float32":
        fewer = schedule(p, channels_last=channels_last, threads=NOMINAL, tile=tile, precise=precise, packs=packs)
    if fewer is None or fewer.cycles >= loops.cycles:
        return direct.schedule(p, dtype=dtype, channels_last=channels_last, threads=threads, tile=tile)
    return schedule(
        p, channels_last=channels_last, threads=threads, tile=tile, precise=precise, packs=packs, cells=fewer.cells
    ) or fewer  # fmt: skip


def schedule(
    p: Problem, *, channels_last: bool = False, threads: int = 1, tile: tuple[int, int] = (16, 14),
    precise: bool = True, packs: bool = False, cells: tuple[int, ...] | None = None,
) -> Winograd | None:  # fmt: skip
    """The best tiles and blocks for `p` in float32, or None where no phase has two or three taps along any axis.

    `tile` is (lanes of a vector, tiles of a micro-kernel) of the instruction set. `packs`: the weights are transformed
    in every call. `cells`: with these tiles alone.
    """
    # few positions do not pay for the transforms, and few channels leave lanes empty
    if p.batch < 1 or min(p.c_in, p.c_out) // p.groups < tile[0] // 2 or p.multiplies < 1 << 18:
        return None
    sizes = (p.batch, p.groups, p.c_in // p.groups, p.c_out // p.groups)
    lead = 3 - p.rank
    options = [[_axis(1, 1, 0, 1, 1)]] * lead + [
        [_axis(p.kernel[a], p.stride[a], p.padding[a], p.out[a], m) for m in _cells(p, a, precise)]
        for a in range(p.rank)
    ]
    if any(not o for o in options):
        return None
    found = [
        w for chosen in itertools.product(*options)
        if any(a.m > 1 for a in chosen) and not (precise and _loses(chosen))
        and cells in (None, tuple(a.m for a in chosen))
        for w in [_best(chosen, sizes, channels_last, max(1, threads), tile, packs, p.multiplies)] if w
    ]  # fmt: skip
    return min(found, key=lambda w: w.cycles, default=None)


def _cells(p: Problem, a: int, precise: bool) -> list[int]:
    """Tiles that an axis allows; none where it has phases without taps or spread taps."""
    k, s = p.kernel[a], p.stride[a]
    if k < s or (p.dilation[a] > 1 and k > 1):
        return []
    taps = -(-k // s)
    if taps == 1 or taps > 3 or p.out[a] <= s:
        return [1] if taps <= 64 else []
    most = (4 if p.rank == 1 else 3) if precise else 4
    return [m for m in (1, 2, 3, 4) if m <= most and not (m == 3 and taps == 3)]


def _loses(axes: tuple[_Axis, ...]) -> bool:
    return any(a.m == 4 for a in axes) and sum(a.m > 1 for a in axes) > 1


def _axis(k: int, s: int, p: int, out: int, m: int) -> _Axis:
    cells = _rounded((out - 1 + p) // s - p // s + 1)
    classes = [(m - 1 + -(-k // s), k % s)] if k % s else []
    return _Axis(m, -(-k // s), -(-cells // m), s, (*classes, (m - 1 + k // s, s - k % s)))


@lru_cache(maxsize=1024)
def _best(
    axes: tuple[_Axis, ...], sizes: tuple[int, int, int, int], channels_last: bool, threads: int,
    tile: tuple[int, int], packs: bool, multiplies: int,
) -> Winograd | None:  # fmt: skip
    candidates = _candidates(axes, sizes, channels_last, threads, tile, packs, multiplies)
    return min(candidates, key=lambda w: w.cycles, default=None)


def _candidates(
    axes: tuple[_Axis, ...], sizes: tuple[int, int, int, int], channels_last: bool, threads: int,
    tile: tuple[int, int], packs: bool, multiplies: int,
) -> Iterator[Winograd]:  # fmt: skip
    batch, groups, c_in, c_out = sizes
    lanes, high = tile
    d, h, w = axes
    ins, outs, slices = -(-c_in // lanes), -(-c_out // lanes), -(-c_in // SLICE)
    combinations = list(itertools.product(*(a.classes for a in axes)))
    products = [(math.prod(n for n, _ in one), math.prod(phases for _, phases in one)) for one in combinations]
    planes = sum(points for points, _ in products)
    multiplied = sum(points * phases for points, phases in products)  # vectors of a tile and two channels
    # one tap has as many points as cells, and the same weight at all of them
    weights = groups * c_in * outs * lanes * sum(
        phases * math.prod(1 if n == a.m else n for (n, _), a in zip(one, axes, strict=True))
        for one, (_, phases) in zip(combinations, products, strict=True)
    )  # fmt: skip
    if 4 * weights > WEIGHTS:
        return
    chunk = min(outs, 2 if any(phases % 2 for _, phases in products) else 1)  # as the core: whole pairs of columns
    rows = batch * d.tiles * h.tiles
    outputs = math.prod(a.m * a.stride for a in axes)
    saved = multiplies / (rows * w.tiles * multiplied * c_in * c_out * groups)
    for tiles in sorted({even(w.tiles, n) for n in (8, 16, 24, 32, 48, 64)}):
        columns = -(-w.tiles // tiles)
        for tile_rows in sorted({even(rows, n) for n in (1, 2, 3, 4, 6, 8, 12, 16, 24)}):
            many = tiles * tile_rows
            if many > 96 and (tile_rows > 1 or tiles > 64):
                continue
            width = w.m * tiles + w.taps - 1
            lines = d.reads * h.reads
            # one vector of input channels of one row: lines from memory, then along each axis
            gather = lines * (20 + (4 if channels_last else 7) * (-(-width // lanes) + 1) * lanes)
            forward = sum(points for points, _ in d.classes) * h.reads * width * (d.taps > 1)
            forward += (
                sum(a for a, _ in d.classes) * sum(b for b, _ in h.classes) * width * (h.taps > 1) + planes * tiles
            )
            transform = gather + 4 * forward
            # one vector of output channels of one row
            points = [points for points, _ in w.classes]
            back = sum(phases * count for count, phases in products) * tiles * (1 + w.m / max(points))
            finish = 3.5 * back + (6 if channels_last else 13) * tiles * outputs
            kernels = -(-many // high)
            workspace = 4 * (
                planes * many * slices * SLICE + chunk * multiplied * many * lanes
                + lanes * (3 * lines * width + outputs * tiles)
            )  # fmt: skip
            if workspace > WORKSPACE:
                continue
            for shares in sorted({1, threads, 2 * threads}):
                if shares > -(-outs // chunk):
                    break
                own = min(outs, chunk * -(-outs // chunk // shares))
                column = own * multiplied  # vectors of channels × phases × planes
                product = column * (c_in * (1.12 * many + 0.75 * kernels) + slices * (3 * many + 20 * kernels))
                # weights come from the third level of caches, if they fit there, once for each item
                stream = 4 * c_in * lanes * column * (0 if weights < 2**17 else 0.045 if weights < 5 * 2**20 else 0.06)
                each = tile_rows * (ins * transform + own * finish) + product + stream + 500
                items = groups * shares * -(-rows // tile_rows) * columns
                cycles = each * -(-items // threads) * (1 + 0.06 * threads / items + 0.1 * workspace / 2**20)
                if packs:
                    cycles += 15 * weights / threads
                yield Winograd(
                    f"tiles of {'×'.join(str(a.m) for a in axes if a.m > 1)} cells make one product of {saved:.2f}; "
                    f"{tile_rows} × {tiles} of them for {own * lanes} output channels",
                    (d.m, h.m, w.m), tile_rows, tiles, shares, saved, cycles,
                )  # fmt: skip


def _rounded(count: int) -> int:
    """A long axis to six significant bits, up: signals of many lengths share few prices."""
    step = 1 << max(0, count.bit_length() - 6)
    return -(-count // step) * step
