"""`upweave.accelerate`: the same model, faster, measured and compared before anyone gets it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ...errors import ModelError, SpecError
from ..certify import Certificate
from .choose import Choice, choose, decided
from .clock import race
from .copying import shared_copy
from .decisions import Decisions, Unit, apply
from .inputs import Call, as_call
from .observe import Observation, is_any_channels_last, observe
from .prove import prove
from .report import ModelReport
from .spent import Spent, spent_in

MOST_DROPPED = 8
"""So many decisions that are wrong one by one; with more, none is trusted."""

FASTER = 0.98
"""A candidate is chosen only if it takes less than this share of the original's time: the rest is noise."""


def accelerate(
    model: nn.Module,
    example_inputs: Any,
    *,
    measure: bool = True,
    seconds: float = 30.0,
    channels_last: bool | None = None,
    limit: float | None = None,
) -> nn.Module:
    """A new module that computes what `model` computes, faster; the model itself is untouched.

    Nearest resizes are deferred until the convolution behind them consumes them, transposed convolutions run on
    Upweave's operator where that is faster, and the model runs channels-last where that is faster. What is chosen was
    measured on `example_inputs`; what comes out was compared with the original on these and on random inputs
    (`upweave.rewrite.certify`). Where nothing is faster the new module runs the model as it is.

    Args:
        model: in eval mode, on the CPU or elsewhere.
        example_inputs: a tensor, a tuple of positional arguments, or a dict of arguments by name.
        measure: False chooses by counting multiplications, without timing anything.
        seconds: about how long to measure, on top of a few runs of the model that are always needed.
        channels_last: False or True instead of whichever is faster.
        limit: how far outputs may be apart, relative to their norm; by dtype if not said (1e-5 in float32).

    The new module has the class, the signature, the attributes and the names of parameters of the model, shares its
    parameters but for convolution weights in channels-last order, and takes every size that the model takes. Its
    `report` says what was done and why. Raises `ModelError` for a model in training mode or one that does not run.
    """
    if not isinstance(model, nn.Module):
        raise SpecError(f"expected a torch.nn.Module, got {type(model).__name__}")
    if any(module.training for module in model.modules()):
        raise ModelError("the model, or a part of it, is in training mode; call model.eval() first")
    call = as_call(example_inputs)
    try:
        y = _plain(model, call)
    except Exception as error:
        raise ModelError(f"the model does not run on the example inputs: {type(error).__name__}: {error}") from error
    notes: list[str] = []
    found = _observe(model, call, notes)
    contiguous = not is_any_channels_last(y)
    del y
    spent = spent_in(model, call, seconds / 10) if measure else Spent()
    original = spent.whole
    layouts = [False, True] if channels_last is None else [channels_last]
    if not measure and channels_last is None:
        layouts = [False]
    candidates: dict[str, tuple[Decisions, nn.Module, Certificate, list[Choice]]] = {}
    tried: list[list[Choice]] = []
    for last in layouts:
        choices = choose(found, last, 0.4 * seconds / len(layouts) if measure else 0, spent)
        tried.append(choices)
        decisions = decided(choices, found, last)
        if decisions.are_none:
            continue
        candidate = _certified(model, decisions, call, original, limit, contiguous, notes)
        if candidate is not None:
            candidates["channels-last" if last else "contiguous"] = (*candidate, choices)
    times = {"original": original}
    if measure and candidates:
        ways = {name: (lambda new=new: _plain(new, call)) for name, (_, new, _, _) in candidates.items()}
        times = race({"original": lambda: _plain(model, call), **ways}, seconds / 2)
        best = min(candidates, key=lambda name: times[name])
        if times[best] >= FASTER * times["original"]:
            notes.append(
                f"nothing was clearly faster: {best} {1e3 * times[best]:.3g} ms, "
                f"original {1e3 * times['original']:.3g} ms"
            )
            best = ""
    else:
        best = next(iter(candidates), "")
    if best:
        decisions, new, certificate, choices = candidates[best]
    else:
        decisions, choices = Decisions(), tried[0]
        new = apply(model, decisions)
        certificate = prove(model, new, decisions, call, original, limit=limit)
    new.report = ModelReport.of(model, new, call, decisions, choices, found, times, best, certificate, notes)  # type: ignore[assignment]
    return new


def _plain(model: nn.Module, call: Call) -> Any:
    with torch.no_grad():
        return model(*call[0], **call[1])


def _observe(model: nn.Module, call: Call, notes: list[str]) -> Observation:
    copy = shared_copy(model)
    try:
        return observe(copy, call)[0]
    except Exception as error:
        notes.append(f"resizes are not deferred: the model does not take them: {type(error).__name__}: {error}")
    return observe(copy, call, defer=False)[0]


def _certified(
    model: nn.Module,
    decisions: Decisions,
    call: Call,
    seconds: float,
    limit: float | None,
    contiguous: bool,
    notes: list[str],
) -> tuple[Decisions, nn.Module, Certificate] | None:
    """The decisions, or as much of them as gives the model's outputs, with the module made so.

    Where rounding alone may be to blame, all convolutions are made precise first. Of what changes the outputs still,
    the one decision to blame is found by halving, and left out.
    """

    def proved(units: Sequence[Unit], precise: bool = True) -> tuple[Decisions, nn.Module, Certificate]:
        some = replace(decisions.only(units), precise=precise)
        new = apply(model, some, contiguous_outputs=contiguous)
        return some, new, prove(model, new, some, call, seconds, limit=limit)

    some, new, certificate = proved(decisions.units, precise=False)
    if certificate.passed:
        return some, new, certificate
    notes.append(f"convolutions keep to what loses no digit: with less, {certificate}")
    units, dropped = list(decisions.units), 0
    while not decisions.only(units).are_none and dropped <= MOST_DROPPED:
        some, new, certificate = proved(units)
        if certificate.passed:
            return some, new, certificate
        right, wrong = 0, len(units)  # the first so many are right, the first so many are not
        while wrong - right > 1:
            middle = (right + wrong) // 2
            if proved(units[:middle])[2].passed:
                right = middle
            else:
                wrong = middle
        what, path = units.pop(wrong - 1)
        dropped += 1
        message = f"accelerate: {what} {path or '(the model itself)'}: dropped, since the outputs changed"
        warnings.warn(message, RuntimeWarning, stacklevel=3)
        notes.append(f"{message}: {certificate}")
    warnings.warn("accelerate: no rewrite gave the model's outputs; none was applied", RuntimeWarning, stacklevel=3)
    return None
