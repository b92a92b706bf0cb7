"""The decoder of a small GAN: a code of 16 numbers to a face of 32×32 pixels, through three doublings.

Adversarial training takes longer than a reader waits, so the decoder learns by itself: each face has a code of its own,
and codes and weights together minimise the squared error (generative latent optimisation: Bojanowski et al., Optimizing
the latent space of generative networks, ICML 2018). Layers, initialisation and artifacts are those of a DCGAN.
"""

from __future__ import annotations

from collections.abc import Mapping
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

CODE, WIDTH, SIDE = 16, 16, 32


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

    layers: list[nn.Module] = [nn.Linear(CODE, WIDTH * (SIDE >> doublings) ** 2)]
    layers.append(nn.Unflatten(1, (WIDTH, SIDE >> doublings, SIDE >> doublings)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers[0].reset_parameters()  # type: ignore[operator]
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
    """The pictures of a decoder after `steps` steps of training on the faces, the same for the same arguments."""
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
    with torch.no_grad():
        pictures = module(codes)[:, 0].double().numpy()
    return Decoded(pictures, module.eval(), codes[:1].detach(), tuple(losses))
