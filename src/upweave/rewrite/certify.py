"""Are two functions the same? Both are run on the same inputs, and the differences are the certificate.

A rewrite is an identity on paper; the certificate says that this model, with these weights, came out the same, how far
rounding moved it, and where it moved most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import SpecError

Array: TypeAlias = npt.NDArray[Any]
Function: TypeAlias = Callable[[Any], Mapping[str, Any]]
"""Inputs of any kind in, named arrays out."""

LIMITS = {"float64": 1e-10, "float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}
"""How far apart the outputs may be, relative to their norm, by the dtype that they were computed in."""

BORDER = 8
"""A sample at most so far from an end of an axis is at the border, on axes that are long enough to have an interior."""


@dataclass(frozen=True)
class Difference:
    """How far two sets of outputs are apart.

    Attributes:
        relative: ‖got − want‖ / ‖want‖ of the worst output; inf where shapes differ or a NaN has no counterpart.
        max_abs: the largest difference of any element.
        output, index: where that element is.
        place: "border" or "interior" of the trailing axes.
        reason: in words, where the outputs cannot be compared.
    """

    relative: float
    max_abs: float
    output: str = ""
    index: tuple[int, ...] = ()
    place: Literal["border", "interior"] = "interior"
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return self.reason
        where = f" at {self.output}{list(self.index)} ({self.place})" if self.max_abs else ""
        return f"relative norm {self.relative:.1e}, largest difference {self.max_abs:.1e}{where}"


def difference(want: Mapping[str, Any], got: Mapping[str, Any]) -> Difference:
    """The `Difference` of two sets of named outputs; anything that NumPy reads as an array."""
    if set(want) != set(got):
        lost, new = sorted(set(want) - set(got)), sorted(set(got) - set(want))
        return Difference(np.inf, np.inf, reason=f"outputs differ: {lost} are missing, {new} are new")
    if not want:
        raise SpecError("there are no outputs to compare")
    found = [_one(name, np.asarray(want[name]), np.asarray(got[name])) for name in want]
    worst = max(found, key=lambda d: d.relative)
    far = max(found, key=lambda d: d.max_abs)
    return Difference(worst.relative, far.max_abs, far.output, far.index, far.place, worst.reason)


def _one(name: str, want: Array, got: Array) -> Difference:
    if want.shape != got.shape:
        return Difference(np.inf, np.inf, name, reason=f"{name} has shape {list(got.shape)}, not {list(want.shape)}")
    if want.size == 0:
        return Difference(0.0, 0.0, name)
    kind = np.complex128 if want.dtype.kind == "c" else np.float64
    a, b = want.astype(kind), got.astype(kind)
    same = (a == b) | (np.isnan(a) & np.isnan(b))  # equal infinities too
    finite = np.isfinite(a) & np.isfinite(b)
    wild = ~same & ~finite
    if wild.any():
        at = _index(wild)
        reason = f"{name}{list(at)} is {got[at]}, not {want[at]}"
        return Difference(np.inf, np.inf, name, at, _place(at, want.shape), reason)
    off = np.where(same, 0, np.abs(np.where(finite, a, 0) - np.where(finite, b, 0)))
    at = _index(off)
    size = float(np.linalg.norm(np.where(finite, a, 0)))
    norm = float(np.linalg.norm(off))
    relative = norm / size if size else (np.inf if norm else 0.0)
    return Difference(relative, float(off[at]), name, at, _place(at, want.shape))


def _index(values: Array) -> tuple[int, ...]:
    return tuple(int(n) for n in np.unravel_index(int(np.argmax(values)), values.shape))


def _place(at: tuple[int, ...], shape: tuple[int, ...]) -> Literal["border", "interior"]:
    """Axes from the third on are space; of a matrix or a vector, all are."""
    first = 2 if len(shape) > 2 else 0
    for n, size in zip(at[first:], shape[first:], strict=True):
        margin = min(BORDER, (size - 1) // 4)
        if size > 1 and (n <= margin or n >= size - 1 - margin):
            return "border"
    return "interior"


@dataclass(frozen=True)
class Trial:
    """One comparison: on what inputs, in which dtype, what was found, and what was allowed."""

    inputs: str
    dtype: str
    difference: Difference
    limit: float

    @property
    def passed(self) -> bool:
        """True if the outputs agree within the limit."""
        return self.difference.relative <= self.limit

    def __str__(self) -> str:
        verdict = "same" if self.passed else "NOT the same"
        return f"{verdict}: {self.inputs}, {self.dtype}: {self.difference} (limit {self.limit:.0e})"


@dataclass(frozen=True)
class Certificate:
    """All comparisons of an original with its rewritten form. Without any, nothing is certified."""

    trials: tuple[Trial, ...]

    @property
    def passed(self) -> bool:
        """True if something was compared and every comparison passed."""
        return bool(self.trials) and all(t.passed for t in self.trials)

    @property
    def worst(self) -> Trial | None:
        """The comparison that came nearest to its limit, or went furthest beyond it."""
        return max(self.trials, key=_strain, default=None)

    def __str__(self) -> str:
        worst = self.worst
        if worst is None:
            return "nothing was compared"
        failed = sum(not t.passed for t in self.trials)
        many = f"{len(self.trials)} comparison{'s' if len(self.trials) > 1 else ''}"
        lead = f"{failed} of {many} failed" if failed else f"same outputs in {many}"
        return f"{lead}; worst: {worst.inputs}, {worst.dtype}: {worst.difference}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values: passed, and the trials with their numbers."""
        return {
            "passed": self.passed,
            "trials": [
                {
                    "inputs": t.inputs,
                    "dtype": t.dtype,
                    "relative": _plain(t.difference.relative),
                    "max_abs": _plain(t.difference.max_abs),
                    "output": t.difference.output,
                    "index": list(t.difference.index),
                    "place": t.difference.place,
                    "reason": t.difference.reason,
                    "limit": t.limit,
                    "passed": t.passed,
                }
                for t in self.trials
            ],
        }


def _strain(t: Trial) -> float:
    """The difference in units of what was allowed; where nothing was allowed, any difference is without bound."""
    if not t.difference.relative:
        return 0.0
    return t.difference.relative / t.limit if t.limit else float("inf")


def certify(
    old: Function,
    new: Function,
    inputs: Iterable[tuple[str, Any]],
    dtype: str = "float32",
    *,
    limit: float | None = None,
) -> Certificate:
    """Run both functions on each of the inputs, given as (how to call it in words, what to pass), and compare.

    `limit` is `LIMITS[dtype]` if not said. A new function that raises where the old one runs has failed, and the
    exception's first line is the reason; inputs that the old function refuses too are left out, since they are none of
    the model's.
    """
    if limit is None:
        if dtype not in LIMITS:
            raise SpecError(f"no limit is known for {dtype}; pass one, or one of {', '.join(LIMITS)}")
        limit = LIMITS[dtype]
    trials: list[Trial] = []
    for what, values in inputs:
        try:
            want = old(values)
        except Exception:  # whatever a runtime raises for a size that the model cannot take
            continue
        try:
            found = difference(want, new(values))
        except Exception as e:
            said = (str(e).strip().splitlines() or [type(e).__name__])[0]
            found = Difference(np.inf, np.inf, reason=f"the rewritten model fails: {said}")
        trials.append(Trial(what, dtype, found, limit))
    return Certificate(tuple(trials))


def _plain(value: float) -> float | None:
    """JSON has no infinity."""
    return float(value) if np.isfinite(value) else None
