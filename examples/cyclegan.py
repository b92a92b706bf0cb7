"""CycleGAN's generator for 256×256 images: two k3 s2 upsampling layers with output padding.

Source: J.-Y. Zhu, T. Park, P. Isola, A. Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks", ICCV 2017, appendix 7.2: c7s1-64, d128, d256, R256 × 9, u128, u64, c7s1-3.
The residual network inside is J. Johnson, A. Alahi, L. Fei-Fei, ECCV 2016.

What to expect: 3 mod 2 ≠ 0, so each `u` layer covers its outputs 1 and 2 taps a side in turn, 1, 2, 2, 4 in the
plane; the second stacks its unevenness on the first. The shift of −½ on each is what the k3 s2 p1 encoder undoes.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two reflect-padded 3×3 convolutions around an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W)."""
        return cast("Tensor", x + self.body(x))


class Generator(nn.Module):
    """c7s1-f, d2f, d4f, R4f × blocks, u2f, uf, c7s1-out."""

    def __init__(self, in_channels: int, out_channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(in_channels, width, 7),
            nn.InstanceNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.down = nn.Sequential(*(self._down(width * f) for f in (1, 2)))
        self.blocks = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(blocks)))
        self.up = nn.Sequential(*(self._up(width * f) for f in (4, 2)))
        self.head = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, out_channels, 7), nn.Tanh())

    @staticmethod
    def _down(channels: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            nn.InstanceNorm2d(2 * channels),
            nn.ReLU(inplace=True),
        )

    @staticmethod
    def _up(channels: int) -> nn.Module:
        return nn.Sequential(
            nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1),
            nn.InstanceNorm2d(channels // 2),
            nn.ReLU(inplace=True),
        )

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, 3, H, W); H and W multiples of 4."""
        return cast("Tensor", self.head(self.up(self.blocks(self.down(self.stem(image))))))


def cyclegan(width: int = 64, blocks: int = 9) -> nn.Module:
    """The generator of the paper at 256×256: 11.4 million parameters."""
    return Generator(3, 3, width, blocks)
