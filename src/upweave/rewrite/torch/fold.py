"""The weights of the rewrites as tensors: differentiable, and one graph of PyTorch's own operators under a tracer.

The arithmetic is that of `upweave.rewrite.weights`, which the tests hold it to.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)


def fold_nearest(weight: Tensor, scale: Sequence[int], groups: int = 1) -> Tensor:
    """(C_out, C_in/g, k…) of a convolution behind a nearest resize to (C_in, C_out/g, k + s − 1…): flip(w) ∗ ones(s).

    With stride s and padding k − 1 − p it is the resize and the convolution with stride 1 and padding p together,
    borders included (`upweave.rewrite.weights.fold_nearest`, dilation 1). Half precision is summed in float32.
    """
    dtype = weight.dtype
    h = weight.float() if dtype in HALF else weight
    rank = len(scale)
    h = h.flip(tuple(range(2, 2 + rank)))
    for a, s in enumerate(scale):
        h = _widened(h, 2 + a, s)
    if groups == 1:
        h = h.transpose(0, 1)
    else:
        h = h.reshape(groups, -1, *h.shape[1:]).transpose(1, 2)
        h = h.reshape(-1, *h.shape[2:])
    return h.to(dtype).contiguous()


def _widened(h: Tensor, axis: int, s: int) -> Tensor:
    """h ∗ ones(s) along one axis."""
    if s == 1:
        return h
    behind = 2 * (h.dim() - 1 - axis)
    total = F.pad(h, [0] * behind + [0, s - 1])
    for j in range(1, s):
        total = total + F.pad(h, [0] * behind + [j, s - 1 - j])
    return total


def fold_batch_norm(
    weight: Tensor, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float,
    gamma: Tensor | None, beta: Tensor | None, groups: int, transposed: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(weight, bias) of a convolution with the batch normalisation behind it: w·γ/√(σ² + ε), (b − μ)·γ/√(σ² + ε) + β.

    Transposed weights have their output channels second, by groups: (C_in, C_out/g, k…).
    """
    scale = torch.rsqrt(var + eps)
    if gamma is not None:
        scale = scale * gamma
    shift = -mean * scale if bias is None else (bias - mean) * scale
    if beta is not None:
        shift = shift + beta
    if transposed:
        lead = weight.reshape(groups, -1, *weight.shape[1:])
        by = scale.reshape(groups, 1, -1, *(1,) * (weight.dim() - 2))
        folded = (lead * by).reshape(weight.shape)
    else:
        folded = weight * scale.reshape(-1, *(1,) * (weight.dim() - 1))
    return folded.to(weight.dtype), shift.to(weight.dtype)
