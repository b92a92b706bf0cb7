"""Three small networks whose upsamplers are the remedy, and which are otherwise the same, number by number.

    super-resolution   conv5 1→24, 3 × conv3 24→24, beside the input     up 25→1                     ×2
    autoencoder        conv4 s2 1→16→32→48, conv3 48→16, conv3 16→48    up 48→32, up 32→16, up 16→1   ÷8, ×8
    generator          noise of 16 channels, conv3 16→48              up 48→32, up 32→16, up 16→1   ×8

ReLU between, and batch normalisation in the generator, whose output goes through a sigmoid. All are fully
convolutional: they are trained on patches and measured on whole pictures. Pictures are in [0, 1].
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .remedy import Follows, Remedy

TaskName = Literal["super-resolution", "autoencoder", "generator"]

NOISE = 16
"""Channels of the generator's input."""


class SuperResolution(nn.Module):
    """(N, 1, H, W) → (N, 1, 2H, 2W); the upsampler makes the output, as in FSRCNN and ESPCN. It reads the features and
    the picture itself, so that it need not relearn the picture from features."""

    def __init__(self, remedy: Remedy, seed: int, width: int = 24) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Conv2d(1, width, 5, padding=2), nn.ReLU(inplace=True))
        for _ in range(3):
            self.body.extend([nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True)])
        _start(self.body)
        self.ups = _ups(remedy, seed, ((width + 1, 1),))

    def forward(self, x: Tensor) -> Tensor:
        """The larger picture."""
        x = x - 0.5
        return _through(self.ups, torch.cat([self.body(x), x], 1)) + 0.5


class Autoencoder(nn.Module):
    """(N, 1, 8H, 8W) → the same, through 16 channels of H×W: a quarter of the numbers."""

    def __init__(self, remedy: Remedy, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(inplace=True),
            nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(inplace=True),
            nn.Conv2d(32, 48, 4, 2, 1), nn.ReLU(inplace=True),
            nn.Conv2d(48, NOISE, 3, padding=1),
        )  # fmt: skip
        self.body = nn.Sequential(nn.Conv2d(NOISE, 48, 3, padding=1), nn.ReLU(inplace=True))
        _start(self.encoder)
        _start(self.body)
        self.ups = _ups(remedy, seed, STAGES)

    def forward(self, x: Tensor) -> Tensor:
        """The picture, coded and decoded."""
        return _through(self.ups, self.body(self.encoder(x - 0.5))) + 0.5


class Generator(nn.Module):
    """(N, 16, H, W) of noise → (N, 1, 8H, 8W): DCGAN's decoder, with a map of noise so that it makes any size."""

    def __init__(self, remedy: Remedy, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Conv2d(NOISE, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(inplace=True))
        _start(self.body)
        self.ups = _ups(remedy, seed, STAGES, norm=True)

    def forward(self, z: Tensor) -> Tensor:
        """A picture."""
        return torch.sigmoid(_through(self.ups, self.body(z)))


class Discriminator(nn.Module):
    """(N, 1, H, W) → (N, 1, H/8, W/8): a verdict for each part of the picture. Spectrally normalised (Miyato et al.,
    2018); kernels of 4 and a stride of 2, so that its own gradients are evenly covered."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for c_in, c_out in ((1, 16), (16, 32), (32, 64)):
            layers += [spectral_norm(nn.Conv2d(c_in, c_out, 4, 2, 1)), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(64, 1, 3, padding=1)))

    def forward(self, x: Tensor) -> Tensor:
        """Verdicts, the greater the more real."""
        y: Tensor = self.layers(2 * x - 1)
        return y


STAGES = ((48, 32), (32, 16), (16, 1))
"""Channels in and out of the three upsamplers."""

NETWORKS: dict[TaskName, type[SuperResolution] | type[Autoencoder] | type[Generator]] = {
    "super-resolution": SuperResolution,
    "autoencoder": Autoencoder,
    "generator": Generator,
}


def upsamplers(network: nn.Module) -> list[nn.Module]:
    """The layers under test, in the order in which they run."""
    ups = network.ups
    assert isinstance(ups, nn.ModuleList)
    return [stage[0] for stage in ups]  # type: ignore[index]


def _start(layers: nn.Sequential) -> None:
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


def _ups(remedy: Remedy, seed: int, channels: tuple[tuple[int, int], ...], norm: bool = False) -> nn.ModuleList:
    """A stage for each pair of channels; the draws of one stage do not move those of the next."""
    stages = nn.ModuleList()
    for i, (c_in, c_out) in enumerate(channels):
        torch.manual_seed(1000 * (i + 1) + seed)
        last = i == len(channels) - 1
        follows: Follows = "linear" if last else "relu"
        stage = [remedy.make(c_in, c_out, follows)]
        if not last:
            stage += [*([nn.BatchNorm2d(c_out)] if norm else []), nn.ReLU(inplace=True)]
        stages.append(nn.Sequential(*stage))
    return stages


def _through(stages: nn.ModuleList, x: Tensor) -> Tensor:
    for stage in stages:
        x = stage(x)
    return x
