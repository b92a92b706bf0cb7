"""Medians, quartiles and geometric means: few, robust numbers for samples with long tails."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of samples, in the samples' unit."""

    median: float
    q1: float
    q3: float
    count: int


def spread(samples: Sequence[float]) -> Spread:
    """The spread of one sample or more; quartiles interpolate between samples, ends included.

    `ValueError` for no samples, or for one that is not finite: a clock that returns NaN must not become a result.
    """
    if not samples or not all(math.isfinite(s) for s in samples):
        raise ValueError(f"{len(samples)} samples, of which some are not finite or none is there")
    if len(samples) == 1:
        return Spread(samples[0], samples[0], samples[0], 1)
    q1, median, q3 = statistics.quantiles(samples, n=4, method="inclusive")
    return Spread(median, q1, q3, len(samples))


def geomean(ratios: Iterable[float]) -> float:
    """exp of the mean of the logarithms; `ValueError` for no ratios, or one that is not positive and finite."""
    values = list(ratios)
    if not values or not all(math.isfinite(v) and v > 0 for v in values):
        raise ValueError(f"no geometric mean of {values}")
    return math.exp(sum(map(math.log, values)) / len(values))
