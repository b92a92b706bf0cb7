"""What is known while nodes are translated one by one: `State` for the whole graph, `Call` for the node at hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper

from ...errors import ModelError
from ..ir import Constant, Node, Op, Shape, Weight
from .order import title
from .tensors import MOST_ELEMENTS, checked_shape, plain

SMALL = 4096
"""Constants of at most so many elements may be decoded to learn a shape or a parameter."""


class NotUnderstood(Exception):
    """Raised by an operator's function; its message is the reason of the `Opaque` node."""


@dataclass(frozen=True)
class Value:
    """A value of the ONNX graph. `shape` is None where it depends on data; `weight` is set on constants."""

    name: str
    shape: Shape | None
    elem: int = TensorProto.FLOAT
    weight: Weight | None = None


@dataclass
class State:
    """The values and nodes so far."""

    opsets: dict[str, int]
    folder: str
    values: dict[str, Value] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    numbers: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    """Small constants that were decoded or computed, by value name."""
    stored_shapes: dict[str, Shape] = field(default_factory=dict)
    """Static shapes that the file itself records, for values that cannot be inferred."""
    sequences: dict[str, list[str]] = field(default_factory=dict)
    """The members of sequences that were taken apart."""
    value_names: set[str] = field(default_factory=set)
    node_names: set[str] = field(default_factory=set)
    emitted: set[str] = field(default_factory=set)

    def fresh(self, name: str) -> str:
        """A node's name, with the first number that makes it unique if it is taken."""
        return _unique(name, self.node_names)

    def fresh_value(self, name: str) -> str:
        """The same for a value."""
        return _unique(name, self.value_names)

    def small(self, name: str) -> npt.NDArray[Any] | None:
        """The numbers of a constant of at most `SMALL` elements; None for anything else."""
        if name in self.numbers:
            return self.numbers[name]
        value = self.values.get(name)
        if value is None or value.weight is None or value.weight.size > SMALL:
            return None
        numbers = value.weight.load()
        if numbers is not None:
            self.numbers[name] = numbers
        return numbers

    def materialise(self, name: str) -> str:
        """Emit a `Constant` node for a constant that is read as an activation, once."""
        value = self.values[name]
        if value.weight is not None and name not in self.emitted:
            self.emitted.add(name)
            node = self.fresh(f"constant:{name}")
            self.nodes.append(Node(node, Constant(), (), (name,), name, weights={"value": value.weight}))
        return name


def _unique(name: str, taken: set[str]) -> str:
    out, k = name, 1
    while out in taken:
        k += 1
        out = f"{name}_{k}"
    taken.add(out)
    return out


class Call:
    """One ONNX node being translated: typed access to its attributes and inputs, and `emit`.

    Nodes are buffered and enter the graph only when the operator's function returns, so that a function may raise
    `NotUnderstood` at any point.
    """

    def __init__(self, state: State, node: onnx.NodeProto) -> None:
        self.state = state
        self.node = node
        self.op = node.op_type
        self.attributes = {a.name: a for a in node.attribute}
        self.inputs = [state.values[i] if i else None for i in node.input]
        self.buffer: list[Node] = []
        self.written: dict[str, Shape] = {}
        self.path, self.where = origin(node)
        self._inferred: dict[str, onnx.TypeProto] | None = None

    # attributes

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute as a Python value; strings are decoded."""
        a = self.attributes.get(name)
        if a is None:
            return default
        value = onnx.helper.get_attribute_value(a)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return list(value) if a.type in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS) else value

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return self.state.opsets.get("", 1)

    # inputs

    def has(self, k: int) -> bool:
        """True if input k is there."""
        return k < len(self.inputs) and self.inputs[k] is not None

    def input(self, k: int) -> Value:
        """Input k; raises `ModelError` if it is missing."""
        value = self.inputs[k] if k < len(self.inputs) else None
        if value is None:
            raise ModelError(f"{title(self.node)} lacks its input {k}")
        return value

    def shape(self, k: int = 0) -> Shape:
        """The shape of input k; raises `NotUnderstood` if it depends on data."""
        value = self.input(k)
        if value.shape is None:
            raise NotUnderstood(f"it reads '{value.name}', whose shape depends on data")
        return value.shape

    def numbers(self, k: int) -> npt.NDArray[Any] | None:
        """The numbers of input k if it is there and a small constant."""
        return self.state.small(self.input(k).name) if self.has(k) else None

    def parameter(self, name: str, k: int) -> list[int] | None:
        """Integers given by attribute `name` or input k (newer opsets); None if neither is there.

        Raises `NotUnderstood` if they are computed at run time.
        """
        if name in self.attributes:
            value = self.get(name)
            return list(value) if isinstance(value, list) else [int(value)]
        if not self.has(k):
            return None
        numbers = self.numbers(k)
        if numbers is None:
            raise NotUnderstood(f"the {name} of {self.op} are computed at run time")
        return [int(v) for v in numbers.ravel()]

    def is_constant(self, k: int) -> bool:
        """True if input k is there and constant."""
        return self.has(k) and self.input(k).weight is not None

    def activations(self) -> list[Value]:
        """The inputs that are no constants."""
        return [v for v in self.inputs if v is not None and v.weight is None]

    # outputs

    def inferred(self, k: int = 0) -> Shape | None:
        """The shape of output k by ONNX's own shape inference on concrete shapes, or None."""
        if self._inferred is None:
            from .fold import infer

            self._inferred = infer(self)
        name = self.node.output[k] if k < len(self.node.output) else ""
        kind = self._inferred.get(name)
        shape = None
        if kind is not None and kind.tensor_type.HasField("shape"):
            dims = kind.tensor_type.shape.dim
            if all(d.HasField("dim_value") for d in dims):
                shape = tuple(int(d.dim_value) for d in dims)
        return shape

    def known_shape(self, k: int = 0) -> Shape:
        """`inferred`, or what the file records; raises `NotUnderstood` if neither is known."""
        shape = self.inferred(k)
        if shape is None:
            shape = self.state.stored_shapes.get(self.node.output[k])
        if shape is None:
            raise NotUnderstood(f"the output shape of {self.op} depends on data")
        return shape

    def elem(self, k: int = 0) -> int:
        """The element type of output k."""
        if self.op == "Cast":
            return int(self.get("to", TensorProto.FLOAT))
        if self.op == "CastLike":
            return self.input(1).elem
        if self.op in _BOOLEAN:
            return int(TensorProto.BOOL)
        if self._inferred is not None:
            kind = self._inferred.get(self.node.output[k])
            if kind is not None and kind.tensor_type.elem_type:
                return kind.tensor_type.elem_type
        return next((v.elem for v in self.inputs if v is not None), TensorProto.FLOAT)

    def emit(
        self,
        op: Op,
        inputs: Sequence[str],
        shape: Shape,
        output: int | None = 0,
        weights: dict[str, Weight] | None = None,
    ) -> str:
        """Buffer one node that writes output number `output` of the ONNX node, or an inner value if that is None.

        Returns the name of the value. Raises `ModelError` for an impossible shape.
        """
        checked_shape(shape, f"the output of {title(self.node)}")
        if output is None:
            value = self.state.fresh_value(f"{self.node.output[0]}/{len(self.buffer) + 1}")
        else:
            value = self.node.output[output]
        name = self.node.name or f"{self.op}:{self.node.output[0]}"
        if output is None:
            name = f"{name}/{len(self.buffer) + 1}"
        elif output:
            name = f"{name}/output{output}"
        inner = {n.outputs[0] for n in self.buffer}
        for i in inputs:
            if i not in inner:
                self.state.materialise(i)
        self.buffer.append(
            Node(self.state.fresh(name), op, tuple(inputs), (value,), self.path, self.where, dict(weights or {}))
        )
        self.written[value] = shape
        return value


_BOOLEAN = {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "And", "Or", "Xor", "IsNaN", "IsInf"}
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def origin(node: onnx.NodeProto) -> tuple[str, str | None]:
    """Module path and "file.py:line" where the exporter recorded them; else the node's name."""
    name = node.name or f"{node.op_type}:{next((o for o in node.output if o), '')}"
    # What is not UTF-8 comes as bytes; metadata of that kind is nobody's module path.
    meta = {p.key: p.value for p in node.metadata_props if isinstance(p.value, str)}
    scopes = [s.strip(" '\"") for s in meta.get("pkg.torch.onnx.name_scopes", "").strip("[]").split(",")]
    if len(scopes) > 1 and scopes[-2]:
        name = scopes[-2]
    frames = [(f, n) for f, n in _FRAME.findall(meta.get("pkg.torch.onnx.stack_trace", "")) if "/torch/" not in f]
    return name, f"{frames[-1][0]}:{frames[-1][1]}" if frames else None


def tensor_value(name: str, array: npt.NDArray[Any]) -> onnx.TensorProto:
    """A NumPy array as an ONNX tensor."""
    return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def constant_value(name: str, array: npt.NDArray[Any]) -> Value:
    """A small computed array as a constant value."""
    array = plain(np.asarray(array))
    if array.size > MOST_ELEMENTS:
        raise ModelError(f"'{name}' is absurdly large")
    elem = onnx.helper.np_dtype_to_tensor_dtype(array.dtype) if array.dtype.kind in "biufc" else TensorProto.STRING
    return Value(name, array.shape, elem, Weight(name, array.shape, array.dtype.name, lambda: array))
