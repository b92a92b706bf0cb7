"""Random layers for the remedies' tests, and the specs that theory knows them by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

import upweave

TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


@dataclass
class Case:
    """A weight, the numbers that the remedies take beside it, and its spec."""

    weight: Tensor
    numbers: dict[str, Any]
    spec: Any

    @property
    def gain(self) -> Any:
        return upweave.dc_gain(self.spec, self.weight)


@st.composite
def cases(draw: st.DrawFn, gaps: bool = False, square: bool = False) -> Case:
    """A transposed convolution, or a convolution of a pixel shuffle, in float64; with empty phases if `gaps`."""
    rank = draw(st.sampled_from([1, 1, 2, 3]))
    most = 6 if rank == 1 else 4
    groups, per = draw(st.integers(1, 2)), draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    c_in, c_out = (groups * per[0], groups * per[0 if square else 1])
    s = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    p = tuple(draw(st.integers(0, 2)) for _ in range(rank))
    shuffled = draw(st.booleans())
    k, d = [], []
    for f in s:
        dilation = draw(st.integers(1, 2))
        if not gaps and not shuffled and math.gcd(dilation, f) > 1:
            dilation = 1
        d.append(dilation)
        k.append(draw(st.integers(1 if gaps or shuffled else f, most if not shuffled else 3)))
    torch.manual_seed(draw(st.integers(0, 2**16)))
    if shuffled:
        weight = torch.randn(c_out * math.prod(s), c_in // groups, *k, dtype=torch.float64)
        spec: Any = upweave.ConvPixelShuffle(tuple(k), s, p, tuple(d), groups)
        return Case(weight, {"upscale_factor": s, "dilation": tuple(d), "groups": groups}, spec)
    weight = torch.randn(c_in, c_out // groups, *k, dtype=torch.float64)
    spec = upweave.ConvTranspose(tuple(k), s, p, dilation=tuple(d), groups=groups)
    return Case(weight, {"stride": s, "dilation": tuple(d), "groups": groups}, spec)


def spec_of(layer: Any) -> upweave.ConvTranspose:
    """The spec of a torch transposed convolution."""
    return upweave.ConvTranspose(
        layer.kernel_size, layer.stride, layer.padding, layer.output_padding, layer.dilation, layer.groups
    )


def interior(y: Tensor, margin: int) -> Tensor:
    """`y` without `margin` samples at each end of every spatial axis."""
    return y[(slice(None), slice(None), *(slice(margin, -margin),) * (y.ndim - 2))]


def phases(y: Tensor, stride: int) -> dict[tuple[int, ...], Tensor]:
    """The outputs of each phase of (N, C, s·H…)."""
    d = y.ndim - 2
    return {
        r: y[(slice(None), slice(None), *(slice(i, None, stride) for i in r))]
        for r in ((i,) if d == 1 else (i, j) for i in range(stride) for j in (range(stride) if d > 1 else (0,)))
    }
