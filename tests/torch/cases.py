"""Small transposed convolutions of every kind, for the operator tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

REFERENCE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@dataclass(frozen=True)
class Case:
    """Shapes and hyper-parameters; `numbers` in the order of the operators' schemas."""

    x: tuple[int, ...]
    weight: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    groups: int
    dilation: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.stride)

    @property
    def numbers(self) -> tuple[Any, ...]:
        return self.stride, self.padding, self.output_padding, self.groups, self.dilation

    def tensors(
        self, dtype: torch.dtype = torch.float64, requires_grad: bool = False, seed: int = 0
    ) -> list[torch.Tensor]:
        """Input, weight and bias."""
        torch.manual_seed(seed)
        shapes = (self.x, self.weight, (self.weight[1] * self.groups,))
        return [torch.randn(s, dtype=dtype, requires_grad=requires_grad) for s in shapes]

    def torch(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """PyTorch's own."""
        return REFERENCE[self.rank](x, weight, bias, *self.numbers)


CASES = {
    "1d": Case((2, 3, 5), (3, 2, 4), (2,), (1,), (1,), 1, (1,)),
    "1d-output-padding-of-two-strides": Case((1, 2, 4), (2, 2, 3), (2,), (1,), (4,), 1, (5,)),
    "2d-groups": Case((2, 4, 3, 4), (4, 3, 3, 2), (2, 1), (1, 0), (1, 0), 2, (1, 2)),
    "2d-gaps": Case((1, 2, 3, 3), (2, 1, 2, 2), (3, 3), (0, 0), (2, 1), 1, (1, 1)),
    "2d-depthwise": Case((2, 3, 3, 3), (3, 1, 4, 4), (2, 2), (1, 1), (0, 0), 3, (1, 1)),
    "3d": Case((1, 2, 2, 3, 2), (2, 2, 2, 3, 3), (2, 2, 1), (0, 1, 1), (0, 1, 0), 1, (1, 1, 1)),
}
