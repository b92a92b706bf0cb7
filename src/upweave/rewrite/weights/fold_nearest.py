"""Nearest resize, then convolution: one transposed convolution on the small input.

Repeating every sample s times and filtering with w is filtering the zero-inserted signal with w ∗ ones(s):

    resize ×2     a a b b c c                a · b · c        zero-inserted
    conv w₀w₁w₂   w₀ w₁ w₂                   w₂ w₁+w₂ w₀+w₁ w₀    the kernel that each input spreads

so kernel k + s − 1, stride s, padding k − 1 − p, and k·s/(k + s − 1) times fewer multiplications an axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np

from ...bank import Array
from ...convert import boundary, phase_bank, to_conv_transpose
from ...errors import NotRepresentable, SpecError
from ...spec import Conv, ConvTranspose, ResizeConv, is_int

Extension: TypeAlias = Literal["replicate", "reflect", "circular"]
Pair = tuple[int, int]


def fold_nearest(
    conv: Conv, weight: Any, scale: int | Sequence[int], *, symmetric: bool = False
) -> tuple[ConvTranspose, Array]:
    """The transposed convolution that equals a nearest resize by `scale`, then the zero-padded `conv`: (spec, weight).

    Args:
        conv: stride 1 on every axis; any zero padding, dilation and groups.
        weight: (C_out, C_in/g, k…).
        scale: s, an integer of at least 1, or one an axis.
        symmetric: widen the kernel with zero taps where the padding would differ between the two ends, as PyTorch's
            modules need it.

    The bias stays what it is. The new weight is (C_in, C_out/g, k + s − 1…) for d = 1, in the dtype of `weight`:
    flip(w) ∗ ones(s). Borders are exact. Raises `NotRepresentable` for a strided convolution, `SpecError` for what
    does not fit. Source: the article, resize-convolution; docs/theory/identities.md.
    """
    w, scales = _checked(conv, weight, scale)
    axes = conv.per_axis(len(scales))
    resize = ResizeConv(
        tuple(a.kernel for a in axes),
        scales,
        tuple((a.begin, a.end) for a in axes),
        tuple(a.dilation for a in axes),
        conv.groups,
    )
    return _fold(resize, w, symmetric)


def fold_nearest_extended(
    conv: Conv, weight: Any, scale: int | Sequence[int], extension: Extension, *, symmetric: bool = False
) -> tuple[ConvTranspose, Array, tuple[Pair, ...]]:
    """The same where `conv`'s padding is no zeros, but the `extension` of the resized signal: (spec, weight, extend).

    `extend` has a (begin, end) pair an axis: how far the small input is extended before the transposed convolution,
    by "circular" for a circular extension and by "replicate" for the other two. Extending the input by q repeats into
    q·s samples, of which the padding crops what is too much:

        pad p behind ×s  =  pad q = ⌈p/s⌉ in front of it, and crop q·s − p

    A reflection leaves out the edge sample; up to s − 1 it meets copies of that sample alone, and is a replication.
    Raises `NotRepresentable` for a longer reflection; else as `fold_nearest`.
    """
    w, scales = _checked(conv, weight, scale)
    axes = conv.per_axis(len(scales))
    extend: list[Pair] = []
    crops: list[Pair] = []
    for n, (a, s) in enumerate(zip(axes, scales, strict=True)):
        if extension == "reflect" and max(a.begin, a.end) > s - 1:
            raise NotRepresentable(
                f"axis {n}: a reflection by {max(a.begin, a.end)} behind a resize by {s} reads other samples than the "
                f"edge; it is an extension of the small input up to {s - 1}"
            )
        q = (-(-a.begin // s), -(-a.end // s))
        extend.append(q)
        crops.append((q[0] * s - a.begin, q[1] * s - a.end))
    bare = ResizeConv(
        tuple(a.kernel for a in axes), scales, dilation=tuple(a.dilation for a in axes), groups=conv.groups
    )
    spec, folded = _fold(bare, w, False)
    padding = tuple((a.begin + b, a.end + e) for a, (b, e) in zip(spec.per_axis(), crops, strict=True))
    spec = replace(spec, padding=padding)
    if symmetric:
        spec, folded, _ = to_conv_transpose(phase_bank(spec, folded), boundary(spec), symmetric=True)
    return spec, folded, tuple(extend)


def folded_spec(
    conv: Conv, scale: tuple[int, ...], extension: Extension | None = None, *, symmetric: bool = False
) -> ConvTranspose:
    """The spec that `fold_nearest` or, with an extension, `fold_nearest_extended` gives, without any weights."""
    ones = np.ones((conv.groups, 1, *(a.kernel for a in conv.per_axis(len(scale)))))
    if extension is None:
        return fold_nearest(conv, ones, scale, symmetric=symmetric)[0]
    return fold_nearest_extended(conv, ones, scale, extension, symmetric=symmetric)[0]


def _fold(resize: ResizeConv, weight: Array, symmetric: bool) -> tuple[ConvTranspose, Array]:
    wide = weight.astype(np.float64)
    spec, folded, _ = to_conv_transpose(phase_bank(resize, wide), boundary(resize), symmetric=symmetric)
    return spec, folded.astype(weight.dtype)


def _checked(conv: Conv, weight: Any, scale: int | Sequence[int]) -> tuple[Array, tuple[int, ...]]:
    w = np.asarray(weight)
    rank = w.ndim - 2
    if rank < 1 or (not conv.is_scalar and conv.rank != rank):
        raise SpecError(f"a weight of shape {w.shape} does not fit a convolution of {conv.rank} axes")
    scales = tuple(scale) if isinstance(scale, Sequence) else (scale,) * rank
    if len(scales) != rank or not all(is_int(s) and s >= 1 for s in scales):
        raise SpecError(f"a nearest resize needs an integer scale of at least 1 on each of {rank} axes, got {scale!r}")
    for n, a in enumerate(conv.per_axis(rank)):
        if a.stride != 1:
            raise NotRepresentable(
                f"axis {n}: the convolution has stride {a.stride}; behind a resize only stride 1 folds"
            )
    return w, tuple(int(s) for s in scales)
