"""A train step of one layer: forward, then the gradients of input, weight and bias.

The weight is written in place before every call, untimed, as an optimiser would: what was packed for the weight before
does not count for the next step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from .. import case as cases
from .. import ours
from ..contender import Contender
from ..harness import Settings, compare
from ..layers import Layer
from ..results import Row
from .forward import row

TOLERANCE = 1e-4
"""A weight's gradient sums over all positions of the batch in fp32, hundreds of thousands of terms on some rows."""


def measure(layer: Layer, backend: ours.Backend, settings: Settings) -> Row:
    """The row of one layer: Upweave, torch, and torch channels-last where that exists; checked against fp64 first."""
    case = cases.make(layer.problem)
    gy = torch.randn(layer.problem.output_shape, generator=torch.Generator().manual_seed(1))
    expected = cases.exact_gradients(case, gy)
    contenders = [_step("torch", "NCHW", True, case, gy, cases.aten)]
    if layer.problem.rank > 1:
        layout = cases.CHANNELS_LAST[layer.problem.rank]
        turned = cases.Case(
            case.problem, case.x.to(memory_format=layout), case.weight.to(memory_format=layout), case.bias
        )  # fmt: skip
        gy_turned = gy.to(memory_format=layout)
        contenders.append(_step("torch_channels_last", "channels-last", False, turned, gy_turned, cases.aten))
    own = ours.name(backend)
    if own is not None:
        contenders.insert(0, _step(own, "NCHW", True, case, gy, lambda c: ours.run(c, backend)))
    settings = replace(settings, tolerance=max(settings.tolerance, TOLERANCE))
    return row(layer, compare(contenders, expected, settings, [c.name for c in contenders]), None)


def _step(
    name: str,
    variant: str,
    takes_nchw: bool,
    case: cases.Case,
    gy: torch.Tensor,
    layer: Callable[[cases.Case], torch.Tensor],
) -> Contender:
    """Forward and backward by autograd, on leaves of its own, since their versions count."""
    leaves = [t.clone().requires_grad_() for t in (case.x, case.weight, case.bias)]  # clone keeps the memory format
    own = cases.Case(case.problem, *leaves)

    def touch() -> None:
        with torch.no_grad():
            own.weight.mul_(1.0)

    def call() -> tuple[torch.Tensor, ...]:
        y = layer(own)
        return (y, *torch.autograd.grad(y, leaves, gy))

    def tensors(found: Any) -> tuple[torch.Tensor, ...]:
        return tuple(t.detach() for t in found)

    return Contender(name, variant, takes_nchw, call, tensors, touch)
