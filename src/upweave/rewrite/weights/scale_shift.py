"""A scale and shift a channel behind a convolution, taken into its weights: batch normalisation, bias, gain."""

from __future__ import annotations

import numpy as np

from ...bank import Array


def scale_outputs(
    weight: Array, bias: Array | None, scale: Array, shift: Array, *, groups: int = 1, transposed: bool = False
) -> tuple[Array, Array]:
    """(weight, bias) of the layer whose outputs are scale·y + shift, where y are those of (weight, bias).

    `weight` is (C_out, C_in/g, k…), or (C_in, C_out/g, k…) if `transposed`; `scale` and `shift` have the shape (C_out,)
    or (1,). W' = scale·W, b' = scale·b + shift, in float64, then the weight's dtype.
    """
    c_out = weight.shape[1] * groups if transposed else weight.shape[0]
    scale = np.broadcast_to(scale.astype(np.float64), (c_out,))
    shift = np.broadcast_to(shift.astype(np.float64), (c_out,))
    wide = weight.astype(np.float64)
    if transposed:
        split = wide.reshape(groups, weight.shape[0] // groups, c_out // groups, *weight.shape[2:])
        per_group = scale.reshape(groups, 1, c_out // groups, *(1,) * (weight.ndim - 2))
        scaled = (split * per_group).reshape(weight.shape)
    else:
        scaled = wide * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    old = np.zeros(c_out) if bias is None else bias.astype(np.float64)
    return scaled.astype(weight.dtype), (scale * old + shift).astype(weight.dtype)
