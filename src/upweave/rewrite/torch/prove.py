"""A rewritten model beside its original: the same outputs, on the user's inputs and on random ones, in two dtypes."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from ..certify import Certificate, certify
from .decisions import Decisions, apply
from .inputs import Call, dtype_of, is_resizable, mapped, random_like, run

SLOW = 1.0
"""Seconds of a run from which on inputs a little longer than the example are left out: half the size has to do."""

LARGEST = 2**28
"""Parameters beyond which no copies in float64 are made: they would take 4 GiB and more."""

SLOWEST = 3.0
"""Seconds that a comparison in float64 may take, about."""

DOUBLE = 12.0
"""How many times slower float64 is, about: it never takes oneDNN's convolutions."""


def prove(
    model: nn.Module, new: nn.Module, decisions: Decisions, call: Call, seconds: float, *, limit: float | None = None
) -> Certificate:
    """The certificate of `new`, which is `model` with the decisions; `seconds` is what the model takes on `call`."""
    dtype = dtype_of(model, call)
    inputs: list[tuple[str, Call]] = [("the example inputs", call), ("random inputs", random_like(call, 1))]
    if is_resizable(call):
        inputs.append(("random inputs of about half the size, odd", random_like(call, 2, lambda n: n // 2 | 1)))
        if seconds < SLOW:
            inputs.append(("random inputs, one sample longer", random_like(call, 3, lambda n: n + 1)))
    found = list(certify(lambda c: run(model, c), lambda c: run(new, c), inputs, dtype, limit=limit).trials)
    if dtype == "float32" and sum(p.numel() for p in model.parameters()) <= LARGEST:
        found += _in_double(model, decisions, call, seconds)
    return Certificate(tuple(found))


def _in_double(model: nn.Module, decisions: Decisions, call: Call, seconds: float) -> tuple[Any, ...]:
    """The same in float64, where what is no rounding shows, on inputs small enough."""
    try:
        old = copy.deepcopy(model).double()
        new = apply(old, decisions)
    except Exception:  # a model that cannot be copied or cast says nothing about its rewrite
        return ()
    wide = mapped(call, Tensor.double)
    cases: list[tuple[str, Call]] = []
    if DOUBLE * seconds <= SLOWEST:
        cases.append(("the example inputs", wide))
    if is_resizable(call):
        for divisor in (2, 4, 8):
            if DOUBLE * seconds / divisor**2 <= SLOWEST or divisor == 8:
                small = random_like(wide, 4, lambda n, d=divisor: max(1, n // d))
                cases.append((f"random inputs of 1/{divisor} the size", small))
                break
    return certify(lambda c: run(old, c), lambda c: run(new, c), cases, "float64").trials
