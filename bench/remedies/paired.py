"""Means over seeds, and differences between two remedies of the same seeds, with an interval.

Cells of one seed share their patches and their first numbers, so that the difference of each pair varies less than the
cells do. With d̄ and s the mean and the standard deviation of n differences the interval is d̄ ± t·s/√n, Student's t
for n − 1 degrees of freedom at 95 %. It speaks of other seeds, and says nothing of other photographs or networks.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .measure import decibels
from .study import Cell, Study

CONFIDENCE = 0.95

Value = Callable[[Cell], float]


def at_end(key: str) -> Value:
    """A number after training, or of the quality."""
    return lambda cell: cell.quality[key] if key in cell.quality else cell.end[key]


def at_start(key: str) -> Value:
    """A number before training."""
    return lambda cell: cell.start[key]


def level(value: Value) -> Value:
    """A share in dB."""
    return lambda cell: decibels(value(cell))


@dataclass(frozen=True)
class Estimate:
    """A mean over `count` seeds, the standard deviation of one, and the interval for the mean (infinite for one)."""

    mean: float
    deviation: float
    low: float
    high: float
    count: int

    @property
    def sign(self) -> int:
        """1 or −1 if the interval lies above or below 0, else 0: the mean may be chance."""
        return (self.low > 0) - (self.high < 0)


def estimate(values: Sequence[float]) -> Estimate:
    """The estimate from one value a seed; `ValueError` for none."""
    from scipy.special import stdtrit

    if not values:
        raise ValueError("no seeds to take a mean of")
    n, mean = len(values), statistics.fmean(values)
    if n == 1:
        return Estimate(mean, 0.0, -math.inf, math.inf, 1)
    deviation = statistics.stdev(values)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * deviation / math.sqrt(n)
    return Estimate(mean, deviation, mean - half, mean + half, n)


def of(study: Study, task: str, remedy: str, value: Value) -> Estimate:
    """The estimate over all seeds of a task and remedy."""
    return estimate([value(c) for c in study.of(task, remedy).values()])


def difference(study: Study, task: str, remedy: str, other: str, value: Value) -> Estimate:
    """The estimate of remedy − other, over the seeds that both have."""
    a, b = study.of(task, remedy), study.of(task, other)
    return estimate([value(a[s]) - value(b[s]) for s in a if s in b])
