"""The three operators as PyTorch itself computes them: where the native core has no way, and on other devices.

These run below autograd and autocast (`aten::convolution` is in no autocast list). Hyper-parameters come in the order
of the operators' schemas: stride, padding, output_padding, groups, dilation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

_convolution = torch.ops.aten.convolution.default
_convolution_backward = torch.ops.aten.convolution_backward.default
_PUBLIC = {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}


def forward(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: Sequence[int], padding: Sequence[int], output_padding: Sequence[int], groups: int, dilation: Sequence[int],
    activation: str = "none", slope: float = 0.01,
) -> torch.Tensor:  # fmt: skip
    """activation(conv_transpose(x, weight) + bias)."""
    y = _convolution(x, weight, bias, stride, padding, dilation, True, output_padding, groups)
    return activate(y, activation, slope)


def public(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: Sequence[int], padding: Sequence[int], output_padding: Sequence[int], groups: int, dilation: Sequence[int],
    activation: str = "none", slope: float = 0.01,
) -> torch.Tensor:  # fmt: skip
    """The same through `torch.nn.functional`, which takes every dtype that PyTorch takes, complex numbers included."""
    y = _PUBLIC[x.dim()](x, weight, bias, stride, padding, output_padding, groups, dilation)
    return activate(y, activation, slope)


def grad_input(
    gy: torch.Tensor, weight: torch.Tensor, size: Sequence[int],
    stride: Sequence[int], padding: Sequence[int], output_padding: Sequence[int], groups: int, dilation: Sequence[int],
) -> torch.Tensor:  # fmt: skip
    """The strided convolution of `gy` with the same weight, cut to `size`."""
    gx: torch.Tensor = _convolution(gy, weight, None, stride, padding, dilation, False, [0] * len(size), groups)
    for axis, length in enumerate(size, start=2):
        gx = gx.narrow(axis, 0, length)  # an output_padding of a stride or more makes the convolution longer
    return gx


def grad_weight(
    x: torch.Tensor, gy: torch.Tensor, kernel: Sequence[int],
    stride: Sequence[int], padding: Sequence[int], output_padding: Sequence[int], groups: int, dilation: Sequence[int],
) -> torch.Tensor:  # fmt: skip
    """∂L/∂weight, (C_in, C_out/g, k…)."""
    shaped = x.new_empty((x.shape[1], gy.shape[1] // groups, *kernel))  # asked for its shape alone
    mask = [False, True, False]
    found: tuple[torch.Tensor, ...] = _convolution_backward(
        gy, x, shaped, None, stride, padding, dilation, True, output_padding, groups, mask
    )
    return found[1]


def activate(y: torch.Tensor, name: str, slope: float) -> torch.Tensor:
    """A named activation (`upweave.ops.activation.ACTIVATIONS`), out of place, so that autograd and tracing see it."""
    if name == "none":
        return y
    if name == "leaky_relu":
        return F.leaky_relu(y, slope)
    return _ACTIVATIONS[name](y)


_ACTIVATIONS = {"relu": torch.relu, "silu": F.silu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
