"""Concrete input shapes: what the file declares, and what the user gives for its dynamic axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import onnx

from ...errors import ModelError
from ..ir import Shape
from .tensors import checked_shape

Declared: TypeAlias = "tuple[int | str, ...] | None"
GivenShapes: TypeAlias = "Mapping[str, Shape] | Sequence[Shape] | None"


def declared_shape(info: onnx.ValueInfoProto) -> Declared:
    """Dimensions as the file says: ints, names ("?" where it gives none), or None where even the rank is open."""
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not kind.HasField("shape"):
        return None
    return tuple(int(d.dim_value) if d.HasField("dim_value") else (d.dim_param or "?") for d in kind.shape.dim)


def bind_inputs(infos: Sequence[onnx.ValueInfoProto], given: GivenShapes) -> dict[str, Shape]:
    """The shape of every tensor input, by name.

    Raises `ModelError` where a shape is missing, has the wrong rank, contradicts a fixed dimension or another use of
    the same symbol, or belongs to no input.
    """
    names = [i.name for i in infos]
    by_name = _by_name(names, given)
    symbols: dict[str, tuple[int, str]] = {}
    shapes: dict[str, Shape] = {}
    declared = {i.name: declared_shape(i) for i in infos}
    for name, dims in declared.items():
        if name in by_name:
            shapes[name] = _fit(name, dims, by_name[name], symbols)
    for info in infos:
        name, dims = info.name, declared[info.name]
        if name in shapes or not info.type.HasField("tensor_type"):
            continue  # sequences and maps have no shape; what reads them is opaque
        resolved = None if dims is None else tuple(symbols.get(d, (d,))[0] if isinstance(d, str) else d for d in dims)
        if resolved is None or any(isinstance(d, str) for d in resolved):
            raise ModelError(_ask(name, dims))
        shapes[name] = tuple(int(d) for d in resolved)
    return {n: checked_shape(s, f"input '{n}'") for n, s in shapes.items()}


def _by_name(names: Sequence[str], given: GivenShapes) -> dict[str, Shape]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise ModelError(f"the model has no input '{name}'; its inputs are {', '.join(names) or 'none'}")
        return {n: tuple(int(d) for d in s) for n, s in given.items()}
    if len(given) > len(names):
        raise ModelError(f"{len(given)} input shapes are given, but the model has {len(names)}: {', '.join(names)}")
    return {n: tuple(int(d) for d in s) for n, s in zip(names, given, strict=False)}


def _fit(name: str, dims: Declared, shape: Shape, symbols: dict[str, tuple[int, str]]) -> Shape:
    if dims is None:
        return shape
    if len(dims) != len(shape):
        raise ModelError(
            f"input '{name}' has {len(dims)} dimensions ({_text(dims)}), "
            f"but the given shape {_text(shape)} has {len(shape)}"
        )
    for a, (want, got) in enumerate(zip(dims, shape, strict=True)):
        if isinstance(want, int) and want != got:
            raise ModelError(
                f"input '{name}' fixes dimension {a} at {want}, but the given shape {_text(shape)} has {got}"
            )
        if isinstance(want, str) and want != "?":
            first, owner = symbols.setdefault(want, (got, name))
            if first != got:
                raise ModelError(f"the axis '{want}' is {first} in input '{owner}' and {got} in input '{name}'")
    return shape


def _text(shape: Sequence[int | str]) -> str:
    return "x".join(map(str, shape))


def _ask(name: str, dims: Declared) -> str:
    if dims is None:
        return f"input '{name}' has no declared shape; give one with --input {name}=1x3x64x64"
    example = [d if isinstance(d, int) else (1 if a == 0 else 64) for a, d in enumerate(dims)]
    return f"input '{name}' has dynamic axes ({_text(dims)}); give its shape with --input {name}={_text(example)}"
