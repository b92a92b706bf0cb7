"""The transposed convolution as PyTorch itself runs it: the peer, and the way out where the native core has none."""

from __future__ import annotations

from typing import Any

from .problem import Problem


def aten_conv_transpose(
    x: Any, weight: Any, bias: Any, p: Problem, activation: str = "none", slope: float = 0.01
) -> Any:
    """activation(F.conv_transposeNd(x, weight, bias)) of a batched tensor, differentiable as PyTorch's is.

    Nothing happens in place, so that autograd, vmap and tracing see pure functions.
    """
    import torch.nn.functional as F

    run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[p.rank - 1]
    y = run(x, weight, bias, p.stride, p.padding, p.output_padding, p.groups, p.dilation)
    return aten_activation(y, activation, slope)


def aten_activation(y: Any, name: str, slope: float) -> Any:
    """A named activation of a tensor, out of place."""
    import torch
    import torch.nn.functional as F

    if name == "none":
        return y
    if name == "leaky_relu":
        return F.leaky_relu(y, slope)
    return {"relu": torch.relu, "silu": F.silu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}[name](y)
