"""How the operators run on a batch of inputs, of weights, or of both, as one call (the rules of `torch.vmap`).

    only the input has the batch axis    it joins N:             (B, N, C, …) → (B·N, C, …)
    the weight has it too, or alone      it joins the groups:    x (N, B·C_in, …), w (B·C_in, C_out/g, k…), B·g groups

`run` is the operator one level below, with its derivatives. Each rule returns the result and its batch axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch

Run: TypeAlias = Callable[..., torch.Tensor]
Batched: TypeAlias = tuple[torch.Tensor, int]


def forward(run: Run, info: Any, in_dims: Any, x: Any, weight: Any, bias: Any, *numbers: Any) -> Batched:
    """T(x, weight) + bias."""
    b, (at_x, at_weight, at_bias) = info.batch_size, in_dims[:3]
    if at_weight is None:
        if at_x is None:
            y = run(x, weight, None, *numbers)
            y = y.expand(b, *y.shape)
        else:
            y = _apart(run(_into_batch(x, at_x), weight, bias if at_bias is None else None, *numbers), 0, b)
            if at_bias is None:
                return y, 0
        return _add(y, bias, at_bias), 0
    x, weight = _into_channels(_first(x, at_x, b), 1), _into_channels(weight.movedim(at_weight, 0), 0)
    if bias is not None:
        bias = _first(bias, at_bias, b).reshape(-1)
    y = run(x, weight, bias, *_grouped(numbers, b))
    return _apart(y, 1, b), 1


def grad_input(run: Run, info: Any, in_dims: Any, gy: Any, weight: Any, size: Any, *numbers: Any) -> Batched:
    """G(gy, weight)."""
    b, (at_gy, at_weight) = info.batch_size, in_dims[:2]
    if at_weight is None:
        return _apart(run(_into_batch(gy, at_gy), weight, size, *numbers), 0, b), 0
    gy, weight = _into_channels(_first(gy, at_gy, b), 1), _into_channels(weight.movedim(at_weight, 0), 0)
    return _apart(run(gy, weight, size, *_grouped(numbers, b)), 1, b), 1


def grad_weight(run: Run, info: Any, in_dims: Any, x: Any, gy: Any, kernel: Any, *numbers: Any) -> Batched:
    """W(x, gy)."""
    b, (at_x, at_gy) = info.batch_size, in_dims[:2]
    x, gy = _into_channels(_first(x, at_x, b), 1), _into_channels(_first(gy, at_gy, b), 1)
    return _apart(run(x, gy, kernel, *_grouped(numbers, b)), 0, b), 0


def _first(tensor: torch.Tensor, at: int | None, b: int) -> torch.Tensor:
    """The batch axis in front, made by repetition if there is none."""
    return tensor.expand(b, *tensor.shape) if at is None else tensor.movedim(at, 0)


def _into_batch(tensor: torch.Tensor, at: int) -> torch.Tensor:
    """(B, N, …) as (B·N, …)."""
    return tensor.movedim(at, 0).flatten(0, 1)


def _into_channels(tensor: torch.Tensor, at: int) -> torch.Tensor:
    """(B, …, C, …) with the channels at `at` of what follows B, as (…, B·C, …)."""
    return tensor.movedim(0, at).flatten(at, at + 1)


def _apart(tensor: torch.Tensor, at: int, b: int) -> torch.Tensor:
    """B and what it was multiplied with, as two axes."""
    return tensor.reshape(*tensor.shape[:at], b, tensor.shape[at] // b, *tensor.shape[at + 1 :])


def _grouped(numbers: Any, b: int) -> tuple[Any, ...]:
    stride, padding, output_padding, groups, dilation = numbers
    return stride, padding, output_padding, groups * b, dilation


def _add(y: torch.Tensor, bias: torch.Tensor, at: int) -> torch.Tensor:
    """y (B, N, C, …) plus a bias of its own for each of B."""
    bias = bias.movedim(at, 0)
    return y + bias.reshape(bias.shape[0], 1, bias.shape[1], *(1,) * (y.dim() - 3))
