"""Sizes that a file computes while it runs: are they whole multiples of a tensor's own, whatever its size?

A graph is read at one set of sizes, and a resize to twice the size looks the same there as one to 128. Here the small
integer arithmetic of exporters (Shape, Gather, Mul, Concat …) is followed with symbols: an element is a number, or
c times dimension d of a named tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import onnx
from onnx import numpy_helper

from ...graph.onnx.tensors import decode
from .extents import Extents


@dataclass(frozen=True)
class Term:
    """factor · (dimension `dim` of `value`); a plain number where `value` is ""."""

    factor: Fraction
    value: str = ""
    dim: int = 0


Terms: TypeAlias = "tuple[Term, ...] | None"
Ratio: TypeAlias = Callable[[Term, Term], Fraction | None]

SAME_SHAPE = frozenset(
    ("Relu", "LeakyRelu", "Sigmoid", "Tanh", "Identity", "Cast", "Dropout", "BatchNormalization", "Elu", "Clip", "Gelu")
) | frozenset(("InstanceNormalization", "GroupNormalization", "HardSwish", "HardSigmoid", "Mish", "PRelu", "Softplus"))


@dataclass
class Symbols:
    """The integer arithmetic of one graph, looked up value by value.

    `ranks` gives the number of dimensions of a value, for `Shape` with a negative end; `extents` what is known of the
    sizes of the values (`extents.py` fills it, value by value).
    """

    nodes: Mapping[str, onnx.NodeProto]
    initialisers: Mapping[str, onnx.TensorProto]
    folder: str
    ranks: Mapping[str, int]
    found: dict[str, Terms] = field(default_factory=dict)
    extents: dict[str, Extents] = field(default_factory=dict)

    def origin(self, value: str) -> str:
        """The first of the values in front that has the same shape as this one, through operators that keep it."""
        while (node := self.nodes.get(value)) is not None and node.op_type in SAME_SHAPE:
            value = node.input[0]
        return value

    def terms(self, value: str, depth: int = 0) -> Terms:
        """The elements of a small integer or float vector, or None where they cannot be followed."""
        if value not in self.found:
            self.found[value] = None  # a cycle would end here; the reader has refused it already
            self.found[value] = self._look(value, depth) if depth < 200 else None
        return self.found[value]

    def is_number(self, value: str) -> bool:
        """True if every element is a number, whatever the sizes are."""
        terms = self.terms(value)
        return terms is not None and not any(t.value for t in terms)

    def _look(self, value: str, depth: int) -> Terms:
        tensor = self.initialisers.get(value)
        if tensor is not None:
            return _constant(tensor, self.folder)
        node = self.nodes.get(value)
        if node is None:
            return None
        at = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant":
            return _attribute(at, self.folder)
        if node.op_type == "Shape":
            x = self.origin(node.input[0])
            if x not in self.ranks and node.input[0] not in self.ranks:
                return None
            rank = self.ranks.get(node.input[0], self.ranks.get(x, 0))
            dims = range(rank)[slice(at.get("start", 0), at.get("end"))]
            return tuple(Term(Fraction(1), x, d) for d in dims)
        parts = [self.terms(i, depth + 1) if i else () for i in node.input]
        if any(p is None for p in parts):
            return None
        return _apply(node.op_type, [p for p in parts if p is not None], at, self._ratio)

    def _ratio(self, x: Term, y: Term) -> Fraction | None:
        """How many times as long one axis is as another, where that is known to be the same for every size."""
        if (x.value, x.dim) == (y.value, y.dim):
            return Fraction(1)
        a, b = (self.extents.get(t.value, ())[t.dim : t.dim + 1] for t in (x, y))
        return a[0].ratio(b[0]) if a and b and a[0] is not None and b[0] is not None else None


def _apply(op: str, parts: list[tuple[Term, ...]], at: dict[str, object], ratio: Ratio) -> Terms:
    first = parts[0]
    if op in ("Identity", "Unsqueeze", "Squeeze", "Reshape"):
        return first
    if op in ("Floor", "Ceil", "Round", "Cast"):  # a cast to integers cuts fractions off
        whole = all(t.factor.denominator == 1 for t in first)
        return first if whole else None
    if op == "Concat":
        return tuple(t for p in parts for t in p)
    if op == "Gather":
        picked = [_number(t) for t in parts[1]]
        if any(n is None or not -len(first) <= n < len(first) for n in picked):
            return None
        return tuple(first[int(n)] for n in picked if n is not None)
    if op == "Slice" and len(parts) >= 3 and all(len(p) == 1 for p in parts[1:]):
        cut = [_number(p[0]) for p in parts[1:]]
        if any(n is None for n in cut):
            return None
        start, stop = (int(n) for n in cut[:2] if n is not None)
        step = int(cut[3]) if len(cut) > 3 and cut[3] is not None else 1
        return first[slice(start, stop, step)]
    if op in ("Mul", "Div"):
        return _product(op, parts, ratio)
    return None


def _product(op: str, parts: list[tuple[Term, ...]], ratio: Ratio) -> Terms:
    a, b = parts
    size = max(len(a), len(b))
    if len(a) not in (1, size) or len(b) not in (1, size):
        return None
    out: list[Term] = []
    for x, y in zip(a * (size // len(a)), b * (size // len(b)), strict=True):
        if op == "Mul" and x.value and not y.value:
            out.append(Term(x.factor * y.factor, x.value, x.dim))
        elif op == "Mul" and not x.value:
            out.append(Term(x.factor * y.factor, y.value, y.dim))
        elif op == "Div" and y.factor and (common := ratio(x, y)) is not None:
            out.append(Term(common * x.factor / y.factor))  # a size over another, as exporters write a scale
        elif op == "Div" and not y.value and y.factor and (x.factor / y.factor).denominator == 1:
            out.append(Term(x.factor / y.factor, x.value, x.dim))
        else:
            return None
    return tuple(out)


def _number(t: Term) -> Fraction | None:
    return None if t.value else t.factor


def _constant(tensor: onnx.TensorProto, folder: str) -> Terms:
    if int(np.prod(tensor.dims, dtype=np.int64)) > 64 or tensor.data_type == onnx.TensorProto.STRING:
        return None
    values = decode(tensor, folder).ravel()
    if not np.isfinite(values.astype(np.float64)).all():
        return None
    return tuple(Term(Fraction(float(v)) if values.dtype.kind == "f" else Fraction(int(v))) for v in values)


def _attribute(at: dict[str, object], folder: str) -> Terms:
    value = at.get("value")
    if isinstance(value, onnx.TensorProto):
        return _constant(value, folder)
    for name in ("value_int", "value_ints", "value_float", "value_floats"):
        if name in at:
            return _constant(numpy_helper.from_array(np.atleast_1d(np.asarray(at[name])), name), folder)
    return None
