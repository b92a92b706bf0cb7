"""The slices and pads that follow a layer through point-wise operations alone."""

from __future__ import annotations

from dataclasses import replace

from .grid import Resampler
from .ir import Graph, Node, Pad, Pointwise, Slice


def trailing_crops(resampler: Resampler, graph: Graph, consumers: dict[str, list[Node]]) -> Resampler:
    """The resampler with its `crops` and `crop_nodes`: what is cut from its output before anything else reads it."""
    cropped = {a: [0, 0] for a in resampler.dims}
    nodes: list[Node] = []
    value = resampler.node.output
    while len(readers := consumers.get(value, [])) == 1 and value not in graph.outputs:
        node = readers[0]
        shape = graph.shapes.get(value)
        if node.inputs != (value,) or shape is None:
            break
        if isinstance(node.op, Slice) and node.op.step == 1 and node.op.dim in cropped:
            cropped[node.op.dim][0] += node.op.start
            cropped[node.op.dim][1] += shape[node.op.dim] - node.op.stop
            nodes.append(node)
        elif isinstance(node.op, Pad):
            for a, cut in cropped.items():
                cut[0] -= node.op.pads[a][0]
                cut[1] -= node.op.pads[a][1]
            nodes.append(node)
        elif not isinstance(node.op, Pointwise | Slice):
            break
        value = node.output
    return replace(resampler, crops=tuple((b, e) for b, e in cropped.values()), crop_nodes=tuple(nodes))
