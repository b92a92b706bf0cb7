"""HiFi-GAN V1: a vocoder that upsamples a mel spectrogram 256 times, with k = 2s everywhere.

Source: J. Kong, J. Kim, J. Bae, "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech
Synthesis", NeurIPS 2020, table 5, V1: h_u = 512, k_u = [16, 16, 4, 4] with strides k_u / 2 = [8, 8, 2, 2],
k_r = [3, 7, 11], D_r = [[1, 1], [3, 1], [5, 1]] × 3. Padding (k − s)/2 is that of the published code.

What to expect: s divides k and p = (k − s)/2, so every layer is even in coverage and centred. Even coverage does not
make gains equal: whether the phases of trained weights agree is a question to the weights.
"""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

SLOPE = 0.1


def conv(c_in: int, c_out: int, kernel: int, dilation: int = 1) -> nn.Module:
    """A weight-normalised convolution that keeps the length."""
    layer = nn.Conv1d(c_in, c_out, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)
    return cast("nn.Module", weight_norm(layer))


class ResidualBlock(nn.Module):
    """Pairs of a dilated and a plain convolution, each pair around an identity."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(conv(channels, channels, kernel, d) for d in dilations)
        self.plain = nn.ModuleList(conv(channels, channels, kernel) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T) → (N, C, T)."""
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, SLOPE)), SLOPE))
        return x


class ReceptiveFieldFusion(nn.Module):
    """The mean of residual blocks with different kernels (MRF in the paper)."""

    def __init__(self, channels: int, kernels: tuple[int, ...], dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(channels, k, dilations) for k in kernels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T) → (N, C, T)."""
        return cast("Tensor", sum(block(x) for block in self.blocks) / len(self.blocks))


class Generator(nn.Module):
    """Mel spectrogram in, waveform out."""

    def __init__(self, mels: int, width: int, up: tuple[tuple[int, int], ...], kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = conv(mels, width, 7)
        self.up = nn.ModuleList(
            weight_norm(nn.ConvTranspose1d(width >> i, width >> (i + 1), k, stride=s, padding=(k - s) // 2))
            for i, (k, s) in enumerate(up)
        )
        self.fuse = nn.ModuleList(ReceptiveFieldFusion(width >> (i + 1), kernels, (1, 3, 5)) for i in range(len(up)))
        self.head = conv(width >> len(up), 1, 7)

    def forward(self, mel: Tensor) -> Tensor:
        """(N, mels, T) → (N, 1, 256·T)."""
        x = self.stem(mel)
        for up, fuse in zip(self.up, self.fuse, strict=True):
            x = fuse(up(F.leaky_relu(x, SLOPE)))
        return cast("Tensor", self.head(F.leaky_relu(x)).tanh())  # the default slope 0.01, as published


def hifigan(mels: int = 80, width: int = 512) -> nn.Module:
    """V1 of the paper: 13.93 million parameters, not counting the gains that weight normalisation adds."""
    return Generator(mels, width, up=((16, 8), (16, 8), (4, 2), (4, 2)), kernels=(3, 7, 11))
