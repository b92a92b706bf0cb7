"""Where a pattern of period s shows in a spectrum, and the blocks in which it is looked for.

A pattern p(n mod s) without a mean has energy at the harmonics ω = 2πm/s alone, m ≠ 0 in each axis's [0, s). Blocks of
L samples, L a multiple of s, put each harmonic exactly on bin L·m/s of their Fourier transform, and steps that are
multiples of s keep its phase the same in every block:

    s = 2, L = 32     bin   0 ········ 11 12 13 ·· 16 ·· 19 20 21 ····
                            mean       neighbours  harmonic  neighbours

The window is sin⁴: its transform is zero from the third bin on, so that neither the mean nor one harmonic reaches the
other or its neighbours. Neighbours differ from their harmonic on the axes where m ≠ 0 alone, since the edges of things
draw bright lines through the harmonics along the others.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..bank import Array
from ..errors import SpecError

PERIODS = 16
"""Periods in a block, where four such blocks have room beside each other; at least half as many."""

LEAKAGE = 1e-11
"""What ramps, bowls and slow waves leave at the first harmonic of a block of sixteen periods, and some more."""

GUARD, REACH = 3, 5
"""Neighbours are at least GUARD bins away on some axis, and at most REACH on any."""


@dataclass(frozen=True, eq=False)
class Harmonic:
    """One harmonic of the pattern, and its mirror image −m, which real signals have alike.

    Attributes:
        m: its number on each axis.
        weight: 1 where −m is m itself (the spectrum is real there), else 2.
        freedom: degrees of freedom of the spectrum there, 1 or 2.
        bins: its place in a block's transform.
        neighbours: places of its neighbours, one array an axis.
        flat: the axes on which m is 0.
        factor: variance of the mean over blocks, times their number, over the variance of one block: more than 1, since
            blocks overlap.
        count: number of blocks, one after averaging over the flat axes.
        below, above: degrees of freedom of the mean energy at the harmonic and at its neighbours, for one block of
            white noise, by their first two moments.
    """

    m: tuple[int, ...]
    weight: int
    freedom: int
    bins: tuple[int, ...]
    neighbours: tuple[Array, ...]
    flat: tuple[int, ...]
    factor: float
    count: int
    above: float
    below: float


@dataclass(frozen=True, eq=False)
class Grid:
    """Blocks of one size over one picture, and its harmonics.

    Attributes:
        stride, size: the pattern's period, and the picture's size.
        block, step, start: samples in a block, from one to the next, and in front of the first.
        blocks: number of blocks on each axis.
        windows: what a block is multiplied by, one factor an axis.
        harmonics: one of each pair m, −m.
        overlap: by how much the energies of all blocks scatter more than those of as many apart, for white noise.
        leakage: share of the variance that counts as chance at each harmonic, since a smooth picture may leak as much.
    """

    stride: tuple[int, ...]
    size: tuple[int, ...]
    block: tuple[int, ...]
    step: tuple[int, ...]
    start: tuple[int, ...]
    blocks: tuple[int, ...]
    windows: tuple[Array, ...]
    harmonics: tuple[Harmonic, ...]
    overlap: float
    leakage: float


@lru_cache(maxsize=64)
def grid(size: tuple[int, ...], stride: tuple[int, ...]) -> Grid:
    """The blocks for a picture of this size; `SpecError` names the least size where it has no room for three."""
    axes = [_axis(n, s, a) for a, (n, s) in enumerate(zip(size, stride, strict=True))]
    block, step = tuple(b for b, _ in axes), tuple(h for _, h in axes)
    blocks = tuple((n - b) // h + 1 for n, b, h in zip(size, block, step, strict=True))
    start = tuple((n - b) % h // 2 for n, b, h in zip(size, block, step, strict=True))
    windows = tuple(window(b) for b in block)
    lags = [_lag(w, h) for w, h in zip(windows, step, strict=True)]
    found = []
    for m in itertools.product(*map(range, stride)):
        mirror = tuple(-a % s for a, s in zip(m, stride, strict=True))
        if any(m) and m <= mirror:
            found.append(_harmonic(m, m == mirror, stride, block, blocks, windows, lags))
    overlap = float(np.prod([1 + 2 * r * r * (n - 1) / n for r, n in zip(lags, blocks, strict=True)]))
    periods = min(b // s for b, s in zip(block, stride, strict=True) if s > 1)
    leakage = LEAKAGE * (PERIODS / periods) ** 10
    return Grid(stride, size, block, step, start, blocks, windows, tuple(found), overlap, leakage)


def window(length: int) -> Array:
    """sin⁴(π(n + ½)/L): its transform is zero from the third bin on."""
    return np.asarray(np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 4)


def least_size(stride: int) -> int:
    """The fewest samples of an axis in which a pattern of this period can be told from what is there."""
    return PERIODS * stride if stride > 1 else 1


def _axis(n: int, s: int, a: int) -> tuple[int, int]:
    if n < least_size(s):
        raise SpecError(f"axis {a} has {n} samples; stride {s} needs at least {least_size(s)} (sixteen periods)")
    if s == 1:
        block = min(PERIODS, n)
        return block, max(1, block // 2)
    half = max(PERIODS * s // 4, min(PERIODS * s, n // 4) // (2 * s) * s)
    return 2 * half, half


def _lag(w: Array, step: int) -> float:
    """Correlation of white noise in one window with the same in the next, one step on; two steps on there is none."""
    return float(w[step:] @ w[: len(w) - step] / (w @ w))


def _harmonic(
    m: tuple[int, ...],
    real: bool,
    stride: tuple[int, ...],
    block: tuple[int, ...],
    blocks: tuple[int, ...],
    windows: tuple[Array, ...],
    lags: list[float],
) -> Harmonic:
    d = len(m)
    bins = tuple(a * b // s for a, b, s in zip(m, block, stride, strict=True))
    flat = tuple(a for a in range(d) if not m[a])
    steps = [range(-REACH, REACH + 1, 1) if m[a] else (0,) for a in range(d)]
    thin = [o for o in itertools.product(*steps) if max(map(abs, o)) >= GUARD and all(abs(x) not in (1, 2) for x in o)]
    offsets = np.array(thin)
    neighbours = tuple((offsets[:, a] + bins[a]) % block[a] for a in range(d))
    live = [a for a in range(d) if m[a]]
    factor = float(np.prod([1 + 2 * lags[a] * (blocks[a] - 1) / blocks[a] for a in live]))
    count = int(np.prod([blocks[a] for a in live]))
    freedom = 1 if real else 2
    return Harmonic(
        m, 1 if real else 2, freedom, bins, neighbours, flat, factor, count, float(freedom),
        _freedom(neighbours, block, windows),
    )  # fmt: skip


def _freedom(places: tuple[Array, ...], block: tuple[int, ...], windows: tuple[Array, ...]) -> float:
    """2·mean²/variance of the mean energy over these bins for real white Gaussian noise.

    Cov(|A|², |B|²) = |E A·B̄|² + |E A·B|², and both products are transforms of the squared window.
    """
    apart = together = np.ones(())
    for at, b, w in zip(places, block, windows, strict=True):
        squared = np.fft.fft(w * w) / (w @ w)
        apart = apart * squared[(at[:, None] - at[None, :]) % b]
        together = together * squared[(at[:, None] + at[None, :]) % b]
    return float(2 / np.mean(np.abs(apart) ** 2 + np.abs(together) ** 2))
