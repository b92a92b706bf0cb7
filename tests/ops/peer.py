"""PyTorch's own operator on a problem, for the tests that compare with it."""

from __future__ import annotations

from typing import Any

from upweave.ops.problem import Problem
from upweave.ops.torch import aten


def by_torch(x: Any, weight: Any, bias: Any, p: Problem, activation: str = "none", slope: float = 0.01) -> Any:
    """activation(F.conv_transposeNd(x, weight, bias)) of a batched tensor."""
    numbers = (p.stride, p.padding, p.output_padding, p.groups, p.dilation)
    return aten.public(x, weight, bias, *numbers, activation, slope)
