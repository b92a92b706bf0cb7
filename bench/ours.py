"""Upweave's own contenders, under the name of what really runs: nothing runs in place of what was asked for."""

from __future__ import annotations

from typing import Any, Literal

import torch

import upweave
from upweave.ops import native

from .case import CHANNELS_LAST, Case
from .contender import Contender

Backend = Literal["native", "torch", "none"]

NAMES = {"native": "upweave", "torch": "upweave (torch backend)", "none": None}
"""What results call Upweave, by the backend that runs; None: peers alone."""


def name(backend: Backend) -> str | None:
    """The name under which Upweave's times of this backend are kept.

    `RuntimeError` for "native" where the native core is not there: another backend's time must never carry its name.
    """
    if backend == "native" and not native.available():
        raise RuntimeError(
            f"the native core is not available ({native.why_not()}); build it, or say --backend torch to time "
            "Upweave's torch backend under that name, or --backend none to time peers alone"
        )
    return NAMES[backend]


def isa(backend: Backend) -> str | None:
    """The instruction set that the native core chose; None for another backend."""
    return str(native.isa()) if backend == "native" else None  # type: ignore[attr-defined, unused-ignore]


def algorithm(case: Case, backend: Backend) -> str:
    """What runs the case, by Upweave's own word; `RuntimeError` if that is not the backend that was asked for."""
    plan = upweave.explain_plan(case.x, case.weight, case.bias, **case.keywords, backend=backend)  # type: ignore[attr-defined, unused-ignore]
    if plan.backend != backend:
        raise RuntimeError(f"backend {backend!r} was asked for, and {plan.backend!r} would run: {plan.reason}")
    return str(plan.algorithm)


def run(case: Case, backend: Backend) -> torch.Tensor:
    """`upweave.conv_transpose` on the case by a backend asked for by name, which raises if it cannot."""
    return upweave.conv_transpose(case.x, case.weight, case.bias, **case.keywords, backend=backend)  # type: ignore[attr-defined, no-any-return, unused-ignore]


def contenders(case: Case, backend: Backend, *, channels_last: bool = False) -> list[Contender]:
    """Upweave on contiguous tensors under no_grad, so that the frozen weight is packed once; none for "none".

    With `channels_last` also `upweave_channels_last`, on 2-D and 3-D cases.
    """
    own = name(backend)
    if own is None:
        return []

    def call_of(case: Case) -> Any:
        def call() -> torch.Tensor:
            with torch.no_grad():
                return run(case, backend)

        return call

    found = [Contender(own, f"NCHW, {algorithm(case, backend)}", True, call_of(case), lambda y: (y,))]
    if channels_last and case.problem.rank > 1:
        layout = CHANNELS_LAST[case.problem.rank]
        turned = Case(case.problem, case.x.to(memory_format=layout), case.weight, case.bias)
        label = own.replace("upweave", "upweave_channels_last")
        variant = f"channels-last, {algorithm(turned, backend)}"
        found.append(Contender(label, variant, False, call_of(turned), lambda y: (y,)))
    return found
