"""How levels, means and differences are written, in tables and sentences alike."""

from __future__ import annotations

import math

from .measure import FLOOR, decibels
from .paired import Estimate

NOTHING = "—"


def number(value: float, digits: int) -> str:
    """With a true minus sign, and no sign for a zero."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def level(found: Estimate) -> str:
    """A mean of levels in dB; those at the floor, where some seeds are too, are said to be below."""
    if found.mean <= FLOOR + 0.05:
        return f"< {number(FLOOR, 0)}"
    return number(found.mean, 1)


def share(value: float) -> str:
    """A share of the variance as a level."""
    return f"< {number(FLOOR, 0)}" if value <= 10 ** (FLOOR / 10) else number(decibels(value), 1)


def small(value: float) -> str:
    """A size of at least 0: 0 below a hundredth of a thousandth, two digits else."""
    if abs(value) < 1e-4:
        return "0"
    return number(value, max(0, 1 - math.floor(math.log10(abs(value)))) if abs(value) < 10 else 0)


def mean(found: Estimate, digits: int) -> str:
    """Mean ± standard deviation of one seed."""
    spread = f" ± {found.deviation:.{digits}f}" if found.count > 1 else ""
    return f"{number(found.mean, digits)}{spread}"


def gap(found: Estimate | None, digits: int, unit: str = "") -> str:
    """A difference with half its interval; in brackets where the interval holds 0."""
    if found is None:
        return NOTHING
    sign = "+" if found.mean > 0 and float(f"{found.mean:.{digits}f}") else ""
    if found.count == 1:
        return f"({sign}{number(found.mean, digits)}{unit})"
    text = f"{sign}{number(found.mean, digits)} ± {found.high - found.mean:.{digits}f}{unit}"
    return text if found.sign else f"({text})"


def percent(value: float) -> str:
    """A share in percent."""
    return f"{100 * value:.0f} %"
