"""Walk a traced ATen graph and write the IR.

The walker carries, for every node of the traced graph, what it stands for: a `Value` (an activation, named in the
IR), a `Const` (depends on no input, still a piece of the traced graph), a list of those, or a plain number.
Operators are lowered by the functions in `registry.LOWERINGS`; an operator with none becomes `Pointwise` or `Merge`
if torch itself declares it point-wise, else `Opaque`.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx
from torch._ops import HigherOrderOperator, OpOverload
from torch.fx.node import map_arg

from ..ir import Constant, Node, Op, Opaque, Pointwise, Shape, Weight
from . import layers, layout, linalg, selection
from .constants import Constants, concrete, shape_of
from .elementwise import elementwise
from .inplace import Views
from .places import Places
from .registry import LOWERINGS, Unsupported
from .values import Const, Pieces, Value, bind, flat, is_mutable, operator_name

FILLED_BY = (layers, layout, linalg, selection)
"""Importing these modules fills `LOWERINGS`."""


class Walker:
    """Builds the nodes of one `Graph`; see the module's docstring."""

    def __init__(self, places: Places) -> None:
        self.nodes: list[Node] = []
        self.shapes: dict[str, Shape] = {}
        self.constants = Constants()
        self.places = places
        self.env: dict[fx.Node, Any] = {}
        self._views = Views()
        self._names: set[str] = set()
        self._written: dict[fx.Node, Value] = {}
        self._current: fx.Node | None = None

    # What lowerings use -----------------------------------------------------------------------------------------

    def emit(self, op: Op, inputs: Sequence[Any], *shapes: Shape, weights: Mapping[str, Weight] | None = None) -> Any:
        """Append a node that reads `inputs` and writes one value for each of `shapes`; return the value, or a list.

        Constants among the inputs become `Constant` nodes.
        """
        names = tuple(self.activation(v).name for v in inputs)
        name = self._fresh(self._current.name if self._current else "value")
        outputs = (name,) if len(shapes) == 1 else tuple(f"{name}:{i}" for i in range(len(shapes)))
        path = self.path
        self.nodes.append(Node(name, op, names, outputs, path, self.places.where(path), dict(weights or {})))
        self.shapes.update(zip(outputs, shapes, strict=True))
        values = [Value(o, s) for o, s in zip(outputs, shapes, strict=True)]
        return values[0] if len(values) == 1 else values

    @property
    def path(self) -> str:
        """The module path of the operation that is being lowered."""
        return self.places.path(self._current) if self._current is not None else ""

    def weights(self, **roles: Any) -> dict[str, Weight]:
        """The given constants as `Weight`s by role; those that are None or computed from the input are left out."""
        return {r: self.weight(r, c) for r, c in roles.items() if isinstance(c, Const)}

    def weight(self, role: str, const: Const, *, transposed: bool = False) -> Weight:
        """One constant as a `Weight`."""
        fallback = f"{self.path}.{role}".removeprefix(".")
        return self.constants.weight(const.node, fallback, transposed=transposed)

    def activation(self, value: Any) -> Value:
        """`value` itself, or the output of a `Constant` node that stands for it."""
        if isinstance(value, Value):
            return value
        if not isinstance(value, Const):
            raise Unsupported(f"it reads {type(value).__name__} where a tensor is expected")
        if value.node not in self._written:
            name = self._fresh(value.node.name)
            path = self.places.path(value.node)
            weight = self.constants.weight(value.node, name)
            self.nodes.append(Node(name, Constant(), (), (name,), path, None, {"value": weight}))
            self.shapes[name] = value.shape
            self._written[value.node] = Value(name, value.shape)
        return self._written[value.node]

    def input(self, node: fx.Node) -> str:
        """Declare `node` an input of the graph; returns its name."""
        name = self._fresh(node.name)
        self.shapes[name] = shape_of(node.meta["val"])
        self.env[node] = Value(name, self.shapes[name])
        return name

    # The walk ---------------------------------------------------------------------------------------------------

    def run(self, module: fx.GraphModule) -> Any:
        """Lower every node of `module`, whose placeholders are bound in `env`; return what its output stands for."""
        for node in module.graph.nodes:
            self._current = node
            if node.op == "call_function":
                self.env[node] = self._call(module, node)
            elif node.op == "get_attr":
                self._attribute(module, node)
            elif node.op == "output":
                return map_arg(node.args[0], self._lookup)
            elif node not in self.env:
                raise Unsupported(f"{node.op} {node.name} has no value")
        return None

    def _lookup(self, node: fx.Node) -> Any:
        return self.env[node]

    def _attribute(self, module: fx.GraphModule, node: fx.Node) -> None:
        value: Any = operator.attrgetter(str(node.target))(module)
        if isinstance(value, torch.Tensor):
            node.meta.setdefault("val", value)
            self.constants.bind(node, str(node.target), value)
            self.env[node] = Const(node, shape_of(value))
        else:
            self.env[node] = value

    def _call(self, module: fx.GraphModule, node: fx.Node) -> Any:
        target: Any = node.target
        args = map_arg(node.args, self._lookup)
        kwargs = map_arg(node.kwargs, self._lookup)
        if target is operator.getitem:
            return self._getitem(node, args)
        if isinstance(target, HigherOrderOperator):
            return self._higher_order(node, args, kwargs)
        val = node.meta.get("val")
        if val is None or isinstance(val, (int, float, bool, torch.SymInt, torch.SymFloat, torch.SymBool)):
            return _number(val)
        if not any(isinstance(v, Value) for v in flat([args, kwargs])):
            return self._constant(node, val)
        if not isinstance(target, OpOverload):
            return self._opaque(node, f"{getattr(target, '__name__', target)} is not an ATen operator", args, kwargs)
        bound = bind(target, args, kwargs)
        try:
            result = self._lower(node, target, bound)
        except Unsupported as error:
            result = self._opaque(node, f"{target}: {error}", args, kwargs)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            reason = f"{target}: its arguments are not of the known kind ({type(error).__name__}: {error})"
            result = self._opaque(node, reason, args, kwargs)
        if is_mutable(target):
            self._mutate(node, target, args, result)
        else:
            self._views.note(node, target)
        return result

    def _lower(self, node: fx.Node, target: Any, bound: dict[str, Any]) -> Any:
        name = operator_name(target)
        if target.namespace in ("aten", "upweave") and name in LOWERINGS:
            return LOWERINGS[name](self, node, bound)
        if torch.Tag.pointwise in target.tags:
            return elementwise(self, node, bound, name)
        raise Unsupported(_reason(name))

    def _constant(self, node: fx.Node, val: Any) -> Any:
        """A call that reads no activation stays a piece of the traced graph."""
        target: Any = node.target
        if is_mutable(target) and operator_name(target) not in ("detach", "requires_grad"):
            written = node.args[0]
            if isinstance(written, fx.Node):
                for changed in self._views.bases(written):
                    self.constants.forget(changed)
                self.env[written] = Const(node, shape_of(val)) if isinstance(val, torch.Tensor) else self.env[written]
        else:
            self._views.note(node, node.target)
        if isinstance(val, torch.Tensor):
            return Const(node, shape_of(val))
        return Pieces(node, val)

    def _getitem(self, node: fx.Node, args: Any) -> Any:
        source, index = args
        if isinstance(source, Pieces):
            val = source.val[index]
            return Const(node, shape_of(val)) if isinstance(val, torch.Tensor) else val
        if isinstance(source, (list, tuple)):
            return source[index]
        # a sub-graph or operator that wrote a single value answers for each of its items
        return source

    def _opaque(self, node: fx.Node, reason: str, args: Any, kwargs: Any) -> Any:
        inputs = [v for v in flat([args, kwargs]) if isinstance(v, Value)]
        val = node.meta.get("val")
        vals = list(val) if isinstance(val, (list, tuple)) else [val]
        shapes = [shape_of(v) if isinstance(v, torch.Tensor) else () for v in vals]
        result = self.emit(Opaque(reason), list(dict.fromkeys(inputs)), *shapes)
        return [result] if isinstance(val, (list, tuple)) and len(vals) == 1 else result

    def _mutate(self, node: fx.Node, target: Any, args: Any, result: Any) -> None:
        """After an in-place call, whatever name the written tensor has stands for the new value."""
        written = node.args[0]
        if not isinstance(written, fx.Node) or not isinstance(result, (Value, Const)):
            return
        for base in self._views.bases(written)[1:]:
            old = self.env[base]
            inputs = [v for v in dict.fromkeys([old, *flat(args)]) if isinstance(v, Value)]
            if isinstance(old, Value) and all(v in (old, self.env[written]) for v in inputs):
                self.env[base] = self.emit(Pointwise("write"), [old], old.shape)
            elif isinstance(old, (Value, Const)):
                reason = f"{target} writes through a view of the tensor"
                self.env[base] = self.emit(Opaque(reason), [*inputs, result], old.shape)
        self.env[written] = result

    def _higher_order(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        """Inline wrappers that run one sub-graph (no_grad, autocast, checkpoint); leave control flow opaque."""
        modules = [a for a in args if isinstance(a, fx.GraphModule)]
        name = getattr(node.target, "_name", str(node.target))
        if len(modules) != 1 or not name.startswith(
            ("wrap", "tag_activation_checkpoint", "invoke_subgraph", "hints_wrapper")
        ):
            return self._opaque(node, f"{name} is control flow that depends on data", args, kwargs)
        inner = modules[0]
        places = [n for n in inner.graph.nodes if n.op == "placeholder"]
        operands = list(args[args.index(inner) + 1 :])
        sources = list(node.args[args.index(inner) + 1 :])
        if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
            operands, sources = list(operands[0]), list(sources[0])  # type: ignore[arg-type]
        if len(operands) != len(places):
            return self._opaque(node, f"{name} has a sub-graph with other arguments", args, kwargs)
        for place, operand, source in zip(places, operands, sources, strict=True):
            if isinstance(operand, Const):
                self.constants.alias(place, operand.node)
                place.meta.setdefault("val", operand.node.meta["val"])
                operand = Const(place, operand.shape)
            elif not isinstance(operand, Value):
                self.constants.alias(place, source)
            self.env[place] = operand
        current, result = self._current, self.run(inner)
        self._current = current
        return result

    def _fresh(self, name: str) -> str:
        unique, count = name, 1
        while unique in self._names:
            count += 1
            unique = f"{name}.{count}"
        self._names.add(unique)
        return unique


_REASONS = {
    "grid_sampler": "it samples at positions that the data decide",
    "grid_sampler_2d": "it samples at positions that the data decide",
    "grid_sampler_3d": "it samples at positions that the data decide",
    "gather": "it picks positions that the data decide",
    "scatter": "it writes to positions that the data decide",
    "scatter_add": "it writes to positions that the data decide",
    "index_put": "it writes to positions given by index tensors",
    "topk": "it reorders positions by their values",
    "sort": "it reorders positions by their values",
    "nonzero": "its size depends on the data",
    "max_unpool2d": "it writes to positions that the data decide",
    "max_unpool3d": "it writes to positions that the data decide",
    "lstm": "it is a recurrent network",
    "gru": "it is a recurrent network",
    "stft": "it leaves the sampling grid for frequencies",
    "istft": "it comes back from frequencies to samples",
}
"""Why operators without a lowering have none, where that can be said better."""


def _reason(name: str) -> str:
    if name.lstrip("_").startswith("fft"):
        return "it moves between samples and frequencies"
    return _REASONS.get(name, "no rule for this operator")


def _number(val: Any) -> Any:
    if isinstance(val, torch.SymInt):
        return concrete(val)
    return val.node.hint if isinstance(val, (torch.SymFloat, torch.SymBool)) else val
