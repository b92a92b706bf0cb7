"""How much of a signal, picture or volume is a periodic artifact.

For each harmonic m of the stride, with Ȳ the mean over n blocks of their windowed transforms at m, τ² its variance by
their scatter, V the variance of the samples, and the sums over m ≠ 0:

    imbalance = Σ_m (|Ȳ_m|² − τ_m²) / V          T_m = |Ȳ_m|²/τ_m² ~ F(ν, ν(n − 1)) without a pattern
    energy    = Σ_m (mean |y_m|² − neighbours) / V

By Parseval Σ_m |Ȳ_m|² is the variance of the means of the s^d phases, of the windowed signal. `docs/artifacts/index.md`
derives the distributions and says what was simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..bank import Array
from ..errors import SpecError
from ..spec import Ints, is_int
from . import arrays
from .arrays import Tensorlike
from .harmonics import Grid, grid
from .result import ArtifactScore
from .sums import Sums, sums


def score(x: Any, stride: Ints, *, dims: int | None = None, confidence: float = 0.99) -> ArtifactScore:
    """The score of periodic artifacts: how much of the variance of `x` repeats with the stride.

    Args:
        x: array or tensor of real numbers; its last `dims` axes are samples, before them there may be an axis of
            channels and one of a batch: (H, W), (C, H, W) or (N, C, H, W). At least 16·s samples on each axis.
        stride: the period, one number or one an axis; 1 on an axis looks for nothing along it.
        dims: number of sampled axes, 1, 2 or 3; by default as many as the stride has entries, and 2 for one number.
        confidence: the level at which a pattern counts as found, and that of the limits.

    Returns an `ArtifactScore` of arrays or tensors, as `x` is. It does not change with the size, the contrast, an added
    constant or the place of a crop, but by chance; a constant has no artifacts. Raises `SpecError` for an axis that is
    too short, naming the least size, for NaN or infinity, and for arguments out of range.
    """
    if isinstance(confidence, bool) or not 0 < float(confidence) < 1:
        raise SpecError(f"confidence must lie between 0 and 1, got {confidence!r}")
    rows, lead, channels, blocks = _prepare(x, stride, dims)
    mean, variance = _moments(rows, len(blocks.size))
    found = sums(rows, mean, blocks)
    return _judge(found, blocks, variance, epsilon_variance(rows, mean), lead, channels, float(confidence))


def artifact_energy(x: Any, stride: Ints, *, dims: int | None = None) -> Tensorlike:
    """The share of the variance that repeats with the stride, Σ_m|Ȳ_m|²/V, to add to a loss: shape () or (N,).

    Arguments, shapes and errors as for `score`. It is the `imbalance` without its expectation by chance taken off:
    never negative, differentiable, 0 iff the means of all phases agree, and small for a natural picture. A constant
    has 0, with a gradient of 0.
    """
    rows, lead, channels, blocks = _prepare(x, stride, dims)
    mean, variance = _moments(rows, len(blocks.size))
    found = sums(rows, mean, blocks, around=False)
    weights = arrays.like(_weights(blocks), variance)
    flat = variance <= arrays.like(epsilon_variance(rows, mean), variance)
    power = (arrays.squared(found.mean) * weights).sum(-1) * ~flat
    whole = _pool(variance, lead, channels)
    return _pool(power, lead, channels) / (whole + (whole == 0))


def epsilon_variance(rows: Tensorlike, mean: Tensorlike) -> Array:
    """The variance that rounding alone gives a constant of this mean."""
    return np.asarray((16 * arrays.epsilon(rows) * np.abs(arrays.numbers(mean))) ** 2)


def _prepare(x: Any, stride: Ints, dims: int | None) -> tuple[Tensorlike, tuple[int, ...], int, Grid]:
    """`x` as (rows, *size), the shape of the batch, the number of channels, and the blocks."""
    x = arrays.real(x)
    given: tuple[Any, ...] = tuple(stride) if isinstance(stride, Sequence) else (stride,)
    if not given or not all(is_int(s) and s >= 1 for s in given):
        raise SpecError(f"stride must be one positive int or one an axis, got {stride!r}")
    d = dims if dims is not None else (2 if is_int(stride) else len(given))
    if not is_int(d) or not 1 <= d <= 3:
        raise SpecError(f"dims must be 1, 2 or 3, got {d!r}")
    if len(given) not in (1, d):
        raise SpecError(f"stride {stride} has {len(given)} entries for {d} sampled axes")
    s = tuple(int(v) for v in (given * d if len(given) == 1 else given))
    if max(s) == 1:
        raise SpecError("a stride of 1 has no phases that could differ; give the stride of the upsampling")
    if not d <= x.ndim <= d + 2:
        raise SpecError(f"an array of shape {tuple(x.shape)} has {x.ndim} axes; {d} to {d + 2} are possible")
    size, before = tuple(int(n) for n in x.shape[x.ndim - d :]), tuple(int(n) for n in x.shape[: x.ndim - d])
    if 0 in before:
        raise SpecError(f"an array of shape {tuple(x.shape)} is empty")
    blocks = grid(size, s)
    if not arrays.all_finite(x):
        raise SpecError("the array has NaN or infinite samples; mask or replace them before it is scored")
    lead, channels = before[:-1], (before[-1] if before else 1)
    return x.reshape(-1, *size), lead, channels, blocks


def _moments(rows: Tensorlike, d: int) -> tuple[Tensorlike, Tensorlike]:
    """Mean and variance of each row, in strips: no picture of bytes is made one of doubles whole."""
    axes = tuple(range(1, d + 1))
    if arrays.is_tensor(rows):
        values = arrays.floating(rows)
        mean = values.mean(axes)
        return mean, arrays.total((values - mean.reshape(-1, *(1,) * d)) ** 2, axes) / values[0].numel()
    mean = rows.mean(axis=axes, dtype=np.float64)
    variance = np.zeros(len(rows))
    step = max(1, (1 << 20) // max(1, int(np.prod(rows.shape[2:])) * len(rows)))
    for first in range(0, rows.shape[1], step):
        away = arrays.floating(rows[:, first : first + step]) - mean.reshape(-1, *(1,) * d)
        variance += (away * away).sum(axis=axes)
    return mean, variance / np.prod(rows.shape[1:])


def _judge(
    found: Sums,
    blocks: Grid,
    variance: Tensorlike,
    rounding: Array,
    lead: tuple[int, ...],
    channels: int,
    confidence: float,
) -> ArtifactScore:
    harmonics = blocks.harmonics
    count = np.array([h.count for h in harmonics], dtype=np.float64)
    factor = np.array([h.factor for h in harmonics])
    weights = _weights(blocks)
    w = arrays.like(weights, variance)
    # Blocks overlap: their scatter falls short of the variance by (n − factor)/(n − 1), the mean's is factor/n of it.
    chance = found.spread * arrays.like((count - 1) / (count - factor) * factor / count, variance)
    peak = arrays.squared(found.mean)
    known = arrays.numbers(variance) > rounding
    live = arrays.like(known.astype(np.float64), variance)
    whole = _pool(variance * live, lead, channels)
    whole = whole + (whole == 0)
    shares, energies = (
        _pool((v * w) * live[:, None], lead, channels) / whole[..., None]
        for v in (peak - chance, found.energy - found.around)
    )
    p, q, deviation = _chances(found, blocks, peak, chance, arrays.numbers(variance), known)
    shape = (*lead, channels) if lead else (channels,)
    # Channels may share their noise, so that their deviations add up; harmonics do not.
    spread = np.sqrt((deviation**2 * weights**2).sum(-1)).reshape(shape).sum(-1) / arrays.numbers(whole)
    tests = channels * len(harmonics)
    unlikely, odd = (_any_of(v.reshape(*shape, -1).min(axis=(-1, -2)), tests) for v in (p, q))
    total = arrays.numbers(shares.sum(-1))
    bound = _quantile(confidence, float(min((count - 1) * _freedom(blocks)))) * spread
    low = np.where(unlikely < 1 - confidence, np.maximum(total - bound, 0), 0)
    high = np.maximum(total + bound, 0)
    low, high, unlikely, odd = (arrays.like(np.asarray(v), variance) for v in (low, high, unlikely, odd))
    frequencies = tuple(tuple(Fraction(a, s) for a, s in zip(h.m, blocks.stride, strict=True)) for h in harmonics)
    return ArtifactScore(
        blocks.stride, frequencies, shares.sum(-1), energies.sum(-1), shares, energies, low, high, unlikely, odd,
        _pool(variance, lead, channels) / channels, confidence,
    )  # fmt: skip


def _chances(
    found: Sums, blocks: Grid, peak: Tensorlike, chance: Tensorlike, variance: Array, known: Array
) -> tuple[Array, Array, Array]:
    """Of each row and harmonic: the probability of its imbalance and of its energy, the deviation of its imbalance."""
    from scipy.special import fdtrc

    nu = _freedom(blocks)
    count = np.array([h.count for h in blocks.harmonics], dtype=np.float64)
    floor = blocks.leakage * np.where(known, variance, 1)[:, None]
    c, tau = arrays.numbers(peak), arrays.numbers(chance) + floor
    p = np.where(known[:, None], fdtrc(nu, nu * (count - 1), c / tau), 1.0)
    deviation = np.sqrt(2 / nu * (2 * np.maximum(c - tau, 0) * tau + tau**2)) * known[:, None]

    above, below = (np.array([getattr(h, k) for h in blocks.harmonics]) for k in ("above", "below"))
    every = float(np.prod(blocks.blocks))
    # Energies q of k degrees of freedom scatter by themselves: (Σq)²/Σq² is n/(1 + 2/k) for noise that is even.
    matter = np.minimum(found.evenness * (1 + 2 / below), every) / blocks.overlap
    ratio = arrays.numbers(found.energy) / (arrays.numbers(found.around) + floor)
    q = np.where(known[:, None], fdtrc(above * matter, below * matter, ratio), 1.0)
    return p, q, deviation


def _any_of(least: Array, tests: int) -> Array:
    """Probability that the least of several independent probabilities is as small as this (Šidák)."""
    return np.asarray(-np.expm1(tests * np.log1p(-np.minimum(least, 1 - 1e-16))))


def _quantile(confidence: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


def _weights(blocks: Grid) -> Array:
    return np.array([h.weight for h in blocks.harmonics], dtype=np.float64)


def _freedom(blocks: Grid) -> Array:
    return np.array([h.freedom for h in blocks.harmonics], dtype=np.float64)


def _pool(v: Tensorlike, lead: tuple[int, ...], channels: int) -> Tensorlike:
    """Rows summed over the channels of each item: shape (*batch, …)."""
    return v.reshape(*lead, channels, *v.shape[1:]).sum(len(lead))
