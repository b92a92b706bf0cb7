"""Two linear layers, one of which works on single samples, as one."""

from __future__ import annotations

import numpy as np

from ...bank import Array


def conv_after(
    first: Array, first_bias: Array | None, second: Array, second_bias: Array | None, *, transposed: bool
) -> tuple[Array, Array | None]:
    """A 1×1 convolution `second` (C, M, 1…) behind a layer `first`: (weight, bias) in the layout of `first`.

    `first` is (M, C_in, k…), or (C_in, M, k…) if `transposed`. W = W₂·W₁, b = W₂·b₁ + b₂: exact, borders included,
    since the second layer reads nothing but single outputs of the first.
    """
    outer: Array = second.reshape(second.shape[0], second.shape[1]).astype(np.float64)
    wide = first.astype(np.float64)
    axis = 1 if transposed else 0
    merged = np.moveaxis(np.tensordot(outer, wide, axes=(1, axis)), 0, axis)
    if first_bias is None and second_bias is None:
        return merged.astype(first.dtype), None
    bias = np.zeros(outer.shape[0]) if second_bias is None else second_bias.astype(np.float64)
    if first_bias is not None:
        bias = bias + outer @ first_bias.astype(np.float64)
    return merged.astype(first.dtype), bias.astype(first.dtype)


def conv_before(first: Array, second: Array, *, transposed: bool) -> Array:
    """A 1×1 convolution `first` (M, C_in, 1…) without bias in front of a layer `second`: the weight in its layout.

    `second` is (C_out, M, k…), or (M, C_out, k…) if `transposed`. A bias of `first` would end where the second layer
    pads with zeros, and no bias of one layer can say that.
    """
    inner: Array = first.reshape(first.shape[0], first.shape[1]).astype(np.float64)
    wide = second.astype(np.float64)
    axis = 0 if transposed else 1
    merged = np.moveaxis(np.tensordot(inner, wide, axes=(0, axis)), 0, axis)
    return merged.astype(second.dtype)
