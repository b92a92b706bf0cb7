"""What every `Graph` must satisfy, whichever front end wrote it."""

from __future__ import annotations

from ..errors import ModelError
from .ir import Graph


def check(graph: Graph) -> Graph:
    """Return the graph if it is sound, else raise `ModelError` naming the first node that is not.

    Sound: node names are unique; every value is written once and has a shape of non-negative integers; every input of
    a node is a graph input or the output of an earlier node (so the graph is acyclic and in topological order); every
    output of the graph exists. A graph without topology may read values that nothing writes, but not without a shape.
    """
    written = set(graph.inputs)
    if len(written) != len(graph.inputs):
        raise ModelError(f"two inputs of the graph have the same name: {', '.join(graph.inputs)}")
    names: set[str] = set()
    for node in graph.nodes:
        if node.name in names:
            raise ModelError(f"two nodes of the graph are named {node.name!r}")
        names.add(node.name)
        for value in node.inputs:
            if graph.has_topology and value not in written:
                raise ModelError(f"node {node.name!r} reads {value!r}, which no input or earlier node provides")
        for value in node.outputs:
            if value in written:
                raise ModelError(f"node {node.name!r} writes {value!r}, which is already written")
            written.add(value)
        for value in node.inputs + node.outputs:
            _check_shape(graph, value, f"of node {node.name!r}")
    for value in graph.inputs + graph.outputs:
        _check_shape(graph, value, "of the graph")
    for value in graph.outputs:
        if value not in written:
            raise ModelError(f"the graph's output {value!r} is written by no node")
    return graph


def _check_shape(graph: Graph, value: str, whose: str) -> None:
    shape = graph.shapes.get(value)
    if shape is None:
        raise ModelError(f"value {value!r} {whose} has no shape")
    if not all(type(extent) is int and extent >= 0 for extent in shape):
        raise ModelError(f"value {value!r} {whose} has the shape {shape}, which is no tuple of extents")
