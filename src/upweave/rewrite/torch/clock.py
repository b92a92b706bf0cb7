"""Which of several ways to compute the same thing is the fastest here: timed in turns, medians compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

ROUNDS = 15
"""Rounds at most: more tell nothing more."""


def now() -> float:
    """Seconds, when everything that was started has ended: a GPU returns before it has."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def race(ways: Mapping[str, Callable[[], Any]], seconds: float, least: int = 3) -> dict[str, float]:
    """Median seconds of each way: after one call to warm up, rounds in which each runs once, for about `seconds`.

    At least `least` rounds, so that a median means something, however long they take.
    """
    for way in ways.values():
        way()
    times: dict[str, list[float]] = {name: [] for name in ways}
    end = now() + seconds
    for n in range(ROUNDS):
        if n >= least and now() > end:
            break
        for name, way in ways.items():
            start = now()
            way()
            times[name].append(now() - start)
    return {name: statistics.median(found) for name, found in times.items()}
