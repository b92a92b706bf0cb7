"""Fan-in and fan-out: how many weights meet in an output, and how many leave an input."""

from __future__ import annotations

import math

from ..errors import SpecError
from ..shapes import groups_of, kernel_of, stride_of
from ..spec import Conv, ConvPixelShuffle, FirUpsample, ResizeConv, Spec


def fans(spec: Spec, in_channels: int, out_channels: int) -> tuple[float, float]:
    """(fan-in, fan-out) for variance-preserving initialisation: weights an output, weights an input, mean over phases.

    ConvTranspose and ZeroInsertConv: fan-in (C_in/g)·∏k/s, fan-out (C_out/g)·∏k: an ordinary convolution's roles
    exchanged and divided by the stride. Conv: fan-in (C_in/g)·∏k, fan-out (C_out/g)·∏k/s. ConvPixelShuffle: fan-in
    (C_in/g)·∏k, fan-out (C_out·∏s/g)·∏k, C_out after the shuffle. ResizeConv: those of its stride-1 convolution.
    `FirUpsample` works channel by channel: ∏k/s and ∏k. Raises `SpecError` for channels that the groups do not divide.
    Source: the article, relation to gradients.
    """
    g, rank = groups_of(spec), spec.rank
    check_channels(spec, in_channels, out_channels)
    k, s = math.prod(kernel_of(spec, rank)), math.prod(stride_of(spec, rank))
    fan_in, fan_out = in_channels / g * k, out_channels / g * k
    if isinstance(spec, FirUpsample):
        return k / s, float(k)
    if isinstance(spec, Conv):
        return fan_in, fan_out / s
    if isinstance(spec, ConvPixelShuffle):
        return fan_in, fan_out * s
    if isinstance(spec, ResizeConv):
        return fan_in, fan_out
    return fan_in / s, fan_out


def check_channels(spec: Spec, in_channels: int, out_channels: int, rank: int | None = None) -> None:
    """Raise `SpecError` unless both channel counts are positive and split into the spec's groups."""
    g = groups_of(spec)
    rows = out_channels
    if isinstance(spec, ConvPixelShuffle):
        rows *= math.prod(stride_of(spec, spec.rank if rank is None else rank))
    for name, c, split in (("in_channels", in_channels, in_channels), ("out_channels", out_channels, rows)):
        if c < 1:
            raise SpecError(f"{name} must be at least 1, got {c}")
        if split % g:
            raise SpecError(f"{name} {c} does not split into {g} groups")
    if isinstance(spec, FirUpsample) and in_channels != out_channels:
        raise SpecError(f"FirUpsample keeps its channels, got {in_channels} in and {out_channels} out")
