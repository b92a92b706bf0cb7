"""Building small ONNX models, and running a graph's linear operators as matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from upweave.graph import ir
from upweave.theory.resize import resize_matrix


def value(name: str, shape: Sequence[int | str] | None, elem: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, elem, shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str] | None],
    outputs: Sequence[str],
    weights: Mapping[str, Any] | None = None,
    opset: int = 19,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [value(n, s) for n, s in inputs.items()],
        [value(n, None) for n in outputs],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def saved(m: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    path = folder / name
    path.write_bytes(m.SerializeToString())
    return path


def transposed(x: np.ndarray, spec: Any, weight: np.ndarray) -> np.ndarray:
    """n = s·i + d·t − p, by loops."""
    g, rank = spec.groups, x.ndim - 2
    axes = spec.per_axis(rank)
    size = [a.stride * (h - 1) + a.dilation * (a.kernel - 1) + 1 + a.output_padding - a.begin - a.end
            for a, h in zip(axes, x.shape[2:], strict=True)]  # fmt: skip
    c_in, c_out = x.shape[1] // g, weight.shape[1]
    y = np.zeros((x.shape[0], c_out * g, *size))
    for i in np.ndindex(*x.shape[2:]):
        for t in np.ndindex(*weight.shape[2:]):
            n = tuple(a.stride * p + a.dilation * q - a.begin for a, p, q in zip(axes, i, t, strict=True))
            if all(0 <= m < h for m, h in zip(n, size, strict=True)):
                for k in range(g):
                    w = weight[(slice(k * c_in, (k + 1) * c_in), slice(None), *t)]
                    part = x[(slice(None), slice(k * c_in, (k + 1) * c_in), *i)] @ w
                    y[(slice(None), slice(k * c_out, (k + 1) * c_out), *n)] += part
    return y


def resized(x: np.ndarray, op: ir.Resize) -> np.ndarray:
    for dim, scale, size in zip(op.dims, op.scale, op.out_size, strict=True):
        matrix = resize_matrix(
            x.shape[dim], size, op.mode, op.coordinates, scale, op.nearest, op.cubic_a, op.antialias, op.exclude_outside
        )
        x = np.moveaxis(np.tensordot(matrix.toarray(), x, (1, dim)), 0, dim)
    return x


def shuffled(x: np.ndarray, op: ir.PixelShuffle) -> np.ndarray:
    n, _, h, w = x.shape
    b, e = op.factor
    if op.order == "DCR":
        return x.reshape(n, b, e, -1, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, -1, h * b, w * e)
    return x.reshape(n, -1, b, e, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, -1, h * b, w * e)


def run(graph: ir.Graph, x: np.ndarray) -> np.ndarray:
    """The graph on one input; operators that have no matrix raise."""
    values = {graph.inputs[0]: x.astype(np.float64)}
    for node in graph.nodes:
        a, op = values[node.inputs[0]], node.op
        match op:
            case ir.TransposedConvolution():
                y = transposed(a, op.spec, node.weights["weight"].load())
                if "bias" in node.weights:
                    y = y + node.weights["bias"].load().reshape(-1, *(1,) * (x.ndim - 2))
            case ir.Resize():
                y = resized(a, op)
            case ir.PixelShuffle():
                y = shuffled(a, op)
            case ir.Reshape():
                y = a.reshape(op.shape)
            case ir.Permute():
                y = a.transpose(op.order)
            case ir.Pad(mode="zeros"):
                y = np.pad(a, op.pads)
            case _:
                raise NotImplementedError(type(op).__name__)
        assert y.shape == graph.shapes[node.output]
        values[node.output] = y
    return values[graph.outputs[0]]
