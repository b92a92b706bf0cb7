"""Sequences whose length and indices are known: they are taken apart, so that the graph holds tensors alone.

PyTorch's exporter writes `x.split(…)` as SplitToSequence followed by SequenceAt.
"""

from __future__ import annotations

from ...errors import ModelError
from ..ir import Concat, Pointwise, Reshape, Slice
from .order import title
from .registry import lowers
from .state import Call, NotUnderstood, Value


def _define(call: Call, members: list[str]) -> None:
    name = call.node.output[0]
    call.state.sequences[name] = members
    call.state.values[name] = Value(name, None)


def _members(call: Call) -> list[str]:
    members = call.state.sequences.get(call.input(0).name)
    if members is None:
        raise NotUnderstood("a sequence whose members depend on data")
    return members


@lowers("SplitToSequence")
def split_to_sequence(call: Call) -> None:
    """One `Slice` a member."""
    x = call.shape()
    dim = int(call.get("axis", 0)) % max(len(x), 1)
    sizes: list[int] = [1] * x[dim]
    if call.has(1):
        numbers = call.numbers(1)
        if numbers is None:
            raise NotUnderstood("SplitToSequence with sizes computed at run time")
        if numbers.ndim:
            sizes = [int(n) for n in numbers]
        else:
            size = max(1, int(numbers))
            sizes = [min(size, x[dim] - at) for at in range(0, x[dim], size)]
    if sum(sizes) != x[dim] or min(sizes, default=0) < 0:
        raise ModelError(f"{title(call.node)}: pieces {sizes} of dimension {dim} with extent {x[dim]}")
    drop = not call.has(1) and not call.get("keepdims", 1)
    members: list[str] = []
    start = 0
    for size in sizes:
        shape = (*x[:dim], size, *x[dim + 1 :])
        member = call.emit(Slice(dim, start, start + size), [call.input(0).name], shape, None)
        if drop:
            shape = (*x[:dim], *x[dim + 1 :])
            member = call.emit(Reshape(shape), [member], shape, None)
        members.append(member)
        start += size
    _define(call, members)


@lowers("SequenceConstruct")
def sequence_construct(call: Call) -> None:
    """The members as they are."""
    _define(call, [call.input(k).name for k in range(len(call.inputs))])


@lowers("SequenceAt")
def sequence_at(call: Call) -> None:
    """One member."""
    members, at = _members(call), call.numbers(1)
    if at is None:
        raise NotUnderstood("SequenceAt with an index computed at run time")
    k = int(at)
    if not -len(members) <= k < len(members):
        raise ModelError(f"{title(call.node)}: index {k} of a sequence of {len(members)}")
    shape = call.state.values[members[k]].shape
    if shape is None:
        raise NotUnderstood("a member whose shape depends on data")
    call.emit(Pointwise("identity", False), [members[k]], shape)


@lowers("ConcatFromSequence")
def concat_from_sequence(call: Call) -> None:
    """Concatenation, or stacking with `new_axis`."""
    members = _members(call)
    shapes = [call.state.values[m].shape for m in members]
    if not shapes or shapes[0] is None or any(s is None for s in shapes):
        raise NotUnderstood("a member whose shape depends on data")
    known = [s for s in shapes if s is not None]
    first = known[0]
    if call.get("new_axis", 0):
        dim = int(call.get("axis", 0)) % (len(first) + 1)
        known = [(*s[:dim], 1, *s[dim:]) for s in known]
        members = [call.emit(Reshape(s), [m], s, None) for m, s in zip(members, known, strict=True)]
        first = known[0]
    else:
        dim = int(call.get("axis", 0)) % max(len(first), 1)
    total = (*first[:dim], sum(s[dim] for s in known), *first[dim + 1 :])
    call.emit(Concat(dim), members, total)
