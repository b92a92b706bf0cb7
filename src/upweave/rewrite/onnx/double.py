"""A float32 file in float64, where rounding hides nothing: by ONNX's reference implementation, its convolutions,
pools and nearest resizes by functions of our own, since its own visit the samples one by one.

Runtimes compute convolutions in float32 alone, so this is for comparing, on small inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper

from ...graph.ir import Convolution, Node, TransposedConvolution, Weight
from ...graph.onnx.reader import subgraphs
from ...spec import Conv as ConvSpec
from ...spec import ConvTranspose as ConvTransposeSpec
from ..interpret import compute
from .runtime import Feeds, Run

NAME = "ONNX's reference implementation"

Array = npt.NDArray[Any]


_SLOW = frozenset(
    ("AveragePool", "LpPool", "RNN", "LSTM", "GRU", "Loop", "Scan", "GridSample", "RoiAlign", "DeformConv", "Unique")
)


def why_not_double(model: onnx.ModelProto) -> str:
    """Why a model is not computed in float64, or "": it is not in float32, or an operator of it would take too long."""
    kinds = {t.data_type for t in model.graph.initializer}
    if TensorProto.FLOAT not in kinds or kinds & {TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}:
        return "it does not compute in float32"
    slow = sorted(
        {n.op_type for n in model.graph.node if n.op_type in _SLOW}
        | {"Resize" for n in model.graph.node if n.op_type == "Resize" and not _is_nearest(n)}
    )
    return f"{NAME} takes too long for {', '.join(slow)}" if slow else ""


def _is_nearest(node: onnx.NodeProto) -> bool:
    return all(a.s in (b"nearest", b"") for a in node.attribute if a.name == "mode")


def load_double(model: onnx.ModelProto) -> Run:
    """A function that runs the model in float64; float32 inputs are widened. Raises what the implementation raises."""
    from onnx.reference import ReferenceEvaluator

    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    _widen(wide.graph)
    evaluator = ReferenceEvaluator(wide, new_ops=_operators())

    def run(feeds: Feeds) -> Mapping[str, Array]:
        inputs = {n: a.astype(np.float64) if a.dtype == np.float32 else a for n, a in feeds.items()}
        with np.errstate(all="ignore"):
            return dict(zip(evaluator.output_names, evaluator.run(None, inputs), strict=True))

    return run


def _widen(graph: onnx.GraphProto) -> None:
    """Every float32 number of a graph becomes a float64 one, in place."""
    for tensor in graph.initializer:
        _wide(tensor)
    for info in (*graph.input, *graph.output, *graph.value_info):
        if info.type.tensor_type.elem_type == TensorProto.FLOAT:
            info.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for a in node.attribute:
            for inner in subgraphs(a):
                _widen(inner)
            if a.type == onnx.AttributeProto.TENSOR:
                _wide(a.t)
            elif node.op_type == "Cast" and a.name == "to" and a.i == TensorProto.FLOAT:
                a.i = TensorProto.DOUBLE
            elif node.op_type == "Constant" and a.name in ("value_float", "value_floats"):
                values = np.asarray(onnx.helper.get_attribute_value(a), np.float64)
                a.CopyFrom(onnx.helper.make_attribute("value", numpy_helper.from_array(values)))


def _wide(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def _operators() -> list[type]:
    """The operators that are computed here, where their attributes leave nothing open; else ONNX's own are."""
    from onnx.reference.ops import op_conv, op_conv_transpose, op_max_pool, op_resize

    ours = (
        (op_conv.Conv, _conv),
        (op_conv_transpose.ConvTranspose, _conv_transpose),
        (op_resize.Resize, _resize),
        (op_max_pool.MaxPool, _max_pool),
    )
    return [type(base.__name__, (base,), {"op_domain": "", "_run": _tried(base, f)}) for base, f in ours]


def _tried(base: Any, function: Callable[..., Array | None]) -> Any:
    def run(self: Any, *inputs: Any, **at: Any) -> Any:
        found = function(*inputs, **at) if len(self.output) == 1 else None
        return base._run(self, *inputs, **at) if found is None else (found,)

    return run


def _conv(x: Array, w: Array, b: Array | None = None, **at: Any) -> Array | None:
    if at["auto_pad"] not in _EXPLICIT:
        return None
    spec = ConvSpec(w.shape[2:], *_window(at, w.ndim - 2), at["group"] or 1)
    return _computed(Convolution(spec, x.shape[1], w.shape[0]), x, w, b)


def _conv_transpose(x: Array, w: Array, b: Array | None = None, **at: Any) -> Array | None:
    if at["auto_pad"] not in _EXPLICIT or at["output_shape"]:
        return None
    stride, pads, dilation = _window(at, w.ndim - 2)
    extra, groups = tuple(at["output_padding"] or (0,) * (w.ndim - 2)), at["group"] or 1
    spec = ConvTransposeSpec(w.shape[2:], stride, pads, extra, dilation, groups)
    return _computed(TransposedConvolution(spec, x.shape[1], w.shape[1] * groups), x, w, b)


def _resize(x: Array, roi: Any = None, scales: Any = None, sizes: Any = None, **at: Any) -> Array | None:
    grid = at.get("mode"), at.get("coordinate_transformation_mode"), at.get("nearest_mode")
    if grid != ("nearest", "asymmetric", "floor") or at.get("axes"):
        return None
    by_size = sizes is not None
    for axis, n in enumerate(x.shape):
        factor = sizes[axis] / n if by_size else float(scales[axis])
        size = int(sizes[axis]) if by_size else int(np.floor(n * factor))
        if size != n:
            x = x.take(np.minimum(np.floor(np.arange(size) / factor).astype(np.int64), n - 1), axis)
    return x


def _max_pool(x: Array, **at: Any) -> Array | None:
    rank = x.ndim - 2
    stride, pads, dilation = _window(at, rank)
    if at["auto_pad"] not in _EXPLICIT or at["ceil_mode"] or any(d != 1 for d in dilation):
        return None
    padded = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(at["kernel_shape"]), tuple(range(2, rank + 2)))
    steps = (slice(None), slice(None), *(slice(None, None, s) for s in stride))
    return np.asarray(windows[steps].max(tuple(range(rank + 2, 2 * rank + 2))))


_EXPLICIT = (None, "NOTSET", "")


def _window(at: Mapping[str, Any], rank: int) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...], tuple[int, ...]]:
    """Strides, (begin, end) pads and dilations."""
    pads = at["pads"] or (0,) * (2 * rank)
    ones = (1,) * rank
    pairs = tuple(zip(pads[:rank], pads[rank:], strict=True))
    return tuple(at["strides"] or ones), pairs, tuple(at["dilations"] or ones)


def _computed(op: Convolution | TransposedConvolution, x: Array, w: Array, b: Array | None) -> Array:
    weights = {"weight": Weight("w", w.shape, w.dtype.name, lambda: w)}
    if b is not None:
        weights["bias"] = Weight("b", b.shape, b.dtype.name, lambda: b)
    return compute(Node("conv", op, ("x",), ("y",), weights=weights), [x])
