"""How many multiplications a layer makes, executed as it is defined."""

from __future__ import annotations

import math

from ..shapes import Size, as_sizes, groups_of, kernel_of, stride_of
from ..spec import ConvPixelShuffle, ConvTranspose, FirUpsample, Spec
from .fans import check_channels
from .sizes import output_size


def multiplies(spec: Spec, in_channels: int, out_channels: int, size: Size, batch: int = 1) -> int:
    """The multiplications of one forward pass over an input of `size`.

    A transposed convolution multiplies at every *input* position (batch · C_in · C_out/g · ∏k · ∏H); counting its
    output positions, as many counters do, gives ∏s times too many. The others multiply where their convolution stands:
    `Conv`, `ZeroInsertConv` and `ResizeConv` at every output, `ConvPixelShuffle` at every position before the shuffle,
    for C_out·∏s channels. `FirUpsample` runs its filter along one axis after the other. The fixed interpolation of a
    resize and products with padded or inserted zeros: the former is not counted, the latter are, since they are made.
    Raises `SpecError` for channels that the groups do not divide, or an input that is too short.
    """
    sizes = as_sizes(spec, size)
    rank = len(sizes)
    check_channels(spec, in_channels, out_channels, rank)
    out = tuple(int(n) for n in output_size(spec, sizes))
    taps, g = math.prod(kernel_of(spec, rank)), groups_of(spec)
    if isinstance(spec, FirUpsample):
        kernel = kernel_of(spec, rank)
        lines = sum(kernel[a] * math.prod(out[: a + 1]) * math.prod(sizes[a + 1 :]) for a in range(rank))
        return batch * in_channels * lines
    pairs = in_channels * out_channels // g
    if isinstance(spec, ConvTranspose):
        positions = math.prod(sizes)
    elif isinstance(spec, ConvPixelShuffle):
        s = stride_of(spec, rank)
        pairs = in_channels * (out_channels * math.prod(s)) // g
        positions = math.prod(n // f for n, f in zip(out, s, strict=True))
    else:
        positions = math.prod(out)
    return batch * pairs * taps * positions
