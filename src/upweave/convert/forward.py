"""From a spec, with or without weights, to its structure, its border, its impulse response and its phase bank."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..bank import Array, PhaseBank, Taps
from ..boundary import Boundary
from ..errors import SpecError
from ..shapes import as_array, channels_of, check_spec, default_weight, full_weight, groups_of, rank_of, stride_of
from ..spec import ConvPixelShuffle, ConvTranspose, FirUpsample, Spec
from .axis import AxisResponse, axis_boundary, axis_response
from .impulse import Impulse, fold, fold_count, unfold


def taps(spec: Spec, rank: int | None = None) -> tuple[Taps, ...]:
    """The structure of each axis (which tap of which phase exists); no weights needed.

    A resize counts paths: nearest, linear and cubic read 1, 2 and 4 samples for every tap of the convolution.
    Raises `NotRepresentable` for a strided `Conv`, and `SpecError` if the spec has another number of axes than `rank`.
    """
    return tuple(fold_count(r.stride, r.low, r.count) for r in responses(spec, rank))


def boundary(spec: Spec, rank: int | None = None) -> tuple[Boundary, ...]:
    """How each axis of the layer ends: its output length against its input's, and what it reads outside.

    Raises `NotRepresentable` for a strided `Conv`, and `SpecError` if the spec has another number of axes than `rank`.
    """
    return tuple(axis_boundary(a) for a in check_spec(spec).per_axis(rank))


def responses(spec: Spec, rank: int | None = None) -> tuple[AxisResponse, ...]:
    """How each axis of the layer answers an impulse."""
    return tuple(axis_response(a) for a in check_spec(spec).per_axis(rank))


def phase_bank(
    spec: Spec, weight: Any = None, bias: Any = None, *, rank: int | None = None, channels: int = 1
) -> PhaseBank:
    """The phase bank of an upsampling layer: s^d stride-1 filters whose outputs are woven together.

    Args:
        spec: any upsampling spec.
        weight: in the spec's own layout, or a bare kernel of shape k… for a single channel; without one, all ones with
            one channel in and out a group. `FirUpsample` takes none.
        bias: shape (C_out,), or (C_out·∏s,) for `ConvPixelShuffle`.
        rank: the number of axes, where neither spec nor weight tells (numbers only, no weight or a bare 3-D kernel).
        channels: for `FirUpsample` alone, how many channels the filter runs on.

    Together with `boundary(spec)` the bank is exact, borders included, but for a linear or cubic `ResizeConv` with
    padding, which it gives in the interior. Raises `SpecError` for shapes that do not fit, and `NotRepresentable` for a
    strided `Conv`. Source: the article, polyphase view; `convert/axis.py` for the formula of each spec.
    """
    rank = rank_of(spec, None, weight) if rank is None else rank
    axes = responses(spec, rank)
    impulse = impulse_response(spec, weight, rank=rank, channels=channels)
    structure = tuple(fold_count(r.stride, r.low, r.count) for r in axes)
    c_out = int(impulse.h.shape[0])
    return fold(impulse, structure, _bias_per_phase(spec, bias, impulse.stride, c_out))


def impulse_response(
    what: Spec | PhaseBank, weight: Any = None, *, rank: int | None = None, channels: int = 1
) -> Impulse:
    """The impulse response h of a layer or a bank, y[n] = Σ_i h[n − s·i]·x[i]; arguments as for `phase_bank`."""
    if isinstance(what, PhaseBank):
        if weight is not None:
            raise SpecError("a PhaseBank has weights of its own; pass no weight beside it")
        return unfold(what)
    spec = what
    rank = rank_of(spec, None, weight) if rank is None else rank
    axes = responses(spec, rank)
    kernel, groups = _kernel(spec, weight, rank, channels)
    h = kernel
    for a, r in enumerate(axes):
        expand = r.expand.astype(h.dtype) if h.dtype.kind in "fc" else r.expand
        h = np.moveaxis(np.tensordot(expand, h, axes=(1, 2 + a)), 0, 2 + a)
    return Impulse(tuple(r.stride for r in axes), tuple(r.low for r in axes), h, groups)


def _kernel(spec: Spec, weight: Any, rank: int, channels: int) -> tuple[Array, int]:
    """The weights as (C_out, C_in/g, K…) with the K that `AxisResponse.expand` expects, and the bank's groups."""
    if isinstance(spec, FirUpsample):
        if weight is not None:
            raise SpecError("FirUpsample takes no weight: its filter is the spec's taps")
        if channels < 1:
            raise SpecError(f"channels must be at least 1, got {channels}")
        return np.ones((channels, 1, *(1,) * rank)), channels
    w = default_weight(spec, rank) if weight is None else full_weight(spec, weight, rank)
    g = groups_of(spec)
    if isinstance(spec, ConvTranspose):
        c_in, c_out = channels_of(spec, w, rank)
        swapped = np.swapaxes(w.reshape(g, c_in // g, c_out // g, *w.shape[2:]), 1, 2)
        return swapped.reshape(c_out, c_in // g, *w.shape[2:]), g
    if isinstance(spec, ConvPixelShuffle):
        s = stride_of(spec, rank)
        c_out = w.shape[0] // math.prod(s)
        if c_out % g:  # a group ends inside an output channel's phases: the bank's groups cannot say that
            w, g = _ungroup(w, g), 1
        split = w.reshape(c_out, *s, w.shape[1], *w.shape[2:])
        order = (0, rank + 1, *(x for a in range(rank) for x in (1 + a, rank + 2 + a)))
        merged = tuple(f * k for f, k in zip(s, w.shape[2:], strict=True))
        return split.transpose(order).reshape(c_out, w.shape[1], *merged), g
    return w, g


def _ungroup(w: Array, g: int) -> Array:
    """A grouped convolution's weight as a dense one."""
    rows, cols = w.shape[0] // g, w.shape[1]
    dense = np.zeros((w.shape[0], cols * g, *w.shape[2:]), dtype=w.dtype)
    for n in range(g):
        dense[n * rows : (n + 1) * rows, n * cols : (n + 1) * cols] = w[n * rows : (n + 1) * rows]
    return dense


def _bias_per_phase(spec: Spec, bias: Any, stride: tuple[int, ...], c_out: int) -> Array | None:
    if bias is None:
        return None
    b = as_array(bias, "bias")
    phases = math.prod(stride)
    want = c_out * phases if isinstance(spec, ConvPixelShuffle) else c_out
    if b.shape != (want,):
        raise SpecError(f"{type(spec).__name__}: a bias of shape {b.shape} does not fit; it needs shape ({want},)")
    if isinstance(spec, ConvPixelShuffle):
        return np.ascontiguousarray(np.moveaxis(b.reshape(c_out, *stride), 0, -1))
    return np.broadcast_to(b, (*stride, c_out)).copy()
