"""Transposed convolution to convolution + pixel shuffle + crop, and back.

A transposed convolution without padding is ⌈k/s⌉ taps a phase on the input padded by ⌈k/s⌉ − 1; its own padding is a
crop. What the crop takes in whole strides is left out of the convolution's padding, the rest is cropped behind:

    k4 s2 p1   =   conv k2, padding 1   →   shuffle ×2   →   crop 1 and 1        (16 multiplications an input)
               =   conv k3, padding 1   →   shuffle ×2                          (36, most of the taps zero)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...bank import Array
from ...boundary import Boundary
from ...convert import boundary, phase_bank, to_conv_pixel_shuffle, to_conv_transpose
from ...errors import NotRepresentable
from ...shapes import channels_of
from ...spec import ConvPixelShuffle, ConvTranspose

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Shuffled:
    """A convolution with a pixel shuffle, and the samples to crop behind it on each axis (begin, end)."""

    spec: ConvPixelShuffle
    weight: Array
    bias: Array | None
    crop: tuple[Pair, ...]

    @property
    def is_cropped(self) -> bool:
        """True if anything is left to crop."""
        return any(b or e for b, e in self.crop)


def transposed_to_shuffle(spec: ConvTranspose, weight: Any, bias: Any = None, *, crop: bool = True) -> Shuffled:
    """The convolution, pixel shuffle and crop that equal a transposed convolution.

    Args:
        spec: any kernel, stride, padding, output padding, dilation and groups.
        weight: (C_in, C_out/g, k…).
        bias: (C_out,).
        crop: with a crop, ∏(s·⌈k/s⌉/k) times the multiplications; without one, the kernel spans what all phases reach.

    Raises `NotRepresentable` where the output ends inside a stride and `crop` is False. The weight keeps its dtype.
    Source: the article, sub-pixel convolution.
    """
    w = np.asarray(weight)
    rank = w.ndim - 2
    axes = spec.per_axis(rank)
    wanted = boundary(spec, rank)
    begins: list[int] = []
    edges: list[Boundary] = []
    crops: list[Pair] = []
    for a, edge in zip(axes, wanted, strict=True):
        cut = a.begin % a.stride if crop else 0
        whole = -(-(edge.excess + cut) // a.stride) * a.stride if crop else edge.excess
        begins.append(a.begin - cut)
        edges.append(replace(edge, excess=whole))
        crops.append((cut, whole - cut - edge.excess))
    inner = replace(
        spec,
        kernel=tuple(a.kernel for a in axes),
        stride=tuple(a.stride for a in axes),
        padding=tuple((b, 0) for b in begins),
        output_padding=(0,) * rank,
        dilation=tuple(a.dilation for a in axes),
    )
    shuffled, weights, biases = to_conv_pixel_shuffle(phase_bank(inner, w, bias, rank=rank), edges)
    return Shuffled(shuffled, weights.astype(w.dtype), biases, tuple(crops))


def transposed_to_shuffle_spec(spec: ConvTranspose, rank: int, *, crop: bool = True) -> ConvPixelShuffle:
    """The spec alone, which needs no weights."""
    g = spec.groups
    return transposed_to_shuffle(spec, np.ones((g, 1, *(a.kernel for a in spec.per_axis(rank)))), crop=crop).spec


def shuffle_to_transposed(
    spec: ConvPixelShuffle, weight: Any, bias: Any = None
) -> tuple[ConvTranspose, Array, Array | None]:
    """The transposed convolution that equals a convolution with a pixel shuffle: (spec, weight, bias).

    Raises `NotRepresentable` where the phases of one output channel have different biases, or a group of the
    convolution ends inside an output channel.
    """
    w = np.asarray(weight)
    rank = w.ndim - 2
    phases = int(np.prod([a.stride for a in spec.per_axis(rank)]))
    if (w.shape[0] // phases) % spec.groups:
        raise NotRepresentable(
            f"the {spec.groups} groups of the convolution do not divide the {w.shape[0] // phases} output channels"
        )
    bank = phase_bank(spec, w, bias, rank=rank)
    transposed, weights, biases = to_conv_transpose(bank, boundary(spec, rank))
    return transposed, weights.astype(w.dtype), biases


def channel_order(c_out: int, phases: int) -> Array:
    """Where channel c·∏s + r of PyTorch's order ("CRD") is found in ONNX's default order ("DCR"), r·C + c."""
    return np.arange(c_out * phases).reshape(phases, c_out).T.reshape(-1)


def out_channels(spec: ConvTranspose, weight: Any) -> int:
    """C_out of a transposed convolution's weight."""
    w = np.asarray(weight)
    return channels_of(spec, w, w.ndim - 2)[1]
