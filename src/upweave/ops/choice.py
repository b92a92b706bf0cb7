"""Which way the native core runs a problem: the direct loops, a depthwise stencil, or a form of Winograd's way."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from . import depthwise, winograd, winograd_rows
from . import schedule as direct
from .depthwise import Depthwise
from .problem import Problem
from .schedule import Schedule
from .winograd import Winograd
from .winograd_axis import lengthened, rounded
from .winograd_rows import WinogradRows

Way = Schedule | Depthwise | Winograd | WinogradRows

NOMINAL = 2
"""Threads for which it is decided what is computed."""


def one_sample(p: Problem) -> Problem:
    """A whole kernel for the one sample of an input: with the kernel as stride, each of its taps is a phase."""
    if max(p.size) > 1 or max(p.padding) > 0 or p.out != p.kernel:
        return p
    return replace(p, stride=p.kernel, output_padding=(0,) * p.rank, dilation=(1,) * p.rank)


def choose(
    p: Problem, *, dtype: str = "float32", channels_last: bool = False, threads: int = 1,
    tile: tuple[int, int] = (16, 14), precise: bool = True, packs: bool = False,
) -> Way:  # fmt: skip
    """The cheapest way; arguments as in `schedule` and `winograd.schedule`.

    What is computed does not depend on the number of threads, so that results are the same to the bit: which way, and
    which tiles, is decided for `NOMINAL` of them, and the blocks alone for `threads`. Nor does it depend on the last
    digits of a signal's length: a new length, which meets cold caches, waits for no more than new blocks, and finds its
    weights packed.
    """
    return _blocked(_like(p, 5), dtype, channels_last, threads, tile, precise, packs)


def _like(p: Problem, bits: int) -> Problem:
    """A signal whose length is rounded up to so many significant bits; anything else as it is."""
    return p if p.rank > 1 else lengthened(p, rounded(p.size[0], bits))


@lru_cache(maxsize=2048)
def _blocked(
    p: Problem, dtype: str, channels_last: bool, threads: int, tile: tuple[int, int], precise: bool, packs: bool
) -> Way:
    about = _like(p, 1)
    way = _decided(about, dtype, channels_last, tile, precise, packs)
    if isinstance(way, Depthwise) or (threads == NOMINAL and about == p):
        return way
    if isinstance(way, Winograd):
        return winograd.schedule(
            p, channels_last=channels_last, threads=threads, tile=tile, precise=precise, packs=packs, cells=way.cells,
            strassen=way.strassen,
        ) or way  # fmt: skip
    if isinstance(way, WinogradRows):
        return winograd_rows.schedule(
            p, threads=threads, tile=tile, precise=precise, packs=packs, cells=way.cells
        ) or way  # fmt: skip
    return direct.schedule(p, dtype=dtype, channels_last=channels_last, threads=threads, tile=tile)


@lru_cache(maxsize=2048)
def _decided(
    p: Problem, dtype: str, channels_last: bool, tile: tuple[int, int], precise: bool, packs: bool
) -> Way:  # fmt: skip
    stencil = depthwise.schedule(p, channels_last=channels_last, tile=tile)
    if stencil:
        return stencil
    loops = direct.schedule(p, dtype=dtype, channels_last=channels_last, threads=NOMINAL, tile=tile)
    if dtype != "float32":
        return loops
    tiles = winograd.schedule(
        p, channels_last=channels_last, threads=NOMINAL, tile=tile, precise=precise, packs=packs
    )  # fmt: skip
    rows = None
    if not channels_last:
        rows = winograd_rows.schedule(p, threads=NOMINAL, tile=tile, precise=precise, packs=packs)
    return min((way for way in (loops, tiles, rows) if way), key=lambda way: way.cycles)
