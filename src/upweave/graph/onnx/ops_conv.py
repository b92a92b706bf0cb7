"""Convolutions and transposed convolutions, with everything that the file leaves to the runtime resolved."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ModelError
from ...spec import Conv, ConvTranspose
from ..ir import Convolution, Pad, Shape, TransposedConvolution, Weight
from .order import title
from .registry import lowers
from .state import Call, NotUnderstood

Pair = tuple[int, int]


def per_axis(call: Call, name: str, rank: int, default: int) -> tuple[int, ...]:
    """An attribute with one integer an axis; raises `ModelError` if it has another number of them."""
    values = call.get(name)
    if not values:
        return (default,) * rank
    if len(values) != rank:
        raise ModelError(f"{title(call.node)}: {name} has {len(values)} entries for {rank} spatial axes")
    return tuple(int(v) for v in values)


def explicit_pads(call: Call, rank: int) -> tuple[Pair, ...]:
    """The attribute `pads` as (begin, end) pairs."""
    values = call.get("pads")
    if not values:
        return ((0, 0),) * rank
    if len(values) != 2 * rank:
        raise ModelError(f"{title(call.node)}: pads has {len(values)} entries, {rank} spatial axes need {2 * rank}")
    return tuple((int(b), int(e)) for b, e in zip(values[:rank], values[rank:], strict=True))


def window_pads(call: Call, spatial: Shape, extent: tuple[int, ...], stride: tuple[int, ...]) -> tuple[Pair, ...]:
    """Paddings of a convolution or pool whose windows span `extent` samples, `auto_pad` resolved.

    SAME_UPPER and SAME_LOWER give ⌈H/s⌉ outputs; an odd total puts its extra sample at the end or at the beginning.
    """
    mode = call.get("auto_pad", "NOTSET")
    if mode in ("", "NOTSET"):
        return explicit_pads(call, len(spatial))
    if mode == "VALID":
        return ((0, 0),) * len(spatial)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise ModelError(f"{title(call.node)}: auto_pad is {mode!r}")
    out: list[Pair] = []
    for h, e, s in zip(spatial, extent, stride, strict=True):
        total = max(0, (-(-h // s) - 1) * s + e - h)
        small = total // 2
        out.append((small, total - small) if mode == "SAME_UPPER" else (total - small, small))
    return tuple(out)


def _geometry(call: Call, x: Shape, w: Shape) -> tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Groups, kernel, stride and dilation, checked against the weight's shape."""
    what = title(call.node)
    if len(x) < 3 or len(w) != len(x):
        raise ModelError(
            f"{what}: its input has {len(x)} dimensions and its weight {len(w)}; both need the same, at least 3"
        )
    rank = len(x) - 2
    kernel = per_axis(call, "kernel_shape", rank, 0)
    if not any(kernel):
        kernel = w[2:]
    if kernel != w[2:]:
        raise ModelError(f"{what}: kernel_shape is {list(kernel)}, but its weight has {list(w[2:])}")
    groups = int(call.get("group", 1))
    if groups < 1:
        raise ModelError(f"{what}: group is {groups}")
    stride, dilation = per_axis(call, "strides", rank, 1), per_axis(call, "dilations", rank, 1)
    if min(*kernel, *stride, *dilation) < 1:
        raise ModelError(
            f"{what}: kernel {list(kernel)}, stride {list(stride)} and dilation {list(dilation)} must be at least 1"
        )
    return groups, kernel, stride, dilation


def _weights(call: Call, weight: int, bias: int) -> dict[str, Weight]:
    """The weights that are constants; a kernel computed at run time leaves its role out."""
    found = {role: call.input(k).weight for role, k in (("weight", weight), ("bias", bias)) if call.has(k)}
    return {role: w for role, w in found.items() if w is not None}


@lowers("Conv")
def conv(call: Call) -> None:
    """A convolution."""
    _convolve(call, call.shape(0), call.shape(1), _weights(call, 1, 2))


def _convolve(call: Call, x: Shape, w: Shape, weights: dict[str, Weight]) -> None:
    groups, kernel, stride, dilation = _geometry(call, x, w)
    if x[1] != w[1] * groups or w[0] % groups:
        raise ModelError(
            f"{title(call.node)}: a weight of shape {list(w)} with {groups} groups does not fit {x[1]} input channels"
        )
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    pads = window_pads(call, x[2:], extent, stride)
    size = tuple((h + b + e - k) // s + 1 for h, (b, e), k, s in zip(x[2:], pads, extent, stride, strict=True))
    if min(size) < 1:
        raise ModelError(f"{title(call.node)}: an input of {list(x[2:])} is smaller than its kernel {list(extent)}")
    spec = Conv(kernel, stride, pads, dilation, groups)
    mode = call.get("auto_pad", "NOTSET")
    implicit = {"auto_pad": mode} if mode not in ("", "NOTSET") else {}
    call.emit(Convolution(spec, x[1], w[0], implicit), [call.input(0).name], (x[0], w[0], *size), weights=weights)


@lowers("ConvInteger", "QLinearConv")
def quantised_conv(call: Call) -> None:
    """A quantised convolution; its weight is (w − zero point)·scale, its bias in the same unit."""
    if call.op == "ConvInteger":
        at, scale, zero = 1, None, 3
    else:
        at, scale, zero = 3, 4, 5
    w = call.input(at)
    weights: dict[str, Weight] = {}
    if w.weight is not None:
        weights["weight"] = _dequantised(call, w.weight, scale, zero)
    _convolve(call, call.shape(0), call.shape(at), weights)


def _dequantised(call: Call, weight: Weight, scale: int | None, zero: int) -> Weight:
    factors = [call.input(k).weight if k is not None and call.has(k) else None for k in (scale, zero)]

    def load() -> npt.NDArray[Any] | None:
        numbers = weight.load()
        if numbers is None:
            return None
        column = (-1,) + (1,) * (numbers.ndim - 1)
        out = numbers.astype(np.float32)
        for factor, apply in ((factors[1], np.subtract), (factors[0], np.multiply)):
            value = None if factor is None else factor.load()
            if value is not None:
                value = value.astype(np.float32)
                out = apply(out, value.reshape(column) if value.size > 1 else value.reshape(()))
        return out

    return Weight(weight.name, weight.shape, "float32", load)


def transposed_pads(total: int, mode: str) -> Pair:
    """How `auto_pad` and `output_shape` share out a total crop.

    As the operator's text says since opset 11, and as ONNX Runtime 1.32 does at every opset: SAME_UPPER puts the odd
    sample at the end, everything else at the beginning.
    """
    small = total // 2
    return (small, total - small) if mode == "SAME_UPPER" else (total - small, small)


@lowers("ConvTranspose")
def conv_transpose(call: Call) -> None:
    """A transposed convolution; what its spec cannot say becomes a `Pad` behind it."""
    x, w = call.shape(0), call.shape(1)
    what = title(call.node)
    groups, kernel, stride, dilation = _geometry(call, x, w)
    if x[1] != w[0] or x[1] % groups:
        raise ModelError(
            f"{what}: its input has {x[1]} channels, "
            f"but its weight of shape {list(w)} with {groups} groups reads {w[0]}"
        )
    rank = len(x) - 2
    mode = call.get("auto_pad", "NOTSET") or "NOTSET"
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise ModelError(f"{what}: auto_pad is {mode!r}")
    extra = per_axis(call, "output_padding", rank, 0)
    if min(extra) < 0:
        raise ModelError(f"{what}: output_padding is {list(extra)}")
    wanted = call.get("output_shape")
    if wanted and len(wanted) == rank + 2:
        wanted = wanted[2:]  # older exporters give batch and channels too
    if wanted and len(wanted) != rank:
        raise ModelError(f"{what}: output_shape has {len(wanted)} entries for {rank} spatial axes")
    full = [
        s * (h - 1) + d * (k - 1) + 1 + o for h, k, s, d, o in zip(x[2:], kernel, stride, dilation, extra, strict=True)
    ]
    implicit: dict[str, Any] = {}
    if wanted:
        size = [int(n) for n in wanted]
    elif mode.startswith("SAME"):
        # A kernel shorter than its stride has nothing to crop: the output stays short of s·H, in ONNX Runtime and in
        # ONNX's shape inference alike, against the operator's text.
        size = [min(f, s * h) for f, s, h in zip(full, stride, x[2:], strict=True)]
    else:
        pads = explicit_pads(call, rank) if mode == "NOTSET" else ((0, 0),) * rank
        size = [f - b - e for f, (b, e) in zip(full, pads, strict=True)]
    if min(size) < 1:
        raise ModelError(f"{what}: its output would have the size {size}")
    if wanted or mode.startswith("SAME"):
        pads = tuple(transposed_pads(max(0, f - n), mode) for f, n in zip(full, size, strict=True))
        implicit = {"auto_pad": mode, "total_padding": tuple(f - n for f, n in zip(full, size, strict=True))}
        implicit["short"] = tuple(max(0, s * h - f) for f, s, h in zip(full, stride, x[2:], strict=True))
        implicit["output_padding"] = extra
        if wanted:
            implicit["output_shape"] = tuple(size)
    elif mode == "VALID":
        implicit = {"auto_pad": mode}
    spec, beyond = _resolve(
        kernel, stride, dilation, groups, extra, pads, [n - f for n, f in zip(size, full, strict=True)]
    )
    shape = (x[0], w[1] * groups, *size)
    inner = (*shape[:2], *(n - b - e for n, (b, e) in zip(size, beyond, strict=True)))
    op = TransposedConvolution(spec, x[1], w[1] * groups, implicit)
    weights, name = _weights(call, 1, 2), call.input(0).name
    if not any(b or e for b, e in beyond):
        call.emit(op, [name], shape, weights=weights)
        return
    middle = call.emit(op, [name], inner, None, weights)
    # Beyond the taps there is the bias alone.
    call.emit(Pad(((0, 0), (0, 0), *beyond), "constant" if call.has(2) else "zeros"), [middle], shape)


def _resolve(
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
    extra: tuple[int, ...],
    pads: tuple[Pair, ...],
    longer: list[int],
) -> tuple[ConvTranspose, tuple[Pair, ...]]:
    """The spec, and the samples (begin, end) beyond it where the output is longer than the spec can say."""
    out_pads: list[Pair] = []
    out_extra: list[int] = []
    beyond: list[Pair] = []
    for s, d, o, (b, e), n in zip(stride, dilation, extra, pads, longer, strict=True):
        end = e - o - max(0, n) if (b, e) == (0, 0) else e - o  # a crop and an output padding at the end cancel
        before = max(0, -b)
        room = max(s, d) - 1
        if 0 <= o <= room and e >= 0 and n <= 0:
            o_new, e_new, after = o, e, 0
        else:
            o_new = min(room, max(0, -end))
            e_new = max(0, end)
            after = max(0, -end - o_new)
        out_pads.append((max(0, b), e_new))
        out_extra.append(o_new)
        beyond.append((before, after))
    return ConvTranspose(kernel, stride, tuple(out_pads), tuple(out_extra), dilation, groups), tuple(beyond)


@lowers("DeformConv")
def deform_conv(call: Call) -> None:
    """Where a deformable convolution samples is learned, so no grid follows from it."""
    raise NotUnderstood("DeformConv samples its input at learned places")
