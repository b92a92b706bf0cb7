"""An ONNX file as something to rewrite: its graph, which nodes of the file stand behind which node of the graph, and
which of them must stay as they are."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import onnx

from ...errors import ModelError
from ...graph.ir import (
    Constant,
    Convolution,
    Graph,
    Node,
    Pad,
    Pointwise,
    Resize,
    Shape,
    TransposedConvolution,
)
from ...graph.onnx.front import graph_of
from ...graph.onnx.inputs import GivenShapes, declared_shape
from ...graph.onnx.order import reads
from ...graph.onnx.reader import Model, read_model
from .extents import Extents, declared_extents, follow, symbol_values
from .multiples import resized, why_not_multiple
from .sizes import SAME_SHAPE, Symbols

LEAST_OPSET = 7
"""Older files broadcast in another way; nothing of them is rewritten."""


@dataclass(frozen=True)
class Source:
    """A file that was read.

    Attributes:
        model: the file, its weights not decoded.
        graph: what it computes, at the given sizes.
    """

    model: Model
    graph: Graph

    @property
    def proto(self) -> onnx.GraphProto:
        """The file's own graph."""
        return self.model.proto.graph

    @property
    def opset(self) -> int:
        """The version of ONNX's operators that the file uses."""
        return self.model.opset

    @cached_property
    def writers(self) -> dict[str, onnx.NodeProto]:
        """The node of the file that writes each value."""
        return {o: n for n in self.proto.node for o in n.output if o}

    @cached_property
    def initialisers(self) -> dict[str, onnx.TensorProto]:
        """The tensors of the file by name."""
        return {t.name: t for t in self.proto.initializer}

    @cached_property
    def replaceable(self) -> frozenset[str]:
        """Initialisers that a caller may replace, since they are inputs too (from IR version 4 on: on purpose)."""
        if self.model.proto.ir_version < 4:
            return frozenset()
        return frozenset(i.name for i in self.proto.input) & frozenset(self.initialisers)

    @cached_property
    def fixed(self) -> frozenset[str]:
        """The values that do not depend on any input."""
        known = {*self.initialisers, *(s.values.name for s in self.proto.sparse_initializer)}
        for node in self.proto.node:  # in topological order, or the rest is taken as not fixed
            needs = reads(node)
            random = node.op_type.startswith("Random") or node.op_type in ("Multinomial", "Bernoulli")
            if all(v in known for v in needs) and not random:
                known.update(o for o in node.output if o)
        return frozenset(known)

    @cached_property
    def is_dynamic(self) -> bool:
        """True if some axis of an input has no fixed size."""
        shapes = [declared_shape(i) for i in self.proto.input if i.name not in self.initialisers]
        return any(s is None or any(isinstance(d, str) for d in s) for s in shapes)

    def promises(self, graph: Graph) -> list[str]:
        """What a rewritten form relies on: multiples that the file declares, where a resize to a computed size went."""
        kept = {n.name for n in graph.nodes}
        gone = [self.behind[n.name] for n in self.graph.of(Resize) if n.name not in kept and n.name in self.behind]
        said = [
            f"axis {a} of '{v}' has {e} samples" for v, axes in self.declared.items() for a, e in enumerate(axes)
            if e is not None and e.factor and (e.factor > 1 or e.offset)
        ]  # fmt: skip
        if not said or all(v in self.fixed for n in gone for v in n.input[1:] if v):
            return []
        return [f"the rewritten model holds for the sizes that the file declares: {'; '.join(said)}"]

    def same_shape(self, value: str, among: Collection[str]) -> str | None:
        """The nearest of these values that has the same shape as `value` for every size, through operators of the file
        that keep it."""
        seen, todo = {value}, deque([value])
        while todo:
            found = todo.popleft()
            if found in among:
                return found
            writer = self.writers.get(found)
            near = [n.output[0] for n in self.readers.get(found, ()) if n.input[0] == found and n.op_type in SAME_SHAPE]
            near += [writer.input[0]] if writer is not None and writer.op_type in SAME_SHAPE else []
            todo.extend(v for v in near if v not in seen)
            seen.update(near)
        return None

    @cached_property
    def readers(self) -> dict[str, list[onnx.NodeProto]]:
        """The nodes of the file that read each value."""
        out: dict[str, list[onnx.NodeProto]] = {}
        for node in self.proto.node:
            for v in reads(node):
                out.setdefault(v, []).append(node)
        return out

    @cached_property
    def declared(self) -> dict[str, Extents]:
        """The sizes of the inputs as the file declares them, where it does."""
        inputs = {i.name: declared_extents(i) for i in self.proto.input if i.name not in self.initialisers}
        return {n: e for n, e in inputs.items() if e is not None}

    @cached_property
    def symbols(self) -> Symbols:
        """The integer arithmetic of the file, and the sizes of its values as far as they can be followed."""
        ranks = {v: len(s) for v, s in self.graph.shapes.items()}
        known = dict(self.declared)
        symbols = Symbols(self.writers, self.initialisers, self.model.folder, ranks, extents=known)
        follow(
            self.graph, known,
            lambda node: resized(symbols, node, self.behind[node.name]) if node.name in self.behind else None,
            lambda node: self._varies(node, symbols),
        )  # fmt: skip
        return symbols

    def _varies(self, node: Node, symbols: Symbols) -> bool:
        """Whether a node's numbers, which were read at one size, may be others at another."""
        own = self.behind.get(node.name)
        if own is None or isinstance(node.op, Pointwise):
            return False
        if isinstance(node.op, (Pad, Resize)):
            return not all(v in self.fixed or symbols.is_number(v) for v in own.input[1:] if v)
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in own.attribute}
        same = attributes.get("auto_pad", b"").startswith(b"SAME") and not isinstance(node.op, TransposedConvolution)
        return "output_shape" in attributes or (same and any(s > 1 for s in attributes.get("strides", ())))

    @cached_property
    def behind(self) -> dict[str, onnx.NodeProto]:
        """The node of the file that a node of the graph belongs to: the one that writes its output, or, for an inner
        value, the output of the node behind."""
        readers = self.graph.consumers()
        out: dict[str, onnx.NodeProto] = {}
        for node in reversed(self.graph.nodes):
            if isinstance(node.op, Constant):
                continue  # others of the file may read the same numbers as parameters
            written = self.writers.get(node.output)
            if written is None and (behind := readers.get(node.output)):
                written = out.get(behind[0].name)
            if written is not None:
                out[node.name] = written
        return out

    @cached_property
    def frozen(self) -> dict[str, str]:
        """The nodes of the graph that no rewrite may touch, each with the reason."""
        return {n.name: r for n in self.graph.nodes if (r := self._why_frozen(n))}

    def _why_frozen(self, node: Node) -> str:
        own = self.behind.get(node.name)
        if own is None:
            return ""
        if self.opset < LEAST_OPSET:
            return f"the file uses opset {self.opset}; files before opset {LEAST_OPSET} are left as they are"
        given = [v for v in own.input if v in self.replaceable]
        if given:
            return f"'{given[0]}' is an input with a default, which a caller may replace"
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in own.attribute}
        if isinstance(node.op, (Convolution, TransposedConvolution)):
            return self._frozen_convolution(node, own, attributes)
        if isinstance(node.op, Resize):
            return self._frozen_resize(node, own)
        if isinstance(node.op, Pad) and own.op_type == "Pad":
            late = [v for v in own.input[1:] if v and not self.symbols.is_number(v) and v not in self.fixed]
            return f"its paddings are computed at run time ('{late[0]}')" if late else ""
        if isinstance(node.op, Pointwise) and node.op.kind == "dropout":
            training = len(own.input) > 2 and own.input[2] and not self._is_false(own.input[2])
            return "dropout in training mode" if training else ""
        if isinstance(node.op, Pointwise) and attributes.get("training_mode"):
            return "batch normalisation in training mode"
        return ""

    def _frozen_convolution(self, node: Node, own: onnx.NodeProto, attributes: dict[str, Any]) -> str:
        if own.op_type not in ("Conv", "ConvTranspose"):
            return f"{own.op_type} is quantised"
        late = [v for v in own.input[1:] if v and v not in self.fixed]
        if late:
            return f"its weights are computed at run time ('{late[0]}')"
        mode = attributes.get("auto_pad", b"NOTSET").decode()
        strided = any(s > 1 for s in attributes.get("strides", ()))
        is_open = any(e is None or e.factor for e in self.symbols.extents.get(node.inputs[0], (None,))[2:] or (None,))
        if is_open and isinstance(node.op, Convolution) and mode.startswith("SAME") and strided:
            return "auto_pad with a stride depends on the size, which is not fixed"
        if is_open and "output_shape" in attributes:
            return "output_shape fixes the size, and with it paddings that depend on a size that is not fixed"
        return ""

    def _frozen_resize(self, node: Node, own: onnx.NodeProto) -> str:
        if own.op_type not in ("Resize", "Upsample") or not self.is_dynamic:
            return ""
        assert isinstance(node.op, Resize)
        values = [v for v in own.input[1:] if v]
        late = [v for v in values if v not in self.fixed and not self.symbols.is_number(v)]
        if not node.op.by_size:
            return f"its scale is computed at run time ('{late[0]}')" if late else ""
        return why_not_multiple(self.symbols, node, own)

    def _is_false(self, value: str) -> bool:
        tensor = self.initialisers.get(value)
        return tensor is not None and not onnx.numpy_helper.to_array(tensor).any()


def read_source(path: str | os.PathLike[str], inputs: GivenShapes = None) -> Source:
    """Read a file; dynamic axes that have no shape given are tried at sizes that models usually take.

    Raises `ModelError` for what is no sound model.
    """
    model = read_model(path)
    return Source(model, graph_of(model, inputs))


def suggested_shapes(model: Model, given: Mapping[str, Shape] = MappingProxyType({})) -> dict[str, Shape]:
    """Sizes of the inputs that have none given: 1 for the first axis, which is the batch, 64 for other dynamic ones, or
    the nearest to it of the sizes that the file declares ("3*h + 1") and the given ones leave."""
    shapes: dict[str, Shape] = {}
    known = {t.name for t in model.proto.graph.initializer}
    infos = [i for i in model.proto.graph.input if i.name not in known and i.type.HasField("tensor_type")]
    declared = {i.name: declared_extents(i) for i in infos}
    symbols = symbol_values(given, {n: e for n, e in declared.items() if e is not None})
    for name, dims in declared.items():
        if name in given:
            continue
        if dims is None:
            raise ModelError(f"input '{name}' has no declared shape; give one with --input {name}=1x3x64x64")
        for a, e in enumerate(dims):
            if e.factor:
                symbols.setdefault(e.symbol, e.nearest(1 if a == 0 else 64))
        shapes[name] = tuple(e.at(symbols[e.symbol]) if e.factor else e.offset for e in dims)
    return shapes
