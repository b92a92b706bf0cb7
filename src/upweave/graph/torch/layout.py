"""What moves elements without computing: views, permutations, repeats, concatenation."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from ..ir import Concat, Expand, Permute, Repeat, Reshape, Shape, Tile
from .constants import shape_of
from .registry import Unsupported, lowers
from .values import Const, Value

if TYPE_CHECKING:
    from .walk import Walker


@lowers(
    "view",
    "_unsafe_view",
    "reshape",
    "flatten",
    "unflatten",
    "squeeze",
    "unsqueeze",
    "view_as",
    "reshape_as",
    "ravel",
    "_reshape_alias",
    "view_copy",
    "squeeze_copy",
    "unsqueeze_copy",
    "atleast_1d",
    "atleast_2d",
    "_reshape_copy",
)
def _view(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value, shape = args.get("self"), shape_of(node.meta["val"])
    if isinstance(value, Const):  # constant.view_as(activation)
        return Const(node, shape)
    if not isinstance(value, Value) or prod(value.shape) != prod(shape):
        raise Unsupported("the view changes the number of elements")
    return reshaped(walker, value, shape)


def reshaped(walker: Walker, value: Any, shape: Shape) -> Any:
    """`value` under another shape; no node where nothing changes."""
    return value if value.shape == shape else walker.emit(Reshape(shape), [value], shape)


def permuted(walker: Walker, value: Any, order: tuple[int, ...]) -> Any:
    """`value` with its dimensions in another order; no node where nothing changes."""
    if order == tuple(range(len(order))):
        return value
    return walker.emit(Permute(order), [value], tuple(value.shape[d] for d in order))


@lowers("permute", "permute_copy")
def _permute(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    rank = len(args["self"].shape)
    return permuted(walker, args["self"], tuple(int(d) % rank for d in args["dims"]))


@lowers(
    "transpose", "swapaxes", "swapdims", "t", "numpy_T", "mT", "mH", "matrix_H", "adjoint", "transpose_copy", "t_copy"
)
def _transpose(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value, name = args["self"], node.target._schema.name.rpartition("::")[2].rstrip("_")
    rank = len(value.shape)
    order = list(range(rank))
    if name == "numpy_T":
        return permuted(walker, value, tuple(reversed(order)))
    if rank < 2:
        return value
    first: Any = args.get("dim0", args.get("axis0", -2))
    second: Any = args.get("dim1", args.get("axis1", -1))
    order[first], order[second] = order[second], order[first]
    return permuted(walker, value, tuple(order))


@lowers("movedim", "moveaxis")
def _movedim(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    rank = len(args["self"].shape)
    source, target = (
        [int(d) % rank for d in ([v] if isinstance(v, int) else v)] for v in (args["source"], args["destination"])
    )
    order = [d for d in range(rank) if d not in source]
    for to, frm in sorted(zip(target, source, strict=True)):
        order.insert(to, frm)
    return permuted(walker, args["self"], tuple(order))


@lowers("expand", "expand_as", "broadcast_to", "expand_copy")
def _expand(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value, shape = args["self"], shape_of(node.meta["val"])
    if isinstance(value, Const):  # constant.expand_as(activation)
        return Const(node, shape)
    return value if value.shape == shape else walker.emit(Expand(shape), [value], shape)


@lowers("broadcast_tensors", "meshgrid")
def _broadcast(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    if "meshgrid" in node.target._schema.name:
        raise Unsupported("a coordinate grid is built from the input")
    shape = shape_of(node.meta["val"][0])
    return [
        v if not isinstance(v, Value) or v.shape == shape else walker.emit(Expand(shape), [v], shape)
        for v in args["tensors"]
    ]


@lowers("repeat", "tile")
def _tile(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value, shape = args["self"], shape_of(node.meta["val"])
    counts: Any = args.get("repeats", args.get("dims"))
    reps = tuple(int(r) for r in counts)
    rank = len(shape)
    reps = (1,) * (rank - len(reps)) + reps
    value = reshaped(walker, value, (1,) * (rank - len(value.shape)) + value.shape)
    return value if all(r == 1 for r in reps) else walker.emit(Tile(reps), [value], shape)


@lowers("repeat_interleave")
def _repeat_interleave(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value, times = args.get("self"), args.get("repeats")
    if not isinstance(value, Value) or not isinstance(times, int):
        raise Unsupported("samples are repeated a different number of times each")
    if args.get("dim") is None:
        value = reshaped(walker, value, (prod(value.shape),))
    dim = int(args["dim"] or 0) % len(value.shape)
    return value if times == 1 else walker.emit(Repeat(dim, times), [value], shape_of(node.meta["val"]))


@lowers("cat", "concat", "concatenate")
def _cat(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    shape = shape_of(node.meta["val"])
    # torch lets empty one-dimensional tensors take part in any concatenation
    parts = [v for v in args["tensors"] if v.shape != (0,)]
    return parts[0] if len(parts) == 1 else walker.emit(Concat(int(args["dim"]) % len(shape)), parts, shape)


@lowers("stack")
def _stack(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    shape = shape_of(node.meta["val"])
    dim = int(args["dim"]) % len(shape)
    single = (*shape[:dim], 1, *shape[dim + 1 :])
    parts = [reshaped(walker, walker.activation(v), single) for v in args["tensors"]]
    return parts[0] if len(parts) == 1 else walker.emit(Concat(dim), parts, shape)


@lowers("channel_shuffle", "native_channel_shuffle")
def _channel_shuffle(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value, groups = args["self"], int(args["groups"])
    n, c, *rest = value.shape
    value = reshaped(walker, value, (n, groups, c // groups, *rest))
    value = permuted(walker, value, (0, 2, 1, *range(3, 3 + len(rest))))
    return reshaped(walker, value, (n, c, *rest))


@lowers("embedding")
def _embedding(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """Every position of the indices becomes a vector: a new last dimension that is a function of the index alone."""
    from ..ir import Pointwise

    value, shape = args["indices"], shape_of(node.meta["val"])
    if not isinstance(value, Value):
        raise Unsupported("the table is computed from the input")
    value = reshaped(walker, value, (*value.shape, 1))
    value = value if value.shape == shape else walker.emit(Expand(shape), [value], shape)
    return walker.emit(Pointwise("embedding"), [value], shape)


@lowers("im2col")
def _im2col(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """Patches that tile the picture are a space-to-depth; others overlap."""
    value, (kh, kw) = args["self"], (int(k) for k in args["kernel_size"])
    _only_tiles(args)
    *batch, c, h, w = value.shape
    if h % kh or w % kw:
        raise Unsupported(f"patches of {kh}×{kw} leave a rest of the {h}×{w} input")
    b = len(batch)
    value = reshaped(walker, value, (*batch, c, h // kh, kh, w // kw, kw))
    value = permuted(walker, value, (*range(b + 1), b + 2, b + 4, b + 1, b + 3))
    return reshaped(walker, value, shape_of(node.meta["val"]))


@lowers("col2im")
def _col2im(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """Patches that tile the picture are a pixel shuffle; overlapping ones add up."""
    value, (kh, kw), (h, w) = args["self"], (int(k) for k in args["kernel_size"]), (int(s) for s in args["output_size"])
    _only_tiles(args)
    *batch, columns, _ = value.shape
    if h % kh or w % kw:
        raise Unsupported(f"patches of {kh}×{kw} leave a rest of the {h}×{w} output")
    b = len(batch)
    value = reshaped(walker, value, (*batch, columns // (kh * kw), kh, kw, h // kh, w // kw))
    value = permuted(walker, value, (*range(b + 1), b + 3, b + 1, b + 4, b + 2))
    return reshaped(walker, value, shape_of(node.meta["val"]))


def _only_tiles(args: dict[str, Any]) -> None:
    kernel, stride, dilation, padding = (
        [int(v) for v in args[f]] for f in ("kernel_size", "stride", "dilation", "padding")
    )
    if kernel != stride or any(d != 1 for d in dilation) or any(padding):
        raise Unsupported(f"patches of {kernel[0]}×{kernel[1]} at stride {stride[0]}×{stride[1]} overlap or leave gaps")
