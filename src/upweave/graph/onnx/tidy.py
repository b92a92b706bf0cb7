"""Patterns of several nodes that mean one.

Reshape → normalisation or other point-wise layers → Reshape back is how exporters write a group normalisation. The
elements never move, so the whole is point-wise on the original shape, and the pixels keep their places.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Node, Pointwise, Reshape, Shape


def tidy(graph: Graph) -> Graph:
    """The graph with every Reshape–Pointwise…–Reshape whose shape comes back written as point-wise nodes alone."""
    readers = graph.consumers()
    gone: set[str] = set()
    changed: dict[str, Node] = {}
    shapes = dict(graph.shapes)
    for start in graph.of(Reshape):
        if start.name in gone or start.inputs[0] not in shapes:
            continue
        run = _run(start, readers, shapes[start.inputs[0]], set(graph.outputs))
        if not run:
            continue
        first, last = run[0], run[-2]
        changed.update((n.name, _elsewhere(n)) for n in run[:-1])
        changed[first.name] = replace(changed.get(first.name, first), inputs=start.inputs)
        changed[last.name] = replace(changed.get(last.name, last), outputs=run[-1].outputs)
        gone |= {start.name, run[-1].name}
        shapes.pop(start.output, None)
        shapes.pop(last.output, None)
        for node in run[:-2]:
            shapes[node.output] = shapes[start.inputs[0]]
    nodes = tuple(changed.get(n.name, n) for n in graph.nodes if n.name not in gone)
    return replace(graph, nodes=nodes, shapes=shapes)


def _elsewhere(node: Node) -> Node:
    """A point-wise node on another shape than its own: dimensions, and parameters that are shaped to them, mean nothing
    there."""
    assert isinstance(node.op, Pointwise)
    shaped = {r for r, w in node.weights.items() if r in ("slope", "operand", "right", "left") and w.size > 1}
    if node.op.over is not None:
        shaped |= set(node.weights)
    op = replace(node.op, over=None, nonlinear=node.op.nonlinear or "operand" in shaped)
    return replace(node, op=op, weights={r: w for r, w in node.weights.items() if r not in shaped})


def _run(start: Node, readers: dict[str, list[Node]], shape: Shape, outputs: set[str]) -> list[Node]:
    """The point-wise nodes behind `start` and the Reshape that ends them, if it restores `shape`; else nothing."""
    run: list[Node] = []
    value = start.output
    while value not in outputs and len(readers.get(value, ())) == 1:
        node = readers[value][0]
        if isinstance(node.op, Reshape) and run:
            return [*run, node] if node.op.shape == shape else []
        if not isinstance(node.op, Pointwise) or len(node.inputs) != 1 or len(node.outputs) != 1:
            return []
        run.append(node)
        value = node.output
    return []
