"""Pools."""

from __future__ import annotations

from typing import Literal, cast

from ...errors import ModelError
from ..ir import AdaptivePool, Pool, Reduce
from .ops_conv import per_axis, window_pads
from .order import title
from .registry import lowers
from .state import Call

_KINDS = {"MaxPool": "max", "AveragePool": "average", "LpPool": "lp"}


@lowers("MaxPool", "AveragePool", "LpPool")
def pool(call: Call) -> None:
    """A sliding-window pool; with `ceil_mode` a window that would start in the end padding is dropped."""
    x = call.shape()
    rank = len(x) - 2
    if rank < 1:
        raise ModelError(f"{title(call.node)}: its input has {len(x)} dimensions, at least 3 are needed")
    kernel = per_axis(call, "kernel_shape", rank, 0)
    stride, dilation = per_axis(call, "strides", rank, 1), per_axis(call, "dilations", rank, 1)
    if min(*kernel, *stride, *dilation) < 1:
        raise ModelError(f"{title(call.node)}: kernel {list(kernel)}, stride {list(stride)}, dilation {list(dilation)}")
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    pads = window_pads(call, x[2:], extent, stride)
    ceil = bool(call.get("ceil_mode", 0))
    size: list[int] = []
    for h, (b, e), k, s in zip(x[2:], pads, extent, stride, strict=True):
        span = h + b + e - k
        n = (-(-span // s) if ceil else span // s) + 1
        if ceil and (n - 1) * s >= h + b:
            n -= 1
        if n < 1:
            raise ModelError(f"{title(call.node)}: an input of {list(x[2:])} is smaller than its window {list(extent)}")
        size.append(n)
    kind = cast(Literal["max", "average", "lp"], _KINDS[call.op])
    call.emit(Pool(kind, kernel, stride, pads, dilation, ceil), [call.input(0).name], (*x[:2], *size))


@lowers("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool")
def global_pool(call: Call) -> None:
    """One value a channel."""
    x = call.shape()
    shape = (*x[:2], *(1,) * (len(x) - 2))
    name = call.input(0).name
    if call.op == "GlobalLpPool":
        call.emit(Reduce(tuple(range(2, len(x))), True, "lp"), [name], shape)
    else:
        kind: Literal["max", "average"] = "max" if call.op == "GlobalMaxPool" else "average"
        call.emit(AdaptivePool(kind, shape[2:]), [name], shape)
