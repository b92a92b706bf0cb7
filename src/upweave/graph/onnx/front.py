"""`from_onnx`: the way from a file to a `Graph`."""

from __future__ import annotations

import os
from collections.abc import Iterable

import onnx
from onnx import TensorProto

from ...errors import ModelError, SpecError
from ..ir import Graph, Node, Opaque, Shape
from . import ops_algebra, ops_conv, ops_index, ops_layout, ops_pointwise, ops_pool, ops_resize, ops_sequence  # noqa: F401
from .fold import fold
from .inputs import GivenShapes, bind_inputs, declared_shape
from .order import reads, sorted_nodes, title
from .reader import NAMES, Model, first_line, one_line, read_model
from .registry import TABLE
from .state import Call, NotUnderstood, State, Value
from .tensors import sparse_weight, weight_of
from .tidy import tidy


def from_onnx(path: str | os.PathLike[str], inputs: GivenShapes = None) -> Graph:
    """The graph of an ONNX file.

    `inputs` gives concrete shapes for dynamic axes, by input name or in the model's order. Nothing is run and no
    weight is decoded; external data is looked at, never read, until `Weight.load()`. A value whose shape depends on
    data is absent from `Graph.shapes`, and whatever reads it is `Opaque` until a shape is known again.

    Raises `ModelError`, one line, for a file that is no sound model (missing, truncated, cyclic, undefined values,
    external data missing or outside the model's folder, impossible sizes) and for input shapes that do not fit.
    """
    try:
        return _read(path, inputs)
    except ModelError as e:
        raise ModelError(one_line(str(e))) from None


def _read(path: str | os.PathLike[str], inputs: GivenShapes) -> Graph:
    return graph_of(read_model(path), inputs)


def graph_of(model: Model, inputs: GivenShapes = None) -> Graph:
    """The graph of a model that has been read already; arguments and errors as for `from_onnx`."""
    state, graph_inputs = _start(model, inputs)
    proto = model.proto.graph
    for node in sorted_nodes(proto.node, state.values):
        _translate(state, node)
    outputs: list[str] = []
    for info in proto.output:
        if info.name not in state.values:
            raise ModelError(f"the model's output '{info.name}' is defined nowhere")
        outputs += [state.materialise(v) for v in state.sequences.get(info.name, [info.name])]
    shapes = {n: v.shape for n, v in state.values.items() if v.shape is not None}
    return tidy(_graph(graph_inputs, outputs, state.nodes, shapes, model.target))


def _graph(inputs: list[str], outputs: list[str], nodes: list[Node], shapes: dict[str, Shape], target: str) -> Graph:
    used = {*inputs, *outputs, *(v for n in nodes for v in (*n.inputs, *n.outputs))}
    kept = {v: s for v, s in shapes.items() if v in used}
    return Graph(tuple(inputs), tuple(outputs), tuple(nodes), kept, True, (), target, "onnx")


def _start(model: Model, given: GivenShapes) -> tuple[State, list[str]]:
    proto = model.proto.graph
    state = State(model.opsets, model.folder)
    for tensor in proto.initializer:
        if tensor.name in state.values:
            raise ModelError(f"two initialisers are called '{tensor.name}'")
        weight = weight_of(tensor, model.folder)
        state.values[tensor.name] = Value(tensor.name, weight.shape, tensor.data_type, weight)
    for sparse in proto.sparse_initializer:
        weight = sparse_weight(sparse, model.folder)
        state.values[weight.name] = Value(weight.name, weight.shape, sparse.values.data_type, weight)
    infos = [i for i in proto.input if i.name not in state.values]  # before IR version 4, initialisers are inputs too
    if len({i.name for i in infos}) < len(infos):
        raise ModelError("two inputs of the model have the same name")
    shapes = bind_inputs(infos, given)
    for info in infos:
        elem = info.type.tensor_type.elem_type or TensorProto.FLOAT
        state.values[info.name] = Value(info.name, shapes.get(info.name), elem)
    for info in proto.value_info:
        dims = declared_shape(info)
        if dims is not None and all(isinstance(d, int) for d in dims):
            state.stored_shapes[info.name] = tuple(int(d) for d in dims)
    state.value_names.update(o for n in proto.node for o in n.output)
    return state, [i.name for i in infos]


def _translate(state: State, node: onnx.NodeProto) -> None:
    call = Call(state, node)
    domain = NAMES.get(node.domain, node.domain)
    try:
        if domain:
            raise NotUnderstood(f"{node.op_type} belongs to the operator domain '{domain}', which is not ONNX's own")
        if fold(call):
            return
        for value in call.inputs:
            if value is not None and value.shape is None and value.name not in state.sequences:
                raise NotUnderstood(f"it reads '{value.name}', whose shape depends on data")
        lowering = TABLE.get(node.op_type)
        if lowering is None:
            raise NotUnderstood(f"the ONNX operator {node.op_type} is not understood")
        lowering(call)
    except NotUnderstood as e:
        call.buffer.clear()
        call.written.clear()
        _opaque(call, range(len(node.output)), str(e), domain)
    except SpecError as e:
        raise ModelError(f"{title(node)}: {e}") from None
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, ZeroDivisionError) as e:
        raise ModelError(f"{title(node)} is malformed: {first_line(e)}") from None
    rest = [k for k, o in enumerate(node.output) if o and o not in call.written and o not in state.values]
    state.nodes += call.buffer
    for name, shape in call.written.items():
        elem = call.elem(list(node.output).index(name)) if name in node.output else TensorProto.FLOAT
        state.values[name] = Value(name, shape, elem)
    if rest:
        call.buffer.clear()
        call.written.clear()
        _opaque(call, rest, f"a further output of {node.op_type}", domain)


def _opaque(call: Call, outputs: Iterable[int], reason: str, domain: str) -> None:
    """Enter an `Opaque` node for these outputs; their shapes are inferred, recorded in the file, or unknown."""
    state, node = call.state, call.node
    names = [(k, node.output[k]) for k in outputs if node.output[k]]
    for k, name in names:
        shape = call.inferred(k) if not domain else None
        if shape is None:
            shape = state.stored_shapes.get(name)
        state.values[name] = Value(name, shape, call.elem(k))
    read = [m for v in reads(node) for m in state.sequences.get(v, [v])]
    inputs = tuple(dict.fromkeys(v for v in read if state.values[v].weight is None))
    unique = state.fresh(node.name or f"{node.op_type}:{next(iter(node.output), '')}")
    state.nodes.append(Node(unique, Opaque(reason), inputs, tuple(n for _, n in names), call.path, call.where))
