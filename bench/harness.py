"""A/B in one process: all contenders of a case in turns, in short bursts, each on its own after a pause.

The pause is what makes the numbers comparable. A thread pool spins for a while after a call, in the hope of the next
one; the next contender, timed back to back, would share the cores with it and come out slower by an integer factor.

    trial       every contender once, checked; then a few calls, to see how long it takes
    choose      of each peer's variants the fastest stays, and the fastest that takes NCHW; what is hopeless goes
    rounds      for each round, in a new order:  pause · one untimed call · a burst of timed calls
    patience    while the times of somebody who may be the best are spread, the rounds go on, for some budgets more

Other tenants of a machine slow it down for seconds: a row that had nothing but such seconds has spread times as a rule.
When it ends depends on how far the times are spread, never on who is ahead.

A call's time is from the call to the release of its output, so that an output of fresh memory costs what it costs:
allocation, page faults, release.
"""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .case import relative_error
from .contender import Contender
from .results import Outcome
from .stats import spread

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Settings:
    """How long and how often: `rounds` at most, at least `least_rounds`, in between what `budget` seconds allow.

    More, up to `patience` budgets, while the quartiles of a contender that may be the best, the first of them within
    `near` times the fastest's median, are further apart than `settled` of its median.

    `pause` and `burst` are seconds, the burst at least `least_calls` calls (one, of calls longer than `long`).
    A contender `hopeless` times slower than the fastest is timed in its trial alone, unless its name is kept.
    `tolerance`: what ‖out − exact‖/‖exact‖ may be.
    """

    threads: int = 2
    rounds: int = 60
    least_rounds: int = 3
    patience: float = 3.0
    settled: float = 0.15
    near: float = 1.5
    pause: float = 0.05
    burst: float = 0.02
    least_calls: int = 3
    long: float = 0.3
    budget: float = 8.0
    hopeless: float = 8.0
    tolerance: float = 1e-5
    clock: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep

    def calls(self, seconds: float) -> int:
        """Timed calls of a burst, of a contender that takes `seconds` a call."""
        if seconds > self.long:
            return 1
        return max(self.least_calls, min(1000, math.ceil(self.burst / max(seconds, 1e-9))))


@dataclass
class _Entry:
    contender: Contender
    error: float
    trial: list[float]
    samples: list[float]

    @property
    def seconds(self) -> float:
        return statistics.median(self.trial)


def compare(
    contenders: Sequence[Contender],
    expected: Sequence[torch.Tensor],
    settings: Settings,
    keep: Sequence[str] = (),
) -> list[Outcome]:
    """Time the contenders against each other; one outcome each, in their order, failed and wrong ones with the reason.

    `expected`: what each must return, in fp64. `keep`: names that are timed in every round however slow they are.
    """
    outcomes: dict[int, Outcome] = {}
    entries: dict[int, _Entry] = {}
    for i, contender in enumerate(contenders):
        fastest = min((e.seconds for e in entries.values()), default=math.inf)
        admitted = _admit(contender, expected, settings, fastest)
        if isinstance(admitted, Outcome):
            outcomes[i] = admitted
        else:
            entries[i] = admitted
    out = _leave_out(entries, settings, keep)
    for i, reason in out.items():
        outcomes[i] = _outcome(entries.pop(i), "trial", reason, 0)
    planned, most = (_rounds(list(entries.values()), settings, budgets) for budgets in (1.0, settings.patience))
    order, rounds = random.Random(0), 0
    while rounds < planned or (rounds < most and not _settled(list(entries.values()), settings)):
        rounds += 1
        for entry in order.sample(list(entries.values()), len(entries)):
            entry.samples += _burst(entry.contender, settings.calls(entry.seconds), settings)
    for i, entry in entries.items():
        outcomes[i] = _outcome(entry, "ok", "", rounds)
    return [outcomes[i] for i in range(len(contenders))]


def _admit(
    contender: Contender, expected: Sequence[torch.Tensor], settings: Settings, fastest: float
) -> _Entry | Outcome:
    """The contender with its error and its trial times, or why it is not timed.

    Of a call that takes seconds where the `fastest` so far takes far less, the one that is checked is trial enough.
    """
    try:
        if contender.before is not None:
            contender.before()
        start = settings.clock()
        y = contender.call()
        first = settings.clock() - start
        error = relative_error(contender.tensors(y), expected)
        del y
        if not error <= settings.tolerance:  # so written, NaN is wrong
            return Outcome.untimed(
                contender, "wrong", f"relative error {error:.1e} where {settings.tolerance:.0e} is allowed", error
            )
        if first > max(settings.hopeless * fastest, 3 * settings.long):
            return _Entry(contender, error, [first], [])
        trial = _burst(contender, 1, settings)
        if trial[0] < settings.long:
            trial = _burst(contender, min(settings.calls(trial[0]), 20), settings)
    except Exception as trouble:  # whatever a peer raises is its result for this row, not the end of the run
        return Outcome.untimed(contender, "failed", f"{type(trouble).__name__}: {_first_line(trouble)}")
    return _Entry(contender, error, trial, [])


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def _leave_out(entries: dict[int, _Entry], settings: Settings, keep: Sequence[str]) -> dict[int, str]:
    """Who is not timed further, and why."""
    if not entries:
        return {}
    fastest = min(e.seconds for e in entries.values())
    best: dict[tuple[str, bool], int] = {}
    for i, e in entries.items():
        for group in ((e.contender.name, False), (e.contender.name, True)):
            if group[1] and not e.contender.takes_nchw:
                continue
            if group not in best or e.seconds < entries[best[group]].seconds:
                best[group] = i
    out = {}
    for i, e in entries.items():
        if i not in best.values():
            rival = entries[best[e.contender.name, e.contender.takes_nchw]]
            out[i] = f"{rival.contender.variant} was faster in the trial"
        elif e.seconds > settings.hopeless * fastest and e.contender.name not in keep:
            out[i] = f"{e.seconds / fastest:.0f} times slower than the fastest in the trial"
    return out


def _rounds(entries: Sequence[_Entry], settings: Settings, budgets: float) -> int:
    """As many rounds as so many budgets of the row allow, between the least and the most."""
    a_round = sum(settings.pause + e.seconds * (1 + settings.calls(e.seconds)) for e in entries)
    return max(settings.least_rounds, min(settings.rounds, int(budgets * settings.budget / max(a_round, 1e-9))))


def _settled(entries: Sequence[_Entry], settings: Settings) -> bool:
    """True if the times of all who may be the best are close together."""
    found = [spread(e.samples) for e in entries]
    fastest = min((s.median for s in found), default=0.0)
    return all(s.q3 - s.q1 <= settings.settled * s.median for s in found if s.q1 <= settings.near * fastest)


def _burst(contender: Contender, calls: int, settings: Settings) -> list[float]:
    """Seconds of each of `calls` calls, after a pause and one call that wakes threads and fills caches."""
    clock, call, before = settings.clock, contender.call, contender.before
    times = []
    enabled = gc.isenabled()
    gc.disable()
    try:
        settings.sleep(settings.pause)
        for timed in (False, *(True,) * calls):
            if before is not None:
                before()
            start = clock()
            y = call()
            del y
            stop = clock()
            if timed:
                times.append(stop - start)
    finally:
        if enabled:
            gc.enable()
    return times


def _outcome(entry: _Entry, status: str, reason: str, rounds: int) -> Outcome:
    c = entry.contender
    s = spread([1e3 * t for t in entry.samples or entry.trial])
    return Outcome(
        c.name, c.variant, c.takes_nchw, status, reason, entry.error, s.median, s.q1, s.q3, s.count, rounds
    )  # fmt: skip
