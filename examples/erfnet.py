"""ERFNet: a real-time segmentation network whose decoder uses k3 s2 p1 o1, and ends in k2 s2.

Source: E. Romera, J. M. Álvarez, L. M. Bergasa, R. Arroyo, "ERFNet: Efficient Residual Factorized ConvNet for Real-Time
Semantic Segmentation", IEEE Transactions on Intelligent Transportation Systems 19(1), 2018: downsamplers to 16, 64 and
128 channels, non-bottleneck-1D blocks (5 at 64; twice dilations 2, 4, 8, 16 at 128; 2 at 64; 2 at 16), upsamplers to
64, 16 and the classes.

What to expect: the two k3 s2 layers are uneven, and the second stacks on the first. A downsampler concatenates a k3 s2
p1 convolution with a 2×2 max pool: two grids, half a pixel apart, in one tensor.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Downsampler(nn.Module):
    """A strided 3×3 convolution and a 2×2 max pool, side by side."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out - c_in, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) → (N, C_out, H/2, W/2)."""
        return F.relu(self.norm(torch.cat([self.conv(x), self.pool(x)], dim=1)))


class NonBottleneck1D(nn.Module):
    """3×1 and 1×3 convolutions, twice, the second pair dilated, around an identity."""

    def __init__(self, channels: int, dilation: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        d = dilation
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, (3, 1), padding=(1, 0)),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, (1, 3), padding=(0, 1)),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, (3, 1), padding=(d, 0), dilation=(d, 1)),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, (1, 3), padding=(0, d), dilation=(1, d)),
            nn.BatchNorm2d(channels),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W)."""
        return F.relu(x + self.body(x))


class Upsampler(nn.Module):
    """k3 s2 p1 o1, normalisation, ReLU."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=1)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) → (N, C_out, 2·H, 2·W)."""
        return F.relu(self.norm(self.conv(x)))


def erfnet(classes: int = 20) -> nn.Module:
    """The network of the paper for Cityscapes' classes: 2.06 million parameters."""
    return nn.Sequential(
        Downsampler(3, 16),
        Downsampler(16, 64),
        *(NonBottleneck1D(64, 1, 0.03) for _ in range(5)),
        Downsampler(64, 128),
        *(NonBottleneck1D(128, d, 0.3) for d in (2, 4, 8, 16) * 2),
        Upsampler(128, 64),
        *(NonBottleneck1D(64) for _ in range(2)),
        Upsampler(64, 16),
        *(NonBottleneck1D(16) for _ in range(2)),
        nn.ConvTranspose2d(16, classes, 2, stride=2),
    )
