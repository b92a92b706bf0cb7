"""Arithmetic on constants.

Shape subgraphs (Shape, Gather, Concat, Mul, Floor …) are small and are computed while the graph is read; what is
computed from large constants (a dequantised or weight-normalised kernel) stays lazy until its `Weight` is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from ...errors import ModelError
from ..ir import Shape, Weight
from .order import title
from .reader import first_line
from .state import SMALL, Call, Value, constant_value, tensor_value
from .tensors import decode, dtype_name, plain, weight_of

if TYPE_CHECKING:
    from .state import State

Array: TypeAlias = npt.NDArray[Any]
LARGEST = 2**20
"""Results of more elements than this are not computed while the graph is read."""

_RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
_CONTROL = {"If", "Loop", "Scan"}
_NEED_FLOATS = {"Resize", "Upsample", "Range", "OneHot"}


def infer(call: Call) -> dict[str, onnx.TypeProto]:
    """Types of the outputs by ONNX's inference on concrete shapes and small integer constants; {} where it fails."""
    node, state = call.node, call.state
    types: dict[str, onnx.TypeProto] = {}
    data: dict[str, onnx.TensorProto] = {}
    for v in call.inputs:
        if v is None:
            continue
        types[v.name] = onnx.helper.make_tensor_type_proto(v.elem, v.shape)
        if v.weight is not None and v.weight.size <= SMALL:
            integral = v.elem in (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)
            if v.name in state.numbers or integral or node.op_type in _NEED_FLOATS:
                numbers = state.small(v.name)
                if numbers is not None:
                    data[v.name] = tensor_value(v.name, numbers)
    try:
        schema = onnx.defs.get_schema(node.op_type, call.opset, "")
        opsets = [onnx.helper.make_opsetid("", call.opset)]
        return onnx.shape_inference.infer_node_outputs(schema, node, types, data, opset_imports=opsets)
    except Exception:  # inference refuses what it cannot decide with several exception types; shapes stay unknown
        return {}


def constant_node(call: Call) -> Value | None:
    """The value of a Constant node, undecoded; None for one that holds no dense numbers."""
    for a in call.node.attribute:
        name = call.node.output[0]
        if a.name == "value":
            weight = weight_of(a.t, call.state.folder)
            return Value(name, weight.shape, a.t.data_type, Weight(name, weight.shape, weight.dtype, weight.load))
        if a.name in ("value_int", "value_ints"):
            return constant_value(name, np.array(onnx.helper.get_attribute_value(a), dtype=np.int64))
        if a.name in ("value_float", "value_floats"):
            return constant_value(name, np.array(onnx.helper.get_attribute_value(a), dtype=np.float32))
    return None


def fold(call: Call) -> bool:
    """If the node depends on constants alone, make its outputs constants and return True."""
    node, state = call.node, call.state
    if node.op_type == "Constant":
        value = constant_node(call)
        if value is None:
            return False
        state.values[value.name] = value
        return True
    if node.op_type in ("Shape", "Size") and call.has(0) and call.input(0).shape is not None:
        result: Array = np.array(call.shape(), dtype=np.int64)
        if node.op_type == "Size":
            result = np.array(math.prod(call.shape()), dtype=np.int64)
        else:
            result = result[slice(call.get("start", 0), call.get("end", None))]
        _set_small(state, node.output[0], result)
        return True
    if node.op_type == "SequenceLength" and call.input(0).name in state.sequences:
        _set_small(state, node.output[0], np.array(len(state.sequences[call.input(0).name]), dtype=np.int64))
        return True
    if node.op_type in _RANDOM or node.op_type in _CONTROL or "Sequence" in node.op_type or not node.output:
        return False
    if node.op_type == "CastLike" and call.is_constant(0) and call.has(1):
        # What matters of the second input is its type, even if its numbers come at run time.
        cast = onnx.helper.make_node("Cast", [node.input[0]], node.output, to=call.input(1).elem)
        return fold(Call(state, cast))
    if any(v is not None and v.weight is None for v in call.inputs):
        return False
    if node.op_type == "Identity":
        value = call.input(0)
        state.values[node.output[0]] = Value(node.output[0], value.shape, value.elem, value.weight)
        return True
    arrays = [_cheap(call, k) for k in range(len(call.inputs))]
    shapes = [call.inferred(k) for k in range(len(node.output))]
    tiny = all(s is None or math.prod(s) <= LARGEST for s in shapes)
    if tiny and all(a is not None or v is None for a, v in zip(arrays, call.inputs, strict=True)):
        try:
            results = run(node, arrays, call.opset)
        except (ModelError, MemoryError):
            return False
        for name, result in zip(node.output, results, strict=False):
            if name:
                _set_small(state, name, result)
        return True
    if any(s is None for s, o in zip(shapes, node.output, strict=True) if o):
        return False
    for k, (name, known) in enumerate(zip(node.output, shapes, strict=True)):
        if name:
            assert known is not None
            elem = call.elem(k)
            state.values[name] = Value(name, known, elem, _lazy(call, k, known, elem))
    return True


def _cheap(call: Call, k: int) -> Array | None:
    """Input k if it is known, or integral and small, or a handful of floats: weights stay undecoded."""
    if not call.has(k):
        return None
    v = call.input(k)
    if v.name in call.state.numbers:
        return call.state.numbers[v.name]
    assert v.weight is not None
    integral = v.elem in (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)
    return call.state.small(v.name) if integral or v.weight.size <= 8 else None


def _set_small(state: State, name: str, result: Array) -> None:
    value = constant_value(name, np.asarray(result))
    state.values[name] = value
    if value.weight is not None and value.weight.size <= SMALL:
        state.numbers[name] = np.asarray(result)


def _lazy(call: Call, k: int, shape: Shape, elem: int) -> Weight:
    """A constant computed from other constants when it is loaded.

    Inputs of a lazy constant may be lazy themselves; `pending` unrolls that chain, so that its length does not matter.
    """
    node, opset = call.node, call.opset
    weights = [v.weight if v is not None else None for v in call.inputs]

    def load() -> Array:
        return _evaluate(load_step)[k]

    load_step = _Step(node, opset, weights)
    load.step = (load_step, k)  # type: ignore[attr-defined]
    return Weight(node.output[k], shape, dtype_name(elem), load)


class _Step:
    """One deferred node and the weights it reads."""

    def __init__(self, node: onnx.NodeProto, opset: int, weights: Sequence[Weight | None]) -> None:
        self.node, self.opset, self.weights = node, opset, weights


def _evaluate(last: _Step) -> list[Array]:
    done: dict[int, list[Array]] = {}
    todo = [last]
    while todo:
        step = todo[-1]
        if id(step) in done:
            todo.pop()
            continue
        before = [getattr(w.load, "step", None) for w in step.weights if w is not None]
        missing = [s for s in before if s is not None and id(s[0]) not in done]
        if missing:
            todo += [s[0] for s in missing]
            continue
        arrays: list[Array | None] = []
        for w in step.weights:
            inner = None if w is None else getattr(w.load, "step", None)
            arrays.append(None if w is None else w.load() if inner is None else done[id(inner[0])][inner[1]])
        done[id(step)] = run(step.node, arrays, step.opset)
        todo.pop()
    return done[id(last)]


def run(node: onnx.NodeProto, arrays: Sequence[Array | None], opset: int) -> list[Array]:
    """One node on NumPy arrays: the table below, or ONNX's reference implementation for what it lacks.

    Raises `ModelError` if the node cannot be computed.
    """
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    try:
        rule = TABLE.get(node.op_type)
        if rule is not None:
            result = rule(list(arrays), attributes)
            return list(result) if isinstance(result, tuple) else [np.asarray(result)]
        return _reference(node, arrays, opset)
    except Exception as e:
        raise ModelError(f"{title(node)} cannot be computed: {first_line(e)}") from None


def _reference(node: onnx.NodeProto, arrays: Sequence[Array | None], opset: int) -> list[Array]:
    from onnx.reference import ReferenceEvaluator

    feeds = {n: a for n, a in zip(node.input, arrays, strict=True) if n and a is not None}
    infos = [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in feeds]
    outputs = [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in node.output if n]
    graph = onnx.helper.make_graph([node], "constant", infos, outputs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    return [plain(np.asarray(r)) for r in ReferenceEvaluator(model).run(None, feeds)]


def _axes(a: list[Any], at: Mapping[str, Any]) -> tuple[int, ...] | None:
    given = at.get("axes", a[1] if len(a) > 1 and a[1] is not None else None)
    return None if given is None else tuple(int(v) for v in np.ravel(np.asarray(given)))


def _unsqueeze(a: list[Any], at: Mapping[str, Any]) -> Any:
    return np.expand_dims(a[0], _axes(a, at) or ())


def _gather(a: list[Any], at: Mapping[str, Any]) -> Any:
    return np.take(a[0], np.asarray(a[1], dtype=np.int64), axis=int(at.get("axis", 0)))


def _slice(a: list[Any], at: Mapping[str, Any]) -> Any:
    starts = at["starts"] if "starts" in at else a[1]
    ends = at["ends"] if "ends" in at else a[2]
    axes = at["axes"] if "axes" in at else (a[3] if len(a) > 3 and a[3] is not None else range(len(starts)))
    steps = a[4] if len(a) > 4 and a[4] is not None else [1] * len(starts)
    index = [slice(None)] * a[0].ndim
    for s, e, x, t in zip(starts, ends, axes, steps, strict=True):
        n = a[0].shape[int(x)]
        start, stop, step = slice(int(s), int(e), int(t)).indices(n)
        index[int(x)] = slice(start, None if step < 0 and stop < 0 else stop, step)
    return a[0][tuple(index)]


def _reshape(a: list[Any], at: Mapping[str, Any]) -> Any:
    zero = bool(at.get("allowzero", 0))
    return a[0].reshape([a[0].shape[k] if d == 0 and not zero else int(d) for k, d in enumerate(a[1])])


def _cast(a: list[Any], at: Mapping[str, Any]) -> Any:
    return a[0].astype(onnx.helper.tensor_dtype_to_np_dtype(int(at["to"])))


def _divide(a: list[Any], _: Mapping[str, Any]) -> Any:
    if a[0].dtype.kind in "iu":  # C's division: towards zero
        q = np.abs(a[0]) // np.abs(a[1])
        return (np.sign(a[0]) * np.sign(a[1]) * q).astype(a[0].dtype)
    return a[0] / a[1]


def _filled(a: list[Any], at: Mapping[str, Any]) -> Any:
    value = decode(at["value"], "") if "value" in at else np.zeros(1, np.float32)
    return np.full(tuple(int(d) for d in a[0]), value.ravel()[0], dtype=value.dtype)


def _concat(a: list[Any], at: Mapping[str, Any]) -> Any:
    return np.concatenate(a, axis=int(at.get("axis", 0)))


def _binary(f: Callable[..., Any]) -> Callable[[list[Any], Mapping[str, Any]], Any]:
    return lambda a, _: f(*a)


TABLE: dict[str, Callable[[list[Any], Mapping[str, Any]], Any]] = {
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Div": _divide,
    "Floor": _binary(np.floor),
    "Ceil": _binary(np.ceil),
    "Neg": _binary(np.negative),
    "Abs": _binary(np.abs),
    "Sqrt": _binary(np.sqrt),
    "Equal": _binary(np.equal),
    "Greater": _binary(np.greater),
    "Less": _binary(np.less),
    "Not": _binary(np.logical_not),
    "And": _binary(np.logical_and),
    "Or": _binary(np.logical_or),
    "Where": _binary(np.where),
    "Range": lambda a, _: np.arange(a[0].item(), a[1].item(), a[2].item(), dtype=a[0].dtype),
    "Expand": lambda a, _: a[0] * np.ones(tuple(int(d) for d in a[1]), dtype=a[0].dtype),
    "Transpose": lambda a, at: np.transpose(a[0], at.get("perm")),
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "Reshape": _reshape,
    "Unsqueeze": _unsqueeze,
    "Squeeze": lambda a, at: np.squeeze(a[0], _axes(a, at)),
    "Cast": _cast,
    "ConstantOfShape": _filled,
}
