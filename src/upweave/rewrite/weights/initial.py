"""Fresh weights with the fans that an upsampling layer really has."""

from __future__ import annotations

import math

import numpy as np

from ...bank import Array
from ...spec import ConvPixelShuffle, ConvTranspose, ResizeConv
from ...theory.fans import fans


def he_transposed(spec: ConvTranspose, in_channels: int, out_channels: int, seed: int) -> Array:
    """Normal weights (C_in, C_out/g, k…) of variance 2/fan-in, with fan-in (C_in/g)·∏k/s."""
    fan_in, _ = fans(spec, in_channels, out_channels)
    shape = (in_channels, out_channels // spec.groups, *(a.kernel for a in spec.per_axis()))
    return np.random.default_rng(seed).standard_normal(shape) * math.sqrt(2 / fan_in)


def icnr(spec: ConvPixelShuffle, in_channels: int, out_channels: int, seed: int) -> Array:
    """Weights (C_out·∏s, C_in/g, k…) whose phases all begin alike: a nearest resize behind a He-normal convolution.

    `out_channels` counts after the shuffle. Source: Aitken et al.: Checkerboard artifact free sub-pixel convolution,
    2017.
    """
    axes = spec.per_axis()
    kernel = tuple(a.kernel for a in axes)
    fan_in, _ = fans(ResizeConv(kernel, tuple(a.stride for a in axes), groups=spec.groups), in_channels, out_channels)
    shape = (out_channels, in_channels // spec.groups, *kernel)
    base = np.random.default_rng(seed).standard_normal(shape) * math.sqrt(2 / fan_in)
    return np.repeat(base, math.prod(a.stride for a in axes), axis=0)
