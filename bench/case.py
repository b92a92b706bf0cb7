"""One problem with numbers in it, what it must come to, and how far from that a result is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from upweave.ops.problem import Problem

ATEN = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


@dataclass(frozen=True)
class Case:
    """A problem with an input, a weight and a bias: fp32, contiguous, batch and channels first."""

    problem: Problem
    x: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor

    @property
    def keywords(self) -> dict[str, Any]:
        """The hyper-parameters under PyTorch's names."""
        p = self.problem
        return {
            "stride": p.stride,
            "padding": p.padding,
            "output_padding": p.output_padding,
            "groups": p.groups,
            "dilation": p.dilation,
        }


def make(problem: Problem, seed: int = 0) -> Case:
    """A case of normal numbers, the weight scaled so that outputs are of order one; the same for the same seed."""
    g = torch.Generator().manual_seed(seed)
    fan_in = max(1.0, problem.multiplies / np.prod(problem.output_shape))
    return Case(
        problem,
        torch.randn(problem.input_shape, generator=g),
        torch.randn(problem.weight_shape, generator=g) / float(np.sqrt(fan_in)),
        torch.randn(problem.c_out, generator=g),
    )


def aten(case: Case) -> torch.Tensor:
    """PyTorch's own operator on the case."""
    return ATEN[case.problem.rank](case.x, case.weight, case.bias, **case.keywords)


def exact(case: Case) -> torch.Tensor:
    """The output in fp64, by PyTorch's fp64 path, which shares no code with its fp32 one (no oneDNN)."""
    with torch.no_grad():
        return aten(Case(case.problem, case.x.double(), case.weight.double(), case.bias.double()))


def exact_gradients(case: Case, gy: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Output, and the gradients of ⟨output, gy⟩ by input, weight and bias, in fp64."""
    leaves = [t.double().requires_grad_() for t in (case.x, case.weight, case.bias)]
    y = aten(Case(case.problem, *leaves))
    return (y.detach(), *torch.autograd.grad(y, leaves, gy.double()))


def relative_error(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    """The largest ‖found − expected‖/‖expected‖ of the pairs; NaN if there is a NaN in any of them.

    `ValueError` if numbers or shapes of tensors differ.
    """
    shapes = [tuple(t.shape) for t in found], [tuple(t.shape) for t in expected]
    if shapes[0] != shapes[1]:
        raise ValueError(f"tensors of shapes {shapes[0]} where {shapes[1]} are expected")
    errors = [
        float(torch.linalg.vector_norm(f.double() - e) / torch.linalg.vector_norm(e))
        for f, e in zip(found, expected, strict=True)
    ]
    return float(np.max(errors))  # not max(): Python's own drops a NaN that does not come first
