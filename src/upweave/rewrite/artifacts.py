"""How much of a checkerboard a picture holds: a small, honest measure on outputs, with and without a repair."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def phase_imbalance(output: Array, period: tuple[int, ...]) -> float:
    """How far the means over each output residue are apart, against the spread of the whole: 0 without a pattern.

    `output` has the axes (batch, channels, space…), `period` the length of the pattern on each axis of space. For each
    channel the mean over all samples n ≡ r (mod period) is taken; the root mean square of their deviations, over the
    residues and channels, is divided by the standard deviation of the output. A picture's own structure at that period
    counts too, so only differences between two versions of one picture mean anything.
    """
    y = np.asarray(output, np.float64)
    spread = float(y.std())
    if y.ndim != len(period) + 2 or not spread:
        return 0.0
    means = y
    for a, p in enumerate(period):
        axis = 2 + a
        n = means.shape[axis] // p * p
        if not n:
            return 0.0
        cut = np.take(means, range(n), axis=axis)
        means = cut.reshape(*cut.shape[:axis], n // p, p, *cut.shape[axis + 1 :]).mean(axis=axis)
    means = means.mean(axis=0)
    space = tuple(range(1, means.ndim))
    off = means - means.mean(axis=space, keepdims=True)
    return float(np.sqrt((off**2).mean()) / spread)


def harmonic_energy(output: Array, period: tuple[int, ...]) -> float:
    """The share of an output's power, without its mean, at the frequencies that a pattern of that period has.

    Those are the multiples of 1/period on each axis, whole periods alone.
    """
    y = np.asarray(output, np.float64)
    if y.ndim != len(period) + 2:
        return 0.0
    for a, p in enumerate(period):
        n = y.shape[2 + a] // p * p
        if not n:
            return 0.0
        y = np.take(y, range(n), axis=2 + a)
    axes = tuple(range(2, y.ndim))
    power = np.abs(np.fft.fftn(y, axes=axes)) ** 2
    lines: tuple[Any, ...] = np.ix_(*(np.arange(0, y.shape[2 + a], y.shape[2 + a] // p) for a, p in enumerate(period)))
    zero: tuple[Any, ...] = (0,) * len(period)
    mean = power[(..., *zero)].sum()
    total = float(power.sum() - mean)
    at = float(power[(..., *lines)].sum() - mean)
    return at / total if total > 0 else 0.0
