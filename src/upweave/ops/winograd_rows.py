"""Winograd's way where few channels come out: tiles along depth and height, the taps of the width as they are.

`winograd` puts output channels side by side in a vector, of which an image's three fill a fifth. Here, as in the direct
loops, a vector holds neighbours in a row: rows of samples become rows of points, each point is a product of matrices
with the taps of the width, and rows of sums become rows of the output (`native/winograd_rows.h`). A 5 × 5 kernel of
stride 2 takes 9/15 of the products in tiles of three rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .problem import Problem
from .schedule import SLICE, even, taps_along
from .winograd_axis import Axis, axis_of, cells_of, count_of_cells, loses, rounded

WORKSPACE = 3 * 1024 * 1024
"""Bytes of one thread, at most."""
CHANNELS = 24
"""Output channels of a group, at most: with more the vectors of `winograd` are full."""


@dataclass(frozen=True, slots=True)
class WinogradRows:
    """Tiles of `cells` along (depth, height), and the blocks of a work item; `cycles` as in `Schedule`.

    An item is `tile_rows` tiles along the height at `tile` positions of the width; its panel holds `channels` channels.
    """

    why: str
    cells: tuple[int, int]
    tile_rows: int
    tile: int
    channels: int
    saved: float
    cycles: float

    @property
    def algorithm(self) -> str:
        """The name in a plan."""
        return "winograd_rows"


class _Width(NamedTuple):
    """The axis of the rows: positions, phases as (phases, taps) of those that read alike, what a position reads."""

    positions: int
    groups: tuple[tuple[int, int], ...]
    span: int
    phases: int


def schedule(
    p: Problem, *, threads: int = 1, tile: tuple[int, int] = (16, 14), precise: bool = True, packs: bool = False,
    cells: tuple[int, int] | None = None,
) -> WinogradRows | None:  # fmt: skip
    """The best tiles and blocks for `p` in float32, channels first, or None where this way has nothing to win.

    `tile` is (lanes of a vector, rows of a micro-kernel) of the instruction set. `packs`: the weights are transformed
    in every call. `cells`: with these tiles alone.
    """
    c_in, c_out = p.c_in // p.groups, p.c_out // p.groups
    if p.rank == 1 or p.batch < 1 or p.size[-1] == 1 or c_out > CHANNELS or p.multiplies < 1 << 18:
        return None
    if any(d > 1 and k > 1 for d, k in zip(p.dilation[:-1], p.kernel[:-1], strict=True)):
        return None
    groups, _, span = taps_along(p.kernel[-1], p.stride[-1], p.padding[-1], p.dilation[-1])
    count = -(-p.out[-1] // p.stride[-1])
    width = _Width(count, tuple(g for g in groups if g[1]), span, min(p.stride[-1], p.out[-1]))
    options = [[axis_of(1, 1, 1, 1, 1)]] * (3 - p.rank) + [
        [axis_of(p.kernel[a], p.stride[a], 1, rounded(count_of_cells(p, a), 6), m)
         for m in cells_of(p, a) if m > 1 or p.kernel[a] <= p.stride[a]]
        for a in range(p.rank - 1)
    ]  # fmt: skip
    found = [
        (blocks, (d, h)) for d, h in itertools.product(*options)
        if max(d.m, h.m) > 1 and not (precise and loses((d, h))) and cells in (None, (d.m, h.m))
        for blocks in [_best(d, h, width, p.batch, p.groups, c_in, c_out, max(1, threads), tile, packs)] if blocks
    ]  # fmt: skip
    if not found:
        return None
    (cycles, tile_rows, wide, channels), (d, h) = min(found, key=lambda one: one[0].cycles)
    made = p.batch * c_in * p.c_out * d.tiles * h.tiles * _planes(d, h)[1] * sum(f * t for f, t in width.groups) * count
    saved = p.multiplies / made
    return WinogradRows(
        f"tiles of {'×'.join(str(a.m) for a in (d, h) if a.m > 1)} rows make one product of {saved:.2f}; "
        f"{tile_rows} × {wide} positions, {channels} input channels at a time",
        (d.m, h.m), tile_rows, wide, channels, saved, cycles,
    )  # fmt: skip


class _Blocks(NamedTuple):
    cycles: float
    tile_rows: int
    tile: int
    channels: int


def _planes(d: Axis, h: Axis) -> tuple[int, int]:
    """(points of a tile, sums of them over the phases)."""
    pairs = [(one, two) for one in d.classes for two in h.classes]
    points = [one.points * two.points for one, two in pairs]
    return sum(points), sum(n * one.phases * two.phases for n, (one, two) in zip(points, pairs, strict=True))


@lru_cache(maxsize=1024)
def _best(
    d: Axis, h: Axis, width: _Width, batch: int, groups: int, c_in: int, c_out: int, threads: int,
    tile: tuple[int, int], packs: bool,
) -> _Blocks | None:  # fmt: skip
    return min(_candidates(d, h, width, batch, groups, c_in, c_out, threads, tile, packs), default=None)


def _candidates(
    d: Axis, h: Axis, width: _Width, batch: int, groups: int, c_in: int, c_out: int, threads: int,
    tile: tuple[int, int], packs: bool,
) -> Iterator[_Blocks]:  # fmt: skip
    lanes, high = tile
    planes, _ = _planes(d, h)
    pairs = [(one, two) for one in d.classes for two in h.classes]
    phases = d.stride * h.stride * width.phases
    for wide, tile_rows in itertools.product(
        {even(width.positions, most) for most in (64, 128, 256, 512)},
        {even(h.tiles, most) for most in (1, 2, 4, 8, 16)},
    ):
        pitch = wide + width.span
        vectors = -(-((tile_rows - 1) * pitch + wide) // lanes)
        line = -(-pitch // lanes)
        sums = 0  # rows of them
        multiply = 0.0
        for one, two in pairs:
            n = one.points * two.points
            for f, taps in width.groups:
                rows = c_out * one.phases * two.phases * f
                sums += n * rows
                kernels = -(-rows // high)
                height = rows / kernels
                widest = max(1, min(8, int((31 if high > 6 else 15) // (height + 1))))
                steps, slices = c_in * taps, -(-c_in * taps // SLICE)
                loads = 0.4 / height + max(0.0, 2 / height - 1)
                multiply += n * vectors * rows * (steps * (1 + loads) + 3.5 * slices)
                multiply += n * kernels * -(-vectors // widest) * (2 * steps + 45 * slices)
        lines = d.reads * (h.m * tile_rows + h.reach - 1)
        # rows from memory, along depth, along height
        read = lines * (30 + 12 * line)
        deep = sum(c.points for c in d.classes) if d.m > 1 else 0
        transform = 4 * line * (deep * (h.m * tile_rows + h.reach - 1) + planes * tile_rows)
        back = 3.5 * sums * vectors
        outputs = d.m * h.m * tile_rows * c_out
        weave = outputs * d.stride * h.stride * (30 + width.phases * wide / lanes * (6 + width.phases % 2 * 6))
        most = max(1, (WORKSPACE // 6) // (4 * planes * (tile_rows * pitch + lanes)))
        channels = even(c_in, min(c_in, most))
        workspace = 4 * (
            (2 if d.m > 1 else 1) * lines * (pitch + lanes) + channels * planes * (tile_rows * pitch + lanes)
            + sums * (vectors + 1) * lanes
        )  # fmt: skip
        if workspace > WORKSPACE:
            continue
        panels = -(-c_in // channels)
        each = c_in * (read + transform) + multiply + (panels - 1) * 2 * sums * vectors + back + weave + 500
        items = batch * groups * d.tiles * -(-h.tiles // tile_rows) * -(-width.positions // wide)
        cycles = each * -(-items // threads) * (1 + 0.06 * threads / items + 0.1 * workspace / 2**20)
        if packs:
            cycles += 15 * c_in * c_out * groups * planes * phases / threads
        yield _Blocks(cycles, tile_rows, wide, channels)
