"""Slices, splits and indexing by constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ir import Concat, Repeat, Shape, Slice
from .constants import shape_of
from .layout import permuted, reshaped
from .registry import Unsupported, lowers
from .values import Const, Value

if TYPE_CHECKING:
    from .walk import Walker


def sliced(walker: Walker, value: Any, dim: int, start: int, stop: int, step: int = 1) -> Any:
    """value[start:stop:step] along `dim`; no node where that is all of it."""
    extent = value.shape[dim]
    if (start, step) == (0, 1) and stop >= extent:
        return value
    count = max(0, -(-(stop - start) // step))
    shape = (*value.shape[:dim], count, *value.shape[dim + 1 :])
    return walker.emit(Slice(dim, start, stop, step), [value], shape)


@lowers("slice", "slice_copy")
def _slice(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value = args["self"]
    dim = int(args["dim"]) % len(value.shape)
    start, stop, step = slice(args["start"], args["end"], args["step"]).indices(value.shape[dim])
    return sliced(walker, value, dim, start, max(start, stop), step)


@lowers("narrow", "narrow_copy")
def _narrow(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value = args["self"]
    if not isinstance(args["start"], int):
        raise Unsupported("the start is a tensor")
    dim = int(args["dim"]) % len(value.shape)
    start = args["start"] % value.shape[dim] if args["start"] < 0 else args["start"]
    return sliced(walker, value, dim, start, start + int(args["length"]))


@lowers("select", "select_copy")
def _select(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value = args["self"]
    dim = int(args["dim"]) % len(value.shape)
    index = int(args["index"]) % value.shape[dim]
    return reshaped(walker, sliced(walker, value, dim, index, index + 1), shape_of(node.meta["val"]))


@lowers(
    "split",
    "split_with_sizes",
    "chunk",
    "tensor_split",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "unsafe_chunk",
    "hsplit",
    "vsplit",
    "dsplit",
    "split_copy",
    "split_with_sizes_copy",
)
def _split(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value = args["self"]
    if not isinstance(value, Value):
        raise Unsupported("a constant is split as an activation says")
    shapes = [shape_of(v) for v in node.meta["val"]]
    dim = args.get("dim", {"hsplit": 1, "vsplit": 0, "dsplit": 2}.get(node.target._schema.name.rpartition("::")[2], 0))
    dim = int(dim) % len(value.shape)
    start, parts = 0, []
    for shape in shapes:
        parts.append(sliced(walker, value, dim, start, start + shape[dim]))
        start += shape[dim]
    return parts


@lowers("unbind", "unbind_copy")
def _unbind(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value = args["self"]
    dim = int(args["dim"]) % len(value.shape)
    shape = (*value.shape[:dim], *value.shape[dim + 1 :])
    return [reshaped(walker, sliced(walker, value, dim, i, i + 1), shape) for i in range(value.shape[dim])]


@lowers("unfold", "unfold_copy")
def _unfold(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """Windows that do not overlap are a reshape: x.unfold(dim, k, k)."""
    value, size, step = args["self"], int(args["size"]), int(args["step"])
    dim = int(args["dimension"]) % len(value.shape)
    if size != step:
        raise Unsupported(f"windows of {size} at step {step} overlap or leave gaps")
    count = value.shape[dim] // size
    value = sliced(walker, value, dim, 0, count * size)
    value = reshaped(walker, value, (*value.shape[:dim], count, size, *value.shape[dim + 1 :]))
    rank = len(value.shape)
    return permuted(walker, value, (*(d for d in range(rank) if d != dim + 1), dim + 1))


_FEW = 4


@lowers("flip")
def _flip(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """A mirrored dimension of a few entries (RGB to BGR) is taken apart and put together again."""
    value = args["self"]
    dims = [int(d) % len(value.shape) for d in args["dims"]]
    if all(value.shape[d] <= _FEW for d in dims):
        for d in dims:
            parts = [sliced(walker, value, d, i, i + 1) for i in reversed(range(value.shape[d]))]
            value = walker.emit(Concat(d), parts, value.shape) if len(parts) > 1 else value
        return value
    raise Unsupported("it mirrors the tensor, and a mirrored grid has no place in the calculus")


@lowers("index_select")
def _index_select(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value = args["self"]
    dim = int(args["dim"]) % len(value.shape)
    return _take(walker, value, dim, _numbers(walker, args["index"], value.shape[dim]))


@lowers("index", "_unsafe_index")
def _index(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """x[..., rows, :, columns] by constant vectors that broadcast against each other, one dimension at a time."""
    value, indices = args["self"], list(args["indices"])
    if not isinstance(value, Value):
        raise Unsupported("a constant table is indexed by an activation")
    given = [(d, i) for d, i in enumerate(indices) if i is not None]
    rank = max(len(i.shape) for _, i in given)
    for d, i in given:
        axis = _varying_axis(i.shape, rank)
        if len(given) > 1 and axis is not None and axis != rank - len(given) + (d - given[0][0]):
            raise Unsupported("its indices are no plain grid of rows and columns")
    if rank != len(given) or [d for d, _ in given] != list(range(given[0][0], given[0][0] + len(given))):
        raise Unsupported("its indices are no plain grid of rows and columns")
    for d, i in given:
        value = _take(walker, value, d, _numbers(walker, i, value.shape[d]))
    if value.shape != shape_of(node.meta["val"]):
        raise Unsupported("its indices are no plain grid of rows and columns")
    return value


def _varying_axis(shape: Shape, rank: int) -> int | None:
    """The one axis of an index tensor that is longer than 1, counted in a shape of `rank` dimensions."""
    long = [a + rank - len(shape) for a, extent in enumerate(shape) if extent != 1]
    if len(long) > 1:
        raise Unsupported("it is indexed by a table, element by element")
    return long[0] if long else None


def _numbers(walker: Walker, index: Any, extent: int) -> list[int]:
    if not isinstance(index, Const):
        raise Unsupported("it is indexed by an activation")
    numbers = walker.constants.integers(index.node)
    if numbers is None:
        raise Unsupported("the numbers of its index are not known")
    while isinstance(numbers, list) and len(numbers) == 1 and isinstance(numbers[0], list):
        numbers = numbers[0]
    out = [n[0] if isinstance(n, list) else n for n in (numbers if isinstance(numbers, list) else [numbers])]
    if any(isinstance(n, bool) for n in out):
        out = [i for i, chosen in enumerate(out) if chosen]
    return [int(n) % extent if n < 0 else int(n) for n in out]


def _take(walker: Walker, value: Any, dim: int, index: list[int]) -> Any:
    """Constant rows of `value`: a slice with a step, or every sample repeated (a nearest resize)."""
    extent, n = value.shape[dim], len(index)
    if n == 0:
        raise Unsupported("its index is empty")
    step = index[1] - index[0] if n > 1 else 1
    if step > 0 and index == list(range(index[0], index[0] + n * step, step)):
        return sliced(walker, value, dim, index[0], min(extent, index[-1] + 1), step)
    if n % extent == 0 and index == [i // (n // extent) for i in range(n)]:
        shape = (*value.shape[:dim], n, *value.shape[dim + 1 :])
        return walker.emit(Repeat(dim, n // extent), [value], shape)
    raise Unsupported("its index is neither a regular step nor a plain repetition")
