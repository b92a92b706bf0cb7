"""A U-Net with padded convolutions: the upsampler that makes no checkerboard by structure.

Source: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
MICCAI 2015: 64 to 1024 channels, four 2×2 max pools, four 2×2 "up-convolutions". Convolutions are padded by 1 here,
as in most implementations, so that skips need no crop; the paper's are not padded.

What to expect: k = s covers every output by one tap, and a 2×2 pool and a k2 s2 up-convolution share their centres,
so every skip meets an aligned grid. Sizes must be multiples of 16.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


def double_conv(c_in: int, c_out: int) -> nn.Module:
    """Two padded 3×3 convolutions with ReLU."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(c_out, c_out, 3, padding=1),
        nn.ReLU(inplace=True),
    )


class Up(nn.Module):
    """Up-convolution, concatenation with the skip, double convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, channels // 2, 2, stride=2)
        self.conv = double_conv(channels, channels // 2)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N, C, H, W) and (N, C/2, 2H, 2W) → (N, C/2, 2H, 2W)."""
        return cast("Tensor", self.conv(torch.cat([skip, self.up(x)], dim=1)))


class UNet(nn.Module):
    """`levels` pools down and as many up-convolutions up."""

    def __init__(self, in_channels: int, classes: int, width: int, levels: int) -> None:
        super().__init__()
        self.stem = double_conv(in_channels, width)
        self.down = nn.ModuleList(double_conv(width << i, width << (i + 1)) for i in range(levels))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(Up(width << i) for i in range(levels, 0, -1))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) → (N, classes, H, W); H and W multiples of 2**levels."""
        x = self.stem(image)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(self.pool(x))
        for up in self.up:
            x = up(x, skips.pop())
        return cast("Tensor", self.head(x))


def unet(in_channels: int = 3, classes: int = 2, width: int = 64, levels: int = 4) -> nn.Module:
    """The U-Net of the paper, padded: 31.0 million parameters."""
    return UNet(in_channels, classes, width, levels)
