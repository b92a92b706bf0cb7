"""DCGAN's generator: 100 numbers to a 64×64 picture through k4 s2 p1 layers.

Source: A. Radford, L. Metz, S. Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", ICLR 2016, figure 1 (1024, 512, 256, 128 channels). Kernels of 4 with padding 1 are those of the
authors' Torch code and of the ports that followed; the figure draws 5×5.

What to expect: k4 s2 p1 is even (two taps a side for every output) and centred. The projection k4 s1 p0 of a 1×1 input
is a matrix, no upsampling.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn


class Generator(nn.Module):
    """Projection to 4×4, then four doublings."""

    def __init__(self, latent: int, width: int, channels: int) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.ConvTranspose2d(latent, 8 * width, 4, bias=False), nn.BatchNorm2d(8 * width), nn.ReLU(inplace=True)
        )
        self.up = nn.Sequential(
            *(
                nn.Sequential(
                    nn.ConvTranspose2d(f * width, f * width // 2, 4, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(f * width // 2),
                    nn.ReLU(inplace=True),
                )
                for f in (8, 4, 2)
            )
        )
        self.head = nn.Sequential(nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1, bias=False), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        """(N, latent, 1, 1) → (N, channels, 64, 64)."""
        return cast("Tensor", self.head(self.up(self.project(z))))


def dcgan(latent: int = 100, width: int = 128, channels: int = 3) -> nn.Module:
    """The generator of figure 1: 12.7 million parameters."""
    return Generator(latent, width, channels)
