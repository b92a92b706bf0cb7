"""One axis of each spec: its response to a unit impulse, and how it ends.

Every bank is one impulse response h per channel pair,

    y[n] = Σ_i h[n − s·i] · x[i]

so an axis is known once it is known how the layer's weights land on h. That is linear too: `expand[u − low, t]` is
what weight t adds to h[u]. The table of all specs (u = n − s·i):

    ConvTranspose     h[d·t − p]        = w[t]
    ZeroInsertConv    h[p' − d·t]       = w[t]                         (a correlation: the kernel is flipped)
    ConvPixelShuffle  h[r + s(p − d·t)] = w[r, t]                      (phase r has its own kernel)
    ResizeConv        h[u]              = Σ_t w[t] · resize[u + d·t − p]
    FirUpsample       h[j + p − (k−1)]  = taps[j]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import numpy.typing as npt

from ..bank import Array
from ..boundary import Boundary
from ..errors import NotRepresentable
from ..interpolation import interpolation
from ..spec import ConvPixelShuffle, ConvTranspose, FirUpsample, ResizeConv, Spec, ZeroInsertConv


@dataclass(frozen=True, eq=False)
class AxisResponse:
    """How one axis answers an impulse.

    Attributes:
        stride: s.
        low: the least u = n − s·i that any tap reaches.
        expand: shape (U, K); h[low + v] = Σ_t expand[v, t] · w[t].
        count: shape (U,); the number of paths from the input to u = low + v.
    """

    stride: int
    low: int
    expand: Array
    count: npt.NDArray[np.int64]

    @property
    def high(self) -> int:
        """The greatest u that any tap reaches."""
        return self.low + len(self.count) - 1


@singledispatch
def axis_response(spec: Spec) -> AxisResponse:
    """The response of a single-axis spec. Raises `NotRepresentable` for a spec that is no upsampler."""
    raise NotRepresentable(
        f"{type(spec).__name__} has no phase bank: it is a strided convolution, the adjoint of an upsampler; "
        "take upweave.adjoint(spec)"
    )


@singledispatch
def axis_boundary(spec: Spec) -> Boundary:
    """How a single-axis spec ends. Raises `NotRepresentable` for a spec that is no upsampler."""
    raise NotRepresentable(
        f"{type(spec).__name__} is not an upsampler: its output is not s·H plus a constant; see upweave.output_size"
    )


def _select(stride: int, at: list[int]) -> AxisResponse:
    """Weight t lands on u = at[t], and on nothing else."""
    low, high = min(at), max(at)
    expand = np.zeros((high - low + 1, len(at)), dtype=np.int64)
    expand[np.asarray(at) - low, np.arange(len(at))] = 1
    return AxisResponse(stride, low, expand, expand.sum(axis=1))


@axis_response.register
def _(spec: ConvTranspose) -> AxisResponse:
    k, s, d = _ints(spec, "kernel", "stride", "dilation")
    return _select(s, [d * t - spec.begin for t in range(k)])


@axis_boundary.register
def _(spec: ConvTranspose) -> Boundary:
    k, s, d, o = _ints(spec, "kernel", "stride", "dilation", "output_padding")
    return Boundary(d * (k - 1) + 1 + o - spec.begin - spec.end - s)


@axis_response.register
def _(spec: ZeroInsertConv) -> AxisResponse:
    k, s, d = _ints(spec, "kernel", "stride", "dilation")
    return _select(s, [spec.begin - d * t for t in range(k)])


@axis_boundary.register
def _(spec: ZeroInsertConv) -> Boundary:
    k, s, d, o = _ints(spec, "kernel", "stride", "dilation", "output_padding")
    return Boundary(1 - s + o + spec.begin + spec.end - d * (k - 1))


@axis_response.register
def _(spec: ConvPixelShuffle) -> AxisResponse:
    k, s, d = _ints(spec, "kernel", "stride", "dilation")
    return _select(s, [r + s * (spec.begin - d * t) for r in range(s) for t in range(k)])


@axis_boundary.register
def _(spec: ConvPixelShuffle) -> Boundary:
    k, s, d = _ints(spec, "kernel", "stride", "dilation")
    return Boundary(s * (spec.begin + spec.end - d * (k - 1)))


@axis_response.register
def _(spec: ResizeConv) -> AxisResponse:
    k, s, d = _ints(spec, "kernel", "stride", "dilation")
    reads = [(r - s * i, w, paths) for r in range(s) for i, w, paths in interpolation(spec.mode, s, r, spec.cubic_a)]
    least, most = min(u for u, _, _ in reads), max(u for u, _, _ in reads)
    low, high = least + spec.begin - d * (k - 1), most + spec.begin
    expand = np.zeros((high - low + 1, k), dtype=np.int64 if spec.mode == "nearest" else np.float64)
    count = np.zeros(high - low + 1, dtype=np.int64)
    for t in range(k):
        for u, w, paths in reads:
            v = u - d * t + spec.begin - low
            expand[v, t] += w
            count[v] += paths
    return AxisResponse(s, low, expand, count)


@axis_boundary.register
def _(spec: ResizeConv) -> Boundary:
    k, s, d = _ints(spec, "kernel", "stride", "dilation")
    excess = spec.begin + spec.end - d * (k - 1)
    if spec.mode == "nearest" or s == 1:
        return Boundary(excess)
    # Without padding the convolution sees the resized signal alone, whose edge is the clamped one.
    return Boundary(excess, "mixed" if spec.begin or spec.end else "replicate")


@axis_response.register
def _(spec: FirUpsample) -> AxisResponse:
    (s,) = _ints(spec, "stride")
    taps = np.asarray(spec.taps)
    scale = s / float(taps.sum()) if spec.normalise else 1.0
    k = len(taps)
    return AxisResponse(s, spec.begin - (k - 1), scale * taps[:, None], np.ones(k, dtype=np.int64))


@axis_boundary.register
def _(spec: FirUpsample) -> Boundary:
    return Boundary(spec.begin + spec.end - (len(spec.taps) - 1))


def _ints(spec: Spec, *names: str) -> tuple[int, ...]:
    """Fields of a single-axis spec as ints, also where the user wrote 1-tuples."""
    values = (getattr(spec, name) for name in names)
    return tuple(int(v[0] if isinstance(v, tuple) else v) for v in values)  # pyright: ignore
