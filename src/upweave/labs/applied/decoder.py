"""The decoder of a small GAN: a code of 16 numbers to a face of 32×32 pixels, through three doublings.

It has two teachers, which differ in what they say of a picture:

    squared      each face has a code of its own, and codes and weights together minimise the squared error (generative
                 latent optimisation: Bojanowski et al., Optimizing the latent space of generative networks, ICML 2018)
    adversary    a small discriminator learns to tell faces from pictures of random codes, and the decoder to be taken
                 for a face (hinge loss: Lim and Ye, Geometric GAN, 2017; spectral normalisation: Miyato et al., 2018)

Layers, initialisation and artifacts are those of a DCGAN. The second teacher's pictures stay rough: a GAN takes more
steps than a reader waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import nn as unn
from ...artifacts import score
from ...ops.conv_transpose import conv_transpose
from ...spec import ConvTranspose, ResizeConv
from ...theory.gain import gain_imbalance
from ..text import Text
from .data import faces

Array = npt.NDArray[np.float64]

CODE, WIDTH, SIDE, BATCH = 16, 16, 32, 16


@dataclass(frozen=True)
class Kind:
    """A way to double: what it is called, and its layer as a spec (that which a resize and convolution folds to)."""

    title: Text
    spec: ConvTranspose


KINDS: Mapping[str, Kind] = {
    "k3": Kind(Text("k3 s2 p1 o1", "k3 s2 p1 o1"), ConvTranspose(3, 2, 1, 1)),
    "k4": Kind(Text("k4 s2 p1 (DCGAN's)", "k4 s2 p1（DCGAN 所用）"), ConvTranspose(4, 2, 1)),
    "k5": Kind(Text("k5 s2 p2 o1", "k5 s2 p2 o1"), ConvTranspose(5, 2, 2, 1)),
    "icnr": Kind(Text("k4 s2 p1, all phases start equal", "k4 s2 p1，各相位初值相同"), ConvTranspose(4, 2, 1)),
    "equal": Kind(
        Text("k4 s2 p1, equal gains kept in training", "k4 s2 p1，训练中保持各相位增益相等"), ConvTranspose(4, 2, 1)
    ),
    "resize": Kind(Text("nearest ×2, then a 3×3 convolution", "最近邻 ×2 加 3×3 卷积"), ConvTranspose(4, 2, 1)),
}


def path_counts(kind: str, doublings: int = 3) -> Array:
    """How many paths from the first picture reach a pixel, by its place mod 2^doublings, far from the border."""
    a = KINDS[kind].spec.per_axis(1)[0]
    line = np.ones((1, 1, 16))
    for _ in range(doublings):
        line = conv_transpose(
            line, np.ones((1, 1, int(a.kernel))), stride=2, padding=a.begin, output_padding=int(a.output_padding)
        )
    period = 2**doublings
    inner = np.asarray(line)[0, 0, 8 * period - period : 8 * period]
    return np.outer(inner, inner)


def build(kind: str, seed: int = 0, doublings: int = 3) -> Any:
    """The decoder as a torch module: (N, 16) → (N, 1, 32, 32), with PyTorch's initialisation but where `kind` says."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Linear(CODE, WIDTH * (SIDE >> doublings) ** 2)]
        layers.append(nn.Unflatten(1, (WIDTH, SIDE >> doublings, SIDE >> doublings)))
        for i in range(doublings):
            out = 1 if i == doublings - 1 else WIDTH
            layers += [nn.ReLU(), _double(kind, WIDTH, out)]
        return nn.Sequential(*layers, nn.Sigmoid())


def _double(kind: str, c_in: int, c_out: int) -> Any:
    from torch import nn

    if kind == "resize":
        return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(c_in, c_out, 3, padding=1))
    s = KINDS[kind].spec
    layer = nn.ConvTranspose2d(c_in, c_out, s.kernel, s.stride, s.padding, s.output_padding)  # type: ignore[arg-type]
    if kind == "icnr":
        unn.icnr_(layer)
    if kind == "equal":
        unn.equal_phase_gain(layer)
    return layer


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a decoder makes: pictures (N, 32, 32), the module itself and one code, the loss at each step of training."""

    pictures: Array
    module: Any
    example: Any
    losses: tuple[float, ...]

    @property
    def checkerboard(self) -> tuple[float, float, float]:
        """Share of the variance of all pictures that repeats with period 2, and what noise alone may make of it."""
        found = score(self.pictures, 2)
        return float(found.imbalance), float(found.low), float(found.high)

    @property
    def deviation(self) -> float:
        """The share of the last layer's gains that differs between its phases, signs included: 0 is none, 1 is all."""
        from torch import nn

        last = self.module[-2]
        if isinstance(last, nn.Sequential):  # a resize and a convolution
            plain: Any = last[1]
            return gain_imbalance(ResizeConv(3, 2, 1, mode="nearest"), plain.weight.detach().numpy()).deviation
        spec = ConvTranspose(last.kernel_size, last.stride, last.padding, last.output_padding)
        return gain_imbalance(spec, last.weight.detach().numpy()).deviation


@lru_cache(maxsize=16)
def decoded(kind: str, steps: int, seed: int = 0) -> Decoded:
    """The pictures of a decoder after `steps` steps of squared error, the same for the same arguments."""
    import torch

    target = torch.tensor(faces(SIDE)[:32]).float()[:, None]
    module = build(kind, seed)
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(len(target), CODE, generator=generator).requires_grad_()
    optimiser = torch.optim.Adam([*module.parameters(), codes], lr=1e-2, betas=(0.9, 0.99))
    losses = []
    for _ in range(steps):
        loss = torch.nn.functional.mse_loss(module(codes), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return _decoded(module, codes.detach(), losses)


@lru_cache(maxsize=16)
def contested(kind: str, steps: int, seed: int = 0) -> Decoded:
    """The same after `steps` steps against a discriminator; the losses are the discriminator's.

    Its kernels of 4 and strides of 2 pass their gradients back evenly, so that no pattern is of its making.
    """
    import torch
    from torch.nn.functional import relu

    real = torch.tensor(faces(SIDE)).float()[:, None]
    module, judge = build(kind, seed), _discriminator(seed)
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(32, CODE, generator=generator)
    ours, its = (torch.optim.Adam(m.parameters(), lr=2e-3, betas=(0.5, 0.99)) for m in (module, judge))
    losses = []
    for _ in range(steps):
        some = real[torch.randint(len(real), (BATCH,), generator=generator)]
        mirrored = torch.rand(BATCH, 1, 1, 1, generator=generator) < 0.5
        some = torch.where(mirrored, some.flip(-1), some)
        made = module(torch.randn(BATCH, CODE, generator=generator))
        loss = relu(1 - judge(some)).mean() + relu(1 + judge(made.detach())).mean()
        its.zero_grad()
        loss.backward()
        its.step()
        losses.append(float(loss.detach()))
        ours.zero_grad()
        (-judge(made).mean()).backward()
        ours.step()
    return _decoded(module, codes, losses)


@dataclass(frozen=True)
class Teacher:
    """What a decoder learns from: what it is called, and the decoder by kind, steps and seed."""

    title: Text
    decoded: Callable[[str, int, int], Decoded]


TEACHERS: Mapping[str, Teacher] = {
    "squared": Teacher(Text("squared error", "平方误差"), decoded),
    "adversary": Teacher(Text("a discriminator", "判别器"), contested),
}


def _discriminator(seed: int) -> Any:
    """(N, 1, 32, 32) → (N, 1): three strided convolutions and a linear layer, spectrally normalised."""
    import torch
    from torch import nn
    from torch.nn.utils.parametrizations import spectral_norm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1000)
        layers: list[nn.Module] = []
        for a, b in ((1, 16), (16, 32), (32, 64)):
            layers += [spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        return nn.Sequential(*layers, nn.Flatten(), spectral_norm(nn.Linear(64 * (SIDE // 8) ** 2, 1)))


def _decoded(module: Any, codes: Any, losses: list[float]) -> Decoded:
    import torch

    with torch.no_grad():
        pictures = module(codes)[:, 0].double().numpy()
    return Decoded(pictures, module.eval(), codes[:1], tuple(losses))
