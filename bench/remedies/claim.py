"""What a claim is, and how the cases of one come to a verdict.

A case (a task, or a remedy in a task) is true, false, or open where the interval of a level or of a difference leaves
it so. A pattern counts as gone below `GONE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .paired import Estimate, at_end, at_start, level

GONE = -40.0
"""dB: the level from which on `upweave score` fails a picture."""

COSTLESS = -0.1
"""dB of PSNR: a loss that is less than this for certain counts as none."""

SEEDS = 2
"""With fewer of some remedy, a task is not judged: of one network there is no interval."""

HOLDS, PARTLY, FAILS, OPEN = "holds here", "holds in part", "does not hold here", "left open"

PATTERN_START, PATTERN_END = level(at_start("pattern")), level(at_end("pattern"))


@dataclass(frozen=True)
class Claim:
    """A saying, its cases, the rule for a case, and the numbers, a line each."""

    saying: str
    cases: tuple[bool | None, ...]
    rule: str
    lines: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """One word for all cases."""
        return verdict(self.cases)

    @property
    def count(self) -> str:
        """How many of the cases are true, false, and open."""
        return " / ".join(str(self.cases.count(case)) for case in (True, False, None))


def verdict(cases: Sequence[bool | None]) -> str:
    """One word for all cases: those that are open (None) do not count, unless all are."""
    judged = {case for case in cases if case is not None}
    return OPEN if not judged else PARTLY if len(judged) == 2 else HOLDS if True in judged else FAILS


def gone(level: Estimate) -> bool | None:
    """Whether a level is below `GONE`, if that can be said."""
    return True if level.high < GONE else False if level.low > GONE else None


def every(cases: Sequence[bool | None]) -> bool | None:
    """The case that all of these are: false if one is, open if none is but some are open."""
    return False if False in cases else None if None in cases else True


def lower(gap: Estimate) -> bool | None:
    """Whether a difference lies below 0, if that can be said."""
    return None if gap.sign == 0 else gap.sign < 0


def costless(gap: Estimate) -> bool | None:
    """Whether a difference of PSNR is no loss, if that can be said."""
    return False if gap.sign < 0 else True if gap.low > COSTLESS else None
