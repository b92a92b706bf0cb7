"""Peer `jax`: XLA's CPU back end."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from ..case import Case
from ..contender import CannotRun, Contender, peer

SPATIAL = {1: "W", 2: "HW", 3: "DHW"}


@peer("jax", package="jax", fresh_output="every call returns a new array (nothing is donated)")
def contenders(case: Case, threads: int) -> list[Contender]:
    """jax.jit of lax.conv_general_dilated with lhs_dilation = stride, kernel flipped beforehand; NCHW or NHWC."""
    os.environ.setdefault("PJRT_NPROC", str(threads))  # size of XLA's thread pool, read when the back end starts
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax

    found, trouble = [], []
    for channels_last in (True, False):
        try:
            found.append(_jitted(jax, case, channels_last))
        except Exception as error:  # jaxlib raises XlaRuntimeError, JAX its own kinds
            trouble.append(str(error).splitlines()[0])
    if not found:
        raise CannotRun("; ".join(trouble))
    return found


def _jitted(jax: Any, case: Case, channels_last: bool) -> Contender:
    p = case.problem
    axes = SPATIAL[p.rank]
    layout, kernel_layout = (f"N{axes}C", f"{axes}IO") if channels_last else (f"NC{axes}", f"OI{axes}")
    w = case.weight.reshape(p.groups, p.c_in // p.groups, p.c_out // p.groups, *p.kernel)
    w = w.transpose(1, 2).reshape(p.c_out, p.c_in // p.groups, *p.kernel).flip(tuple(range(2, 2 + p.rank)))
    x = case.x
    bias_shape = (1,) * (p.rank + 1) + (p.c_out,) if channels_last else (1, p.c_out) + (1,) * p.rank
    if channels_last:
        x, w = x.movedim(1, -1), w.movedim((0, 1), (-1, -2))
    arrays = [jax.numpy.asarray(np.ascontiguousarray(t.numpy())) for t in (x, w, case.bias.reshape(bias_shape))]
    reach = [d * (k - 1) for d, k in zip(p.dilation, p.kernel, strict=True)]
    pads = [(r - b, r - b + o) for r, b, o in zip(reach, p.padding, p.output_padding, strict=True)]

    def layer(x: Any, w: Any, b: Any) -> Any:
        y = jax.lax.conv_general_dilated(
            x, w, window_strides=(1,) * p.rank, padding=pads, lhs_dilation=p.stride, rhs_dilation=p.dilation,
            dimension_numbers=(layout, kernel_layout, layout), feature_group_count=p.groups,
            precision=jax.lax.Precision.HIGHEST,
        )  # fmt: skip
        return y + b

    compiled = jax.jit(layer).lower(*arrays).compile()

    def call() -> Any:
        return compiled(*arrays).block_until_ready()

    def tensors(y: Any) -> tuple[torch.Tensor, ...]:
        found = torch.from_numpy(np.array(y))
        return (found.movedim(-1, 1) if channels_last else found,)

    return Contender("jax", layout, not channels_last, call, tensors)
