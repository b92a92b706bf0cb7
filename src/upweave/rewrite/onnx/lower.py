"""One node of the graph as nodes of an ONNX file: standard operators of the file's own opset, no size written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ...errors import UpweaveError
from ...graph.ir import (
    Concat,
    Convolution,
    Merge,
    Node,
    Op,
    Pad,
    PixelShuffle,
    Resize,
    TransposedConvolution,
)

LAST = np.iinfo(np.int64).max
"""The end of a slice that goes on to the end of its axis."""


class NotLowered(UpweaveError):
    """The file's opset has no such operator; the message says which."""


@dataclass
class Lowering:
    """Nodes and initialisers for a file of this opset. `fresh` gives names that the file does not have yet."""

    opset: int
    fresh: Callable[[str], str]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    tensors: list[onnx.TensorProto] = field(default_factory=list)

    def tensor(self, name: str, array: Any) -> str:
        """A new initialiser; returns its name."""
        name = self.fresh(name)
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(np.shape(array)), name))
        return name

    def lower(self, node: Node) -> None:
        """Add what stands for one node. Raises `NotLowered`."""
        for kind, function in _TABLE.items():
            if isinstance(node.op, kind):
                function(self, node)
                return
        raise NotLowered(f"{type(node.op).__name__} is not written to files")

    def node(self, node: Node, op: str, inputs: list[str], **attributes: Any) -> None:
        """One node of the file, under the graph's name for it."""
        made = helper.make_node(op, inputs, list(node.outputs), name=self.fresh(node.name), **attributes)
        self.nodes.append(made)

    def parameters(self, node: Node) -> list[str]:
        """The weight and, if there is one, the bias as new initialisers."""
        out: list[str] = []
        for role in ("weight", "bias"):
            if role in node.weights:
                numbers = node.weights[role].load()
                assert numbers is not None
                out.append(self.tensor(node.weights[role].name, numbers))
        return out

    def need(self, opset: int, what: str) -> None:
        """Raise `NotLowered` where the file's opset is older."""
        if self.opset < opset:
            raise NotLowered(f"{what} needs opset {opset}; the file uses {self.opset}")


def why_not_lowered(node: Node, opset: int) -> str:
    """Why a node cannot be written at this opset, or "". Looks at no number."""
    op = node.op
    if isinstance(op, PixelShuffle):
        if len(op.factor) != 2 or len(set(op.factor)) != 1:
            return f"ONNX has DepthToSpace for two axes with one factor, not for {'×'.join(map(str, op.factor))}"
        return "" if opset >= 11 else f"DepthToSpace in PyTorch's channel order needs opset 11; the file uses {opset}"
    if isinstance(op, Pad):
        least = {"circular": 19}.get(op.mode, 11)
        if op.mode not in ("zeros", "reflect", "replicate", "circular"):
            return f"padding by {op.mode} is not written"
        return "" if opset >= least else f"padding by {op.mode} needs opset {least}; the file uses {opset}"
    if isinstance(op, Resize):
        return "" if opset >= 11 else f"Resize with coordinates needs opset 11; the file uses {opset}"
    if isinstance(op, Merge):
        return "" if op.kind == "add" else f"{op.kind} is not written"
    if isinstance(op, (Convolution, TransposedConvolution, Concat)):
        return ""
    return f"{type(op).__name__} is not written"


def _window(spec: Any, rank: int) -> dict[str, Any]:
    axes = spec.per_axis(rank)
    return {
        "kernel_shape": [a.kernel for a in axes],
        "strides": [a.stride for a in axes],
        "pads": [a.begin for a in axes] + [a.end for a in axes],
        "dilations": [a.dilation for a in axes],
        "group": spec.groups,
    }


def _convolution(to: Lowering, node: Node) -> None:
    assert isinstance(node.op, Convolution)
    rank = len(node.weights["weight"].shape) - 2
    to.node(node, "Conv", [node.inputs[0], *to.parameters(node)], **_window(node.op.spec, rank))


def _transposed(to: Lowering, node: Node) -> None:
    assert isinstance(node.op, TransposedConvolution)
    rank = len(node.weights["weight"].shape) - 2
    attributes = _window(node.op.spec, rank)
    extra = [a.output_padding for a in node.op.spec.per_axis(rank)]
    if any(extra):
        attributes["output_padding"] = extra
    to.node(node, "ConvTranspose", [node.inputs[0], *to.parameters(node)], **attributes)


def _shuffle(to: Lowering, node: Node) -> None:
    assert isinstance(node.op, PixelShuffle)
    to.node(node, "DepthToSpace", [node.inputs[0]], blocksize=node.op.factor[0], mode=node.op.order)


def _pad(to: Lowering, node: Node) -> None:
    op = node.op
    assert isinstance(op, Pad)
    if all(b <= 0 and e <= 0 for b, e in op.pads):
        axes = [a for a, p in enumerate(op.pads) if p != (0, 0)]
        starts = to.tensor(f"{node.name}/starts", np.array([-op.pads[a][0] for a in axes], np.int64))
        ends = to.tensor(f"{node.name}/ends", np.array([op.pads[a][1] or LAST for a in axes], np.int64))
        where = to.tensor(f"{node.name}/axes", np.array(axes, np.int64))
        to.node(node, "Slice", [node.inputs[0], starts, ends, where])
        return
    mode = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[op.mode]
    pads = to.tensor(f"{node.name}/pads", np.array([p[0] for p in op.pads] + [p[1] for p in op.pads], np.int64))
    to.node(node, "Pad", [node.inputs[0], pads], mode=mode)


def _resize(to: Lowering, node: Node) -> None:
    op = node.op
    assert isinstance(op, Resize)
    rank = max(op.dims) + 1
    scales = np.ones(rank, np.float32)
    for d, s in zip(op.dims, op.scale, strict=True):
        scales[d] = float(s)
    roi = to.tensor(f"{node.name}/roi", np.zeros(0, np.float32)) if to.opset < 13 else ""
    name = to.tensor(f"{node.name}/scales", scales)
    to.node(
        node, "Resize", [node.inputs[0], roi, name],
        mode=op.mode, coordinate_transformation_mode=op.coordinates, nearest_mode=op.nearest,
    )  # fmt: skip


def _merge(to: Lowering, node: Node) -> None:
    to.node(node, "Add", list(node.inputs))


def _concat(to: Lowering, node: Node) -> None:
    assert isinstance(node.op, Concat)
    to.node(node, "Concat", list(node.inputs), axis=node.op.dim)


_TABLE: dict[type[Op], Callable[[Lowering, Node], None]] = {
    Convolution: _convolution,
    TransposedConvolution: _transposed,
    PixelShuffle: _shuffle,
    Pad: _pad,
    Resize: _resize,
    Merge: _merge,
    Concat: _concat,
}
