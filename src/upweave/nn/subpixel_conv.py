"""Convolve to ∏s times the channels, then weave them into the grid: the sub-pixel convolution, centred."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SpecError
from ..spec import ConvPixelShuffle, Ints
from .centred import CentredConv
from .init import icnr_


class SubPixelConv(CentredConv):
    """A convolution to C_out·∏s channels, then a pixel shuffle by `stride`: (N, C_in, H…) to (N, C_out, s·H…), centred.

    In the plane the same as a `nn.Conv2d` with padding d(k−1)/2 and a `nn.PixelShuffle`, parameters included; here in
    one and three axes too, and with a stride an axis. Channel c·∏s + r of the convolution is phase r of channel c.

    Args:
        in_channels, out_channels: C_in, and C_out behind the shuffle.
        kernel_size: of the convolution; odd (or with an even dilation), so that the layer is centred.
        stride: the factor of the shuffle, a number or one an axis.
        dilation, groups, bias: of the convolution; the groups must divide C_out.
        padding_mode: how the convolution extends the input: "zeros", "reflect", "replicate" or "circular".

    Weight (C_out·∏s, C_in/g, k…), bias (C_out·∏s,). Both start with equal phases (ICNR), so that the layer starts as a
    convolution and a nearest resize; `equal_phase_gain(layer)` keeps them equal for constants. Inputs may come without
    a batch. Raises `SpecError` for numbers or shapes that do not fit. Source: Shi et al., Real-time single image and
    video super-resolution using an efficient sub-pixel convolutional neural network, CVPR 2016; `icnr_`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 2,
        *,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, dilation, groups, bias, padding_mode, device, dtype
        )

    @property
    def spec(self) -> ConvPixelShuffle:
        """The layer's numbers. A spec pads with zeros, so that for another `padding_mode` it holds in the interior."""
        return ConvPixelShuffle(self.kernel_size, self.stride, self._padding, self.dilation, self.groups)

    def reset_parameters(self) -> None:
        """Draw one kernel and one bias a channel as PyTorch does for a convolution, and give them to all its phases."""
        icnr_(self, lambda kernel: nn.init.kaiming_uniform_(kernel, a=math.sqrt(5)))
        self._draw_bias(math.prod(self.stride))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H…) or (C_in, H…) to the same with C_out channels and s·H samples."""
        x, batched = self._batched(x)
        y = pixel_shuffle(self._convolve(x), self.stride)
        return y if batched else y[0]

    def _rows(self) -> int:
        if self.out_channels % self.groups:
            raise SpecError(f"out_channels {self.out_channels} does not split into {self.groups} groups")
        return self.out_channels * math.prod(self.stride)


class SubPixelConv1d(SubPixelConv):
    """`SubPixelConv` on (N, C, L)."""

    rank = 1


class SubPixelConv2d(SubPixelConv):
    """`SubPixelConv` on (N, C, H, W)."""

    rank = 2


class SubPixelConv3d(SubPixelConv):
    """`SubPixelConv` on (N, C, D, H, W)."""

    rank = 3


def pixel_shuffle(x: Tensor, stride: tuple[int, ...]) -> Tensor:
    """(N, C·∏s, H…) to (N, C, s·H…) in any number of axes: channel c·∏s + r is phase r of channel c, row-major."""
    d = len(stride)
    if d == 2 and stride[0] == stride[1]:
        return F.pixel_shuffle(x, stride[0])  # the operator that exporters and other tools know
    size = x.shape[2:]
    apart = x.reshape(x.shape[0], x.shape[1] // math.prod(stride), *stride, *size)
    order = (0, 1, *(a for i in range(d) for a in (2 + d + i, 2 + i)))
    return apart.permute(order).reshape(*apart.shape[:2], *(n * s for n, s in zip(size, stride, strict=True)))
