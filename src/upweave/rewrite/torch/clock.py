"""Which of several ways to compute the same thing is the fastest here: timed in turns, medians compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

ROUNDS = 15
"""Rounds at most: more tell nothing more."""


def race(ways: Mapping[str, Callable[[], Any]], seconds: float, least: int = 3) -> dict[str, float]:
    """Median seconds of each way: after one call to warm up, rounds in which each runs once, for about `seconds`.

    At least `least` rounds, so that a median means something, however long they take.
    """
    for way in ways.values():
        way()
    times: dict[str, list[float]] = {name: [] for name in ways}
    end = time.perf_counter() + seconds
    for n in range(ROUNDS):
        if n >= least and time.perf_counter() > end:
            break
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}
