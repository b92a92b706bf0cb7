"""The remedies: what takes (N, C_in, H, W) to (N, C_out, 2H, 2W), how it starts, and what it adds to the loss.

Weights of all start from He's normal draw with the number of products that an output sums, so that no remedy starts
louder than another, and biases from 0; what differs is the structure, and what a remedy says about its start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

import upweave.nn as un

Follows = Literal["relu", "linear"]
"""What is behind the layer: it decides the variance of the draw."""


@dataclass(frozen=True)
class Remedy:
    """One way to upsample by 2.

    Attributes:
        name: as in tables and results.
        about: in words.
        form: what is left of it in inference; remedies of one form take the same time.
        build: the layer, from C_in and C_out.
        start: draws its weights anew.
        equal: whether its gains are kept equal (`upweave.nn.equal_phase_gain`), from the start on.
        penalised: whether the loss has `upweave.nn.phase_gain_variance` added, with the weight of `training.PENALTY`.
    """

    name: str
    about: str
    form: str
    build: Callable[[int, int], nn.Module]
    start: Callable[[nn.Module, Follows], None]
    equal: bool = False
    penalised: bool = False

    def make(self, c_in: int, c_out: int, follows: Follows) -> nn.Module:
        """The layer, freshly drawn from torch's generator."""
        layer = self.build(c_in, c_out)
        with torch.no_grad():
            assert isinstance(layer.bias, Tensor)
            layer.bias.zero_()
            self.start(layer, follows)
        return un.equal_phase_gain(layer) if self.equal else layer


def transposed(kernel: int) -> Callable[[int, int], nn.Module]:
    """A transposed convolution of stride 2 that doubles the size: k3 p1 o1, or k4 p1."""
    return lambda c_in, c_out: nn.ConvTranspose2d(c_in, c_out, kernel, 2, 1, output_padding=kernel % 2)


def _he(layer: nn.Module, follows: Follows) -> None:
    un.he_normal_(layer, nonlinearity=follows)


def _he_resize(layer: nn.Module, follows: Follows) -> None:
    assert isinstance(layer.weight, Tensor)
    nn.init.kaiming_normal_(layer.weight, nonlinearity=follows)


def _tied(layer: nn.Module, follows: Follows) -> None:
    un.icnr_(layer, lambda kernel: nn.init.kaiming_normal_(kernel, nonlinearity=follows))


def _wide(c_in: int, c_out: int) -> nn.Module:
    """k4 p1, built without moving torch's generator, so that what `_widened` draws is what k3s2 draws."""
    with torch.random.fork_rng(devices=[]):
        return transposed(4)(c_in, c_out)


def _widened(layer: nn.Module, follows: Follows) -> None:
    """k3 p1 o1 with a tap of zeros behind it on each axis, which is k4 p1."""
    assert isinstance(layer, nn.ConvTranspose2d)
    narrow = transposed(3)(layer.in_channels, layer.out_channels)
    _he(narrow, follows)
    assert isinstance(narrow.weight, Tensor)
    layer.weight.zero_()
    layer.weight[..., :3, :3] = narrow.weight


def _shuffle(c_in: int, c_out: int) -> nn.Module:
    return un.SubPixelConv2d(c_in, c_out, 3, 2)


REMEDIES = {
    r.name: r
    for r in (
        Remedy("k3s2", "transposed convolution, kernel 3, stride 2: uneven coverage", "k3s2", transposed(3), _he),
        Remedy("k4s2", "transposed convolution, kernel 4, stride 2: even coverage", "k4s2", transposed(4), _he),
        Remedy("k3s2-widened", "k3s2 with a row and a column of zeros more, free to train", "k4s2", _wide,
               _widened),
        Remedy("k3s2-equal", "k3s2 under `EqualPhaseGain`", "k3s2", transposed(3), _he, equal=True),
        Remedy("k4s2-equal", "k4s2 under `EqualPhaseGain`", "k4s2", transposed(4), _he, equal=True),
        Remedy("k4s2-penalty", "k4s2 with `phase_gain_variance` in the loss", "k4s2", transposed(4), _he,
               penalised=True),
        Remedy("shuffle", "3×3 convolution and pixel shuffle, phases drawn apart", "shuffle", _shuffle, _he),
        Remedy("shuffle-icnr", "the same, started with one filter for all phases (ICNR)", "shuffle", _shuffle, _tied),
        Remedy("shuffle-equal", "the same, drawn apart, under `EqualPhaseGain`", "shuffle", _shuffle, _he, equal=True),
        Remedy("nearest-conv", "nearest resize, 3×3 convolution", "nearest-conv",
               lambda c_in, c_out: un.ResizeConv2d(c_in, c_out, 3, 2), _he_resize),
        Remedy("bilinear-conv", "bilinear resize, 3×3 convolution", "bilinear-conv",
               lambda c_in, c_out: un.ResizeConv2d(c_in, c_out, 3, 2, mode="linear"), _he_resize),
    )
}  # fmt: skip
"""In the order of the tables."""

BASELINE = "k4s2"
"""What the others are compared with."""
