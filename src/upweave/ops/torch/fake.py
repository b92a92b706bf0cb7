"""What the operators return on tensors without data: the same sizes, dtypes and memory formats as the real kernels."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...errors import SpecError
from .layout import empty, is_channels_last


def forward(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: Sequence[int], padding: Sequence[int], output_padding: Sequence[int], groups: int, dilation: Sequence[int],
    activation: str, slope: float,
) -> torch.Tensor:  # fmt: skip
    """(N, C_out, s(H−1) − 2p + d(k−1) + 1 + o, …) in the format of x."""
    if x.dim() != weight.dim():
        raise SpecError(f"a weight of shape {tuple(weight.shape)} does not fit an input of shape {tuple(x.shape)}")
    if x.shape[1] != weight.shape[0]:
        raise SpecError(f"the input has {x.shape[1]} channels, the weight reads {weight.shape[0]}")
    out = [
        s * (h - 1) - 2 * p + d * (k - 1) + 1 + o
        for h, k, s, p, o, d in zip(
            x.shape[2:], weight.shape[2:], stride, padding, output_padding, dilation, strict=True
        )
    ]  # fmt: skip
    return empty(x, (x.shape[0], weight.shape[1] * groups, *out), is_channels_last(x))


def grad_input(
    gy: torch.Tensor, weight: torch.Tensor, size: Sequence[int],
    stride: Sequence[int], padding: Sequence[int], output_padding: Sequence[int], groups: int, dilation: Sequence[int],
) -> torch.Tensor:  # fmt: skip
    """(N, C_in, *size) in the format of gy."""
    return empty(gy, (gy.shape[0], weight.shape[0], *size), is_channels_last(gy))


def grad_weight(
    x: torch.Tensor, gy: torch.Tensor, kernel: Sequence[int],
    stride: Sequence[int], padding: Sequence[int], output_padding: Sequence[int], groups: int, dilation: Sequence[int],
) -> torch.Tensor:  # fmt: skip
    """(C_in, C_out/g, *kernel), contiguous."""
    return x.new_empty((x.shape[1], gy.shape[1] // groups, *kernel))
