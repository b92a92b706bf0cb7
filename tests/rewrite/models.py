"""Small models that upsample, each in a way that a rewrite has to get right."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.cyclegan import cyclegan
from examples.dcgan import dcgan
from examples.hifigan import hifigan
from examples.resize_vae import resize_vae
from examples.unet import unet


class Tail(nn.Module):
    """The end of ESRGAN's generator: nearest ×2 and a convolution, twice."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.up1, self.up2 = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        self.act = nn.LeakyReLU(0.2, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.up1(F.interpolate(x, scale_factor=2, mode="nearest")))
        x = self.act(self.up2(F.interpolate(x, scale_factor=2, mode="nearest")))
        return self.last(x)  # type: ignore[no-any-return]


class SkipUNet(nn.Module):
    """A decoder block of a nearest-resize U-Net: resize, concatenate, convolve, normalise."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.down = nn.Conv2d(6, 10, 3, stride=2, padding=1)
        self.conv = nn.Sequential(nn.Conv2d(16, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        skip = self.stem(x)
        y = F.interpolate(self.down(skip), size=skip.shape[2:], mode="nearest")
        return self.conv(torch.cat([y, skip], dim=1))  # type: ignore[no-any-return]


class TinyDecoder(nn.Module):
    """Residual blocks and resizes, as TAESD's decoder has them."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.head = nn.Conv2d(4, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
            for _ in range(2)
        )
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1, bias=False))
            for _ in range(2)
        )
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(x / 3) * 3
        x = F.relu(self.head(x))
        for block, up in zip(self.blocks, self.ups, strict=True):
            x = up(F.relu(block(x) + x))
        return self.last(x)  # type: ignore[no-any-return]


class SharedConvolution(nn.Module):
    """One convolution behind a resize and behind none."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(self.conv(x), scale_factor=2.0)) + self.conv(self.conv(x)).mean()  # type: ignore[no-any-return]


class ReadTwice(nn.Module):
    """A convolution whose output is read by a normalisation and by something else, and a value read after relu."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.out = nn.Conv2d(4, 4, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        z = self.norm(y)
        w = self.norm2(self.out(F.relu(z)))
        return F.interpolate(F.relu(w) + w + y, scale_factor=2)


class Branching(nn.Module):
    """Control flow that depends on the input's size: what was seen on one size says nothing of the other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(F.interpolate(x, scale_factor=2))
        if x.shape[-1] % 2:
            return F.softmax(y, 1) + y.mean()
        return F.relu(self.norm(y), inplace=True)


class InPlace(nn.Module):
    """The tensor that was resized is changed before the resized one is read, in one branch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0
        y = F.interpolate(x, scale_factor=2)
        if x.shape[-1] % 2:
            x.add_(1)
        return self.conv(y) + x.sum()  # type: ignore[no-any-return]


Built = tuple[Callable[[], nn.Module], Callable[[], Tensor]]

MODELS: dict[str, Built] = {
    "dcgan": (lambda: dcgan(8, 4, 3), lambda: torch.randn(2, 8, 1, 1)),
    "cyclegan": (lambda: cyclegan(4, 2), lambda: torch.randn(1, 3, 24, 24)),
    "unet": (lambda: unet(3, 2, 4, 2), lambda: torch.randn(1, 3, 24, 16)),
    "hifigan": (lambda: hifigan(width=16), lambda: torch.randn(1, 80, 9)),
    "vae": (lambda: resize_vae(width=32, multipliers=(1, 2)), lambda: torch.randn(1, 4, 8, 9)),
    "tail": (Tail, lambda: torch.randn(1, 8, 9, 8)),
    "skips": (SkipUNet, lambda: torch.randn(2, 3, 16, 12)),
    "tiny": (TinyDecoder, lambda: torch.randn(1, 4, 6, 7)),
    "shared": (SharedConvolution, lambda: torch.randn(1, 4, 6, 7)),
    "read twice": (ReadTwice, lambda: torch.randn(2, 3, 6, 7)),
    "branching": (Branching, lambda: torch.randn(1, 3, 8, 8)),
}


def made(name: str) -> tuple[nn.Module, Tensor]:
    """(the model in eval mode with statistics that are not the initial ones, an input)."""
    torch.manual_seed(0)
    build, inputs = MODELS[name]
    model = build().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return model, inputs()
