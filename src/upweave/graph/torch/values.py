"""What a node of a traced graph can stand for while it is walked, and small readers of operators and arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import fx

from ..ir import Shape


@dataclass(frozen=True)
class Value:
    """An activation: a named value of the IR."""

    name: str
    shape: Shape


@dataclass(frozen=True)
class Const:
    """A tensor that depends on no input; `node` is the piece of the traced graph that computes it."""

    node: fx.Node
    shape: Shape


@dataclass(frozen=True)
class Pieces:
    """The several results of a call on constants."""

    node: fx.Node
    val: Any


def operator_name(target: Any) -> str:
    """aten.add_.Tensor -> add, aten._softmax.default -> _softmax: without overload and in-place mark."""
    name: str = target._schema.name.rpartition("::")[2]
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def is_mutable(target: Any) -> bool:
    """True if the operator writes to one of its arguments."""
    schema = getattr(target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def flat(values: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dicts."""
    if isinstance(values, Mapping):
        return [leaf for v in values.values() for leaf in flat(v)]
    if isinstance(values, (list, tuple)):
        return [leaf for v in values for leaf in flat(v)]
    return [values]


def bind(target: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an operator by its schema's names, defaults filled in."""
    bound: dict[str, Any] = {}
    for i, argument in enumerate(target._schema.arguments):
        bound[argument.name] = args[i] if i < len(args) else kwargs.get(argument.name, argument.default_value)
    return bound
