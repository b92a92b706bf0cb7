"""Nodes in topological order: cycles, undefined values and names written twice raise `ModelError`."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

import onnx

from ...errors import ModelError
from .reader import subgraphs


def title(node: onnx.NodeProto) -> str:
    """How messages call a node."""
    name = node.name or next((o for o in node.output if o), "")
    return f"node '{name}' ({node.op_type})"


def reads(node: onnx.NodeProto) -> list[str]:
    """The values a node reads, those that its subgraphs capture from outside included."""
    out = [i for i in node.input if i]
    for a in node.attribute:
        for g in subgraphs(a):
            out += captures(g)
    return out


def captures(graph: onnx.GraphProto) -> list[str]:
    """The values that a subgraph reads but neither defines nor takes as an input."""
    out: list[str] = []
    todo: list[tuple[onnx.GraphProto, frozenset[str]]] = [(graph, frozenset())]
    while todo:
        g, outer = todo.pop()
        own = outer | {i.name for i in g.input} | {t.name for t in g.initializer}
        own |= {o for n in g.node for o in n.output}
        for node in g.node:
            out += [i for i in node.input if i and i not in own]
            todo += [(s, own) for a in node.attribute for s in subgraphs(a)]
        out += [o.name for o in g.output if o.name not in own]
    return list(dict.fromkeys(out))


def sorted_nodes(nodes: Sequence[onnx.NodeProto], known: Collection[str]) -> list[onnx.NodeProto]:
    """`nodes`, each behind what it reads; the file's own order where that already holds.

    Raises `ModelError` for a value written twice, a value that nothing defines, and a cycle.
    """
    writer: dict[str, int] = {}
    for k, node in enumerate(nodes):
        for o in node.output:
            if not o:
                continue
            if o in writer:
                raise ModelError(f"the value '{o}' is written twice, by {title(nodes[writer[o]])} and {title(node)}")
            if o in known:
                raise ModelError(f"{title(node)} writes '{o}', which is already an input or an initialiser")
            writer[o] = k
    waits: list[set[int]] = []
    readers: list[list[int]] = [[] for _ in nodes]
    for k, node in enumerate(nodes):
        needs: set[int] = set()
        for v in reads(node):
            if v in writer:
                needs.add(writer[v])
            elif v not in known:
                raise ModelError(f"{title(node)} reads '{v}', which nothing in the model defines")
        for j in needs:
            readers[j].append(k)
        waits.append(needs)
    if all(all(j < k for j in needs) for k, needs in enumerate(waits)):
        return list(nodes)
    ready = deque(k for k, needs in enumerate(waits) if not needs)
    order: list[int] = []
    while ready:
        k = ready.popleft()
        order.append(k)
        for j in readers[k]:
            waits[j].discard(k)
            if not waits[j]:
                ready.append(j)
    if len(order) < len(nodes):
        k = min(set(range(len(nodes))) - set(order))
        seen: set[int] = set()
        while k not in seen:  # whatever is left waits for something that is left: going back ends on the cycle
            seen.add(k)
            k = min(waits[k])
        raise ModelError(f"the graph has a cycle: {title(nodes[k])} depends on its own output")
    return [nodes[k] for k in order]
