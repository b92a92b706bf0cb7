"""Operators that move elements without computing: reshape, transpose, concatenate, expand, pad."""

from __future__ import annotations

from ...errors import ModelError
from ..ir import Concat, Expand, Pad, Permute, Reshape, Tile
from .order import title
from .registry import lowers
from .state import Call, NotUnderstood

_PAD_MODES = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@lowers("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(call: Call) -> None:
    """The same elements under another shape."""
    shape = call.known_shape()
    call.shape()
    call.emit(Reshape(shape), [call.input(0).name], shape)


@lowers("Transpose")
def transpose(call: Call) -> None:
    """A permutation of the dimensions; reversed by default."""
    x = call.shape()
    order = tuple(int(a) for a in call.get("perm") or reversed(range(len(x))))
    if sorted(order) != list(range(len(x))):
        raise ModelError(f"{title(call.node)}: perm {list(order)} is no permutation of {len(x)} dimensions")
    call.emit(Permute(order), [call.input(0).name], tuple(x[a] for a in order))


@lowers("Concat")
def concat(call: Call) -> None:
    """Concatenation; constants among the inputs become `Constant` nodes."""
    shapes = [call.shape(k) for k in range(len(call.inputs))]
    rank = len(shapes[0])
    dim = int(call.get("axis", 1)) % max(rank, 1)
    for s in shapes[1:]:
        if len(s) != rank or any(a != b for k, (a, b) in enumerate(zip(s, shapes[0], strict=True)) if k != dim):
            raise ModelError(
                f"{title(call.node)}: shapes {list(shapes[0])} and {list(s)} do not join along dimension {dim}"
            )
    out = tuple(sum(s[dim] for s in shapes) if a == dim else shapes[0][a] for a in range(rank))
    call.emit(Concat(dim), [call.input(k).name for k in range(len(call.inputs))], out)


@lowers("Expand")
def expand(call: Call) -> None:
    """Broadcasting to a shape."""
    shape = call.known_shape()
    call.emit(Expand(shape), [call.input(0).name], shape)


@lowers("Tile")
def tile(call: Call) -> None:
    """The whole tensor repeated."""
    x = call.shape()
    reps = call.parameter("repeats", 1)
    if reps is None or len(reps) != len(x):
        raise NotUnderstood("Tile without one repeat a dimension")
    call.emit(Tile(tuple(reps)), [call.input(0).name], tuple(d * r for d, r in zip(x, reps, strict=True)))


@lowers("Pad")
def pad(call: Call) -> None:
    """Padding or, with negative numbers, cropping."""
    x = call.shape()
    pads = call.parameter("paddings" if "paddings" in call.attributes else "pads", 1)
    axes = call.parameter("axes", 3) or list(range(len(x)))
    if pads is None or len(pads) != 2 * len(axes):
        raise ModelError(f"{title(call.node)}: {len(pads or [])} pads for {len(axes)} dimensions")
    pairs = [(0, 0)] * len(x)
    for k, a in enumerate(axes):
        pairs[a] = (pads[k], pads[len(axes) + k])
    mode = _PAD_MODES.get(call.get("mode", "constant"), "constant")
    if mode == "constant":
        value = call.get("value", 0.0)
        if call.has(2):
            numbers = call.numbers(2)
            value = 1.0 if numbers is None else numbers.ravel()[0] if numbers.size else 0.0
        mode = "constant" if value else "zeros"
    shape = tuple(d + b + e for d, (b, e) in zip(x, pairs, strict=True))
    call.emit(Pad(tuple(pairs), mode), [call.input(0).name], shape)
