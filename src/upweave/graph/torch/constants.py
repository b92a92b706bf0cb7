"""Values that depend on no input: parameters, buffers, and what the model computes from them.

A weight-normalised layer computes its weight from two parameters on every call. Such a value stays a piece of the
traced graph; `Constants.evaluate` runs that piece alone, only when somebody asks for the numbers.
"""

from __future__ import annotations

import operator
import re
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload
from torch.fx.node import map_arg

from ..ir import Shape, Weight
from .values import is_mutable, operator_name

_LARGEST_INDEX = 1 << 22


class Constants:
    """The parameters behind the placeholders of a traced graph, and a lazy evaluator for what is computed from them."""

    def __init__(self) -> None:
        self._tensors: dict[fx.Node, Any] = {}
        self._names: dict[fx.Node, str] = {}
        self._aliases: dict[fx.Node, Any] = {}
        self._memo: dict[fx.Node, Any] = {}
        self._forgotten: set[fx.Node] = set()

    def bind(self, node: fx.Node, name: str, tensor: Any) -> None:
        """Say that `node` (a placeholder or attribute) stands for the named tensor, or for what a function loads."""
        self._names[node] = name
        self._tensors[node] = tensor

    def alias(self, node: fx.Node, other: Any) -> None:
        """Say that `node` (an argument of an inlined sub-graph) stands for another node or a plain value."""
        self._aliases[node] = other

    def forget(self, node: fx.Node) -> None:
        """Say that the numbers of `node` change by a write that the evaluator does not follow."""
        self._forgotten.add(node)

    def weight(self, node: fx.Node, fallback: str, *, transposed: bool = False) -> Weight:
        """The value of `node` as a `Weight`; `fallback` is its name if it is computed from no parameter.

        With `transposed` its last two dimensions are exchanged.
        """
        while node in self._aliases and isinstance(self._aliases[node], fx.Node):
            node = self._aliases[node]
        shape, dtype = shape_of(node.meta["val"]), str(node.meta["val"].dtype).removeprefix("torch.")

        def load() -> Any:
            value = self.evaluate(node)
            if value is None:
                return None
            return to_numpy(value.transpose(-1, -2) if transposed else value)

        if transposed:
            shape = (*shape[:-2], shape[-1], shape[-2])
        name = self._names.get(node) or self._computed_name(node) or fallback
        return Weight(name, shape, dtype, load)

    def evaluate(self, node: Any) -> Any:
        """The tensor that `node` stands for, or None if it cannot be known (no numbers, an operator that fails)."""
        try:
            with torch.no_grad():
                value = self._run(node)
        except Exception:
            return None
        finally:
            self._memo.clear()
        return None if isinstance(value, torch.Tensor) and value.is_meta else value

    def integers(self, node: fx.Node) -> list[Any] | int | None:
        """The numbers of a small integer tensor as nested lists, or None."""
        val = node.meta.get("val")
        if not isinstance(val, torch.Tensor) or val.is_floating_point() or val.numel() > _LARGEST_INDEX:
            return None
        value = self.evaluate(node)
        return None if value is None else value.tolist()

    def _computed_name(self, node: fx.Node) -> str | None:
        """The name that a reader knows the computed weight by: up.weight for up.parametrizations.weight.original0."""
        seen: set[fx.Node] = set()
        pending = [node]
        while pending:
            n = pending.pop(0)
            if n in seen:
                continue
            seen.add(n)
            if n in self._names:
                name = re.sub(r"\.parametrizations\.(\w+)\..*$", r".\1", "." + self._names[n])
                return re.sub(r"_(orig|g|v)$", "", name).removeprefix(".")
            other = self._aliases.get(n)
            pending.extend([other] if isinstance(other, fx.Node) else n.all_input_nodes)
        return None

    def _run(self, node: Any) -> Any:
        if not isinstance(node, fx.Node):
            return node
        if node in self._memo:
            return self._memo[node]
        if node in self._forgotten:
            raise LookupError(node.name)
        if node in self._tensors:
            value = self._tensors[node]
            value = value() if callable(value) else value
        elif node in self._aliases:
            value = self._run(self._aliases[node])
        elif node.op == "call_function":
            args = map_arg(node.args, self._run)
            kwargs = dict(map_arg(node.kwargs, self._run))
            if kwargs.get("device") is not None:
                kwargs["device"] = torch.device("cpu")
            if not may_run(node.target):
                raise LookupError(f"{node.target} is not run")
            value = node.target(*_copied(node, args), **kwargs)  # type: ignore[operator]
        else:
            raise LookupError(node.name)
        self._memo[node] = value
        return value


def may_run(target: Any) -> bool:
    """True for torch's operators, our own and Python's arithmetic: what a graph from a file may have evaluated.

    `aten.from_file` maps any file on disk and may create it, so it is never run.
    """
    if isinstance(target, OpOverload):
        return target.namespace in ("aten", "prims", "upweave") and operator_name(target) != "from_file"
    return getattr(operator, getattr(target, "__name__", ""), None) is target


def _copied(node: fx.Node, args: Any) -> Any:
    """The arguments, with the one that an in-place operator would write copied: parameters are never written."""
    if not is_mutable(node.target):
        return args
    return tuple(a.clone() if isinstance(a, torch.Tensor) else a for a in args)


def to_numpy(tensor: Any) -> Any:
    """The tensor as a NumPy array; dtypes that NumPy lacks come as float32."""
    tensor = tensor.detach()
    if tensor.dtype.is_floating_point and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.float()
    return tensor.cpu().numpy()


def shape_of(val: Any) -> Shape:
    """The concrete shape of a (fake) tensor; a dimension that is still symbolic gives its example extent."""
    return tuple(concrete(extent) for extent in val.shape)


def concrete(number: Any) -> int:
    """A possibly symbolic integer as an int; a size that the data decide is taken as if each unknown were 64."""
    if not isinstance(number, torch.SymInt):
        return int(number)
    hint = number.node.hint
    if hint is None:
        expression = number.node.expr
        known = dict.fromkeys(expression.free_symbols, DATA_SIZE)
        hint = expression.xreplace(known)
    return int(hint)


DATA_SIZE = 64
"""The example extent of a dimension whose size only the data decide (the frames of a text-to-speech model)."""
