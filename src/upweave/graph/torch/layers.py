"""The layers with a sampling grid: convolutions, resizes, pixel shuffles, pools and pads."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from ...spec import Conv, ConvTranspose, Pads
from ..ir import (
    AdaptivePool,
    Convolution,
    Pad,
    PixelShuffle,
    PixelUnshuffle,
    Pointwise,
    Pool,
    Resize,
    Shape,
    TransposedConvolution,
)
from .constants import shape_of
from .registry import Unsupported, lowers
from .values import Value

if TYPE_CHECKING:
    from .walk import Walker


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    """A per-axis argument as a tuple: torch writes one number for all axes as 1 or [1]."""
    items = [value] if isinstance(value, int) else list(value)
    return tuple(int(v) for v in (items * rank if len(items) == 1 else items))


def _activation(args: dict[str, Any], *names: str) -> Value:
    value = next((args[n] for n in names if n in args), None)
    if not isinstance(value, Value):
        raise Unsupported("a constant is filtered by an activation")
    return value


# Convolutions ---------------------------------------------------------------------------------------------------


@lowers(
    "conv1d",
    "conv2d",
    "conv3d",
    "convolution",
    "_convolution",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolution_overrideable",
    "cudnn_convolution",
    "mkldnn_convolution",
    "slow_conv_transpose2d",
    "slow_conv_transpose3d",
    "thnn_conv2d",
    "_slow_conv2d_forward",
    "slow_conv3d",
    "conv_depthwise3d",
    "_conv_depthwise2d",
)
def _convolution(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value = _activation(args, "input", "self", "x")
    kernel_value, bias = args["weight"], args.get("bias")
    shape: Shape = kernel_value.shape
    kernel, rank = shape[2:], len(shape) - 2
    stride, dilation = (_tuple(args.get(f, 1), rank) for f in ("stride", "dilation"))
    groups = int(args.get("groups", 1))
    out = shape_of(node.meta["val"])
    weights = walker.weights(weight=kernel_value, bias=bias)
    # a kernel that the network computes from its input is read as a second activation
    inputs = [value, *(v for v in (kernel_value, bias) if isinstance(v, Value))]
    if args.get("transposed") or "transpose" in str(node.target):
        spec = ConvTranspose(
            kernel, stride, _tuple(args["padding"], rank), _tuple(args["output_padding"], rank), dilation, groups
        )
        return walker.emit(TransposedConvolution(spec, shape[0], shape[1] * groups), inputs, out, weights=weights)
    padding = _same_padding(args["padding"], kernel, dilation)
    conv = Conv(kernel, stride, padding, dilation, groups)
    return walker.emit(Convolution(conv, shape[1] * groups, shape[0]), inputs, out, weights=weights)


@lowers("conv_transpose")
def _fused(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """`upweave::conv_transpose`: the same layer with an activation behind it."""
    value, name = _convolution(walker, node, args), args["activation"]
    return value if name == "none" else walker.emit(Pointwise(name), [value], shape_of(node.meta["val"]))


def _same_padding(padding: Any, kernel: Shape, dilation: Shape) -> Pads:
    """Numbers as they are; "same" puts the odd sample at the end, as torch does."""
    if not isinstance(padding, str):
        return _tuple(padding, len(kernel))
    totals = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
    return tuple(t // 2 if t % 2 == 0 else (t // 2, t - t // 2) for t in totals)


# Resizes --------------------------------------------------------------------------------------------------------

_MODES: dict[str, tuple[Literal["nearest", "linear", "cubic"], int]] = {
    "upsample_nearest1d": ("nearest", 1),
    "upsample_nearest2d": ("nearest", 2),
    "upsample_nearest3d": ("nearest", 3),
    "_upsample_nearest_exact1d": ("nearest", 1),
    "_upsample_nearest_exact2d": ("nearest", 2),
    "_upsample_nearest_exact3d": ("nearest", 3),
    "upsample_linear1d": ("linear", 1),
    "upsample_bilinear2d": ("linear", 2),
    "upsample_trilinear3d": ("linear", 3),
    "upsample_bicubic2d": ("cubic", 2),
    "_upsample_bilinear2d_aa": ("linear", 2),
    "_upsample_bicubic2d_aa": ("cubic", 2),
}


@lowers(*_MODES)
def _resize(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value = _activation(args, "input", "self")
    name: str = node.target._schema.name.rpartition("::")[2]
    mode, rank = _MODES[name]
    out = shape_of(node.meta["val"])
    size_in, size_out = value.shape[-rank:], out[-rank:]
    factors: Any = args.get("scale_factors")
    if factors is None:
        named = (
            [args.get(f) for f in ("scales_d", "scales_h", "scales_w")[3 - rank :]]
            if rank > 1
            else [args.get("scales")]
        )
        factors = named if all(f is not None for f in named) else None
    by_size = factors is None
    if by_size:
        scale = tuple(Fraction(o, i) for o, i in zip(size_out, size_in, strict=True))
    else:
        scale = tuple(_fraction(f) for f in factors)
    exact, nearest = "exact" in name, mode == "nearest"
    op = Resize(
        mode,
        "align_corners" if args.get("align_corners") else "asymmetric" if nearest and not exact else "half_pixel",
        tuple(range(len(out) - rank, len(out))),
        scale,
        size_out,
        by_size=by_size,
        antialias=name.endswith("_aa"),
        cubic_a=-0.5 if name.endswith("_aa") else -0.75,
        nearest="floor" if not exact else "round_prefer_ceil",
    )
    return walker.emit(op, [value], out)


def _fraction(scale: float) -> Fraction:
    """The factor that the user typed: 1.3 is 13/10, not the nearest binary fraction."""
    typed = Fraction(scale).limit_denominator(10_000)
    return typed if float(typed) == float(scale) else Fraction(scale)


# Pixel shuffles -------------------------------------------------------------------------------------------------


@lowers("pixel_shuffle")
def _pixel_shuffle(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    factor = int(args["upscale_factor"])
    return walker.emit(PixelShuffle((factor, factor)), [args["self"]], shape_of(node.meta["val"]))


@lowers("pixel_unshuffle")
def _pixel_unshuffle(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    factor = int(args["downscale_factor"])
    return walker.emit(PixelUnshuffle((factor, factor)), [args["self"]], shape_of(node.meta["val"]))


# Pools ----------------------------------------------------------------------------------------------------------


@lowers(
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool1d_with_indices",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "mkldnn_max_pool2d",
    "mkldnn_max_pool3d",
)
def _pool(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    name: str = node.target._schema.name
    rank = int(name[name.index("pool") + 4])
    kernel = _tuple(args["kernel_size"], rank)
    stride = _tuple(args["stride"], rank) if args.get("stride") else kernel
    padding = tuple((p, p) for p in _tuple(args.get("padding", 0), rank))
    kind: Literal["max", "average"] = "max" if "max_pool" in name else "average"
    op = Pool(kind, kernel, stride, padding, _tuple(args.get("dilation", 1), rank), bool(args.get("ceil_mode")))
    return _emit_one_or_two(walker, node, op, args["self"])


@lowers(
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
)
def _adaptive_pool(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    name: str = node.target._schema.name
    rank = int(name[name.index("pool") + 4])
    op = AdaptivePool("max" if "max" in name else "average", _tuple(args["output_size"], rank))
    return _emit_one_or_two(walker, node, op, args["self"])


def _emit_one_or_two(walker: Walker, node: Any, op: Any, value: Value) -> Any:
    """A max pool that also returns indices writes them as a second value."""
    val = node.meta["val"]
    vals = val if isinstance(val, (list, tuple)) else [val]
    return walker.emit(op, [value], *(shape_of(v) for v in vals))


# Pads -----------------------------------------------------------------------------------------------------------

_PAD_MODES = {"reflect": "reflect", "replicate": "replicate", "circular": "circular"}


@lowers(
    "pad",
    "constant_pad_nd",
    "_pad_enum",
    "reflection_pad1d",
    "reflection_pad2d",
    "reflection_pad3d",
    "replication_pad1d",
    "replication_pad2d",
    "replication_pad3d",
    "_pad_circular",
)
def _pad(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value = _activation(args, "self")
    flat_pads: Any = args.get("pad", args.get("padding"))
    pairs = [(int(flat_pads[i]), int(flat_pads[i + 1])) for i in range(0, len(flat_pads), 2)]
    pads = ((0, 0),) * (len(value.shape) - len(pairs)) + tuple(reversed(pairs))
    return walker.emit(Pad(pads, _pad_mode(node, args)), [value], shape_of(node.meta["val"]))


def _pad_mode(node: Any, args: dict[str, Any]) -> str:
    name: str = node.target._schema.name
    mode = args.get("mode", "constant")
    if "reflection" in name or mode in ("reflect", 1):
        return "reflect"
    if "replication" in name or mode in ("replicate", 2):
        return "replicate"
    if "circular" in name or mode in ("circular", 3):
        return "circular"
    return "constant" if args.get("value") else "zeros"
