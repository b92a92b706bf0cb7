"""DBPN's back-projection at ×8: up, down, up again, with k12 s8 p2.

Source: M. Haris, G. Shakhnarovich, N. Ukita, "Deep Back-Projection Networks for Super-Resolution", CVPR 2018:
kernel 6, stride 2, padding 2 for ×2, kernel 8, stride 4, padding 2 for ×4, kernel 12, stride 8, padding 2 for ×8.
The defaults here are its two-stage network S: 128 features, 32 channels.

What to expect: ×2 and ×4 are even. At ×8, 12 mod 8 = 4: half the outputs get two taps, the other half one. Every layer
is centred, and the strided convolutions between have the same uneven coverage in their gradients.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

KERNELS = {2: (6, 2), 4: (8, 2), 8: (12, 2)}


def up(channels: int, scale: int) -> nn.Module:
    """A transposed convolution with the paper's kernel and padding for `scale`, and PReLU."""
    k, p = KERNELS[scale]
    return nn.Sequential(nn.ConvTranspose2d(channels, channels, k, stride=scale, padding=p), nn.PReLU())


def down(channels: int, scale: int) -> nn.Module:
    """The strided convolution that is `up`'s adjoint in shape, and PReLU."""
    k, p = KERNELS[scale]
    return nn.Sequential(nn.Conv2d(channels, channels, k, stride=scale, padding=p), nn.PReLU())


class UpProjection(nn.Module):
    """Up, back down, and the error up again: h₀ + up(down(h₀) − x)."""

    def __init__(self, channels: int, scale: int, inputs: int) -> None:
        super().__init__()
        self.gather = nn.Sequential(nn.Conv2d(inputs * channels, channels, 1), nn.PReLU()) if inputs > 1 else None
        self.first, self.back, self.error = up(channels, scale), down(channels, scale), up(channels, scale)

    def forward(self, low: Tensor) -> Tensor:
        """(N, inputs·C, H, W) → (N, C, s·H, s·W)."""
        x = low if self.gather is None else self.gather(low)
        high = self.first(x)
        return cast("Tensor", high + self.error(self.back(high) - x))


class DownProjection(nn.Module):
    """Down, back up, and the error down again."""

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.first, self.back, self.error = down(channels, scale), up(channels, scale), down(channels, scale)

    def forward(self, high: Tensor) -> Tensor:
        """(N, C, s·H, s·W) → (N, C, H, W)."""
        low = self.first(high)
        return cast("Tensor", low + self.error(self.back(low) - high))


class DBPN(nn.Module):
    """`stages` up-projections with down-projections between; every high-resolution map goes to the last layer."""

    def __init__(self, scale: int, features: int, channels: int, stages: int) -> None:
        super().__init__()
        self.extract = nn.Sequential(
            nn.Conv2d(3, features, 3, padding=1), nn.PReLU(), nn.Conv2d(features, channels, 1), nn.PReLU()
        )
        self.up = nn.ModuleList(UpProjection(channels, scale, max(1, i)) for i in range(stages))
        self.down = nn.ModuleList(DownProjection(channels, scale) for _ in range(stages - 1))
        self.head = nn.Conv2d(stages * channels, 3, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, 3, scale·H, scale·W)."""
        low, lows, highs = self.extract(image), [], []
        for i, project in enumerate(self.up):
            highs.append(project(torch.cat(lows, dim=1) if lows else low))
            if i < len(self.down):
                lows.append(self.down[i](highs[-1]))
        return cast("Tensor", self.head(torch.cat(highs, dim=1)))


def dbpn(scale: int = 8, features: int = 128, channels: int = 32, stages: int = 2) -> nn.Module:
    """The paper's two-stage network S at ×8: 1.34 million parameters."""
    return DBPN(scale, features, channels, stages)
