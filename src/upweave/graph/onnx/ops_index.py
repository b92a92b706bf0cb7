"""Slice, Split and Gather."""

from __future__ import annotations

from itertools import pairwise

from ...errors import ModelError
from ..ir import Pointwise, Reshape, Shape, Slice
from .order import title
from .registry import lowers
from .state import Call, NotUnderstood


@lowers("Slice")
def slice_(call: Call) -> None:
    """x[starts:ends:steps]: one `Slice` node a dimension that changes.

    With a negative step, `stop` is −1 where index 0 is included.
    """
    x = call.shape()
    starts, ends = call.parameter("starts", 1), call.parameter("ends", 2)
    if starts is None or ends is None or len(starts) != len(ends):
        raise ModelError(f"{title(call.node)}: {len(starts or [])} starts and {len(ends or [])} ends")
    axes = call.parameter("axes", 3) or list(range(len(starts)))
    steps = call.parameter("steps", 4) or [1] * len(starts)
    cuts: list[Slice] = []
    for s, e, a, t in zip(starts, ends, axes, steps, strict=True):
        dim = a + len(x) if a < 0 else a
        if not 0 <= dim < len(x) or t == 0:
            raise ModelError(f"{title(call.node)}: dimension {a} of {len(x)}, step {t}")
        start, stop, step = slice(s, e, t).indices(x[dim])
        if (start, stop, step) != (0, x[dim], 1):
            cuts.append(Slice(dim, start, stop, step))
    _chain(call, cuts, x)


def _chain(call: Call, cuts: list[Slice], x: Shape) -> None:
    name = call.input(0).name
    if not cuts:
        call.emit(Pointwise("identity", False), [name], x)
    for k, cut in enumerate(cuts):
        x = (*x[: cut.dim], len(range(cut.start, cut.stop, cut.step)), *x[cut.dim + 1 :])
        name = call.emit(cut, [name], x, 0 if k == len(cuts) - 1 else None)


@lowers("Split")
def split(call: Call) -> None:
    """One `Slice` an output."""
    x = call.shape()
    dim = int(call.get("axis", 0)) % max(len(x), 1)
    n = len(call.node.output)
    sizes = call.parameter("split", 1)
    if sizes is None:
        chunk = -(-x[dim] // n)
        sizes = [min(chunk, x[dim] - k * chunk) for k in range(n)]
    if len(sizes) != n or sum(sizes) != x[dim] or min(sizes) < 0:
        raise ModelError(f"{title(call.node)}: pieces {sizes} of dimension {dim} with extent {x[dim]}")
    start = 0
    for k, size in enumerate(sizes):
        if call.node.output[k]:
            shape = (*x[:dim], size, *x[dim + 1 :])
            call.emit(Slice(dim, start, start + size), [call.input(0).name], shape, k)
        start += size


@lowers("Gather")
def gather(call: Call) -> None:
    """Constant indices in arithmetic progression are a slice; a scalar index also drops the dimension."""
    x = call.shape()
    dim = int(call.get("axis", 0)) % max(len(x), 1)
    index = call.numbers(1)
    if index is None:
        raise NotUnderstood("Gather picks elements by indices computed at run time")
    wanted = [int(v) + (x[dim] if v < 0 else 0) for v in index.ravel()]
    if any(not 0 <= v < x[dim] for v in wanted):
        raise ModelError(f"{title(call.node)}: index {wanted} is out of range for extent {x[dim]}")
    steps = {b - a for a, b in pairwise(wanted)} or {1}
    if not wanted or len(steps) > 1 or 0 in steps:
        raise NotUnderstood("Gather picks elements by indices that are no regular slice")
    step = steps.pop()
    stop = wanted[-1] + (1 if step > 0 else -1)
    cut = Slice(dim, wanted[0], stop, step)
    shape = (*x[:dim], *index.shape, *x[dim + 1 :])
    if index.ndim == 1:
        call.emit(cut, [call.input(0).name], shape)
        return
    middle = call.emit(cut, [call.input(0).name], (*x[:dim], len(wanted), *x[dim + 1 :]), None)
    call.emit(Reshape(shape), [middle], shape)
