"""The file of a rewritten graph: the old file with the differences made. Everything else stays byte for byte."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import onnx

from ...graph.ir import Graph, Node
from ...graph.onnx.order import reads
from ...graph.onnx.reader import subgraphs
from .lower import Lowering, NotLowered, why_not_lowered
from .source import Source


def why_not_written(source: Source, graph: Graph, nodes: Iterable[Node]) -> str:
    """Why `graph`, which `nodes` have just come into, cannot be written as an edit of the file, or ""."""
    for node in nodes:
        old = _originals(source).get(node.name)
        if old is not None and old.op == node.op:
            try:
                _slice(source, old)
            except NotLowered as e:
                return str(e)
        elif reason := why_not_lowered(node, source.opset):
            return reason
    dropped, come = _difference(source, graph)
    stubs = [onnx.helper.make_node("New", n.inputs, n.outputs) for n in come]
    try:
        _merged(source, list(source.proto.node), dropped, stubs, set())
    except NotLowered as e:
        return str(e)
    return ""


def edited(source: Source, graph: Graph) -> onnx.ModelProto:
    """A copy of the source's file that computes `graph`, a rewritten form of the source's own graph.

    Names of inputs and outputs, metadata, dynamic axes and opsets stay; nodes that are the same in both graphs stay as
    they are. New initialisers get names of their own; old ones go when nothing reads them any more. Raises `NotLowered`
    for what cannot be written.
    """
    model = onnx.ModelProto()
    model.CopyFrom(source.model.proto)
    dropped, come = _difference(source, graph)
    writer = Lowering(source.opset, _Names(model.graph))
    old, kept = _originals(source), set(graph.nodes)
    for node in come:
        before = old.get(node.name)
        if before is not None and before.op == node.op and before not in kept:
            _move(source, writer, before, node)
        else:
            writer.lower(node)
    _replace(source, model.graph, dropped, writer)
    return model


def _difference(source: Source, graph: Graph) -> tuple[set[int], list[Node]]:
    """The nodes of the file that go, by id, and the nodes of the graph that come."""
    kept, new = set(graph.nodes), set(source.graph.nodes)
    gone = [n for n in source.graph.nodes if n not in kept]
    come = [n for n in graph.nodes if n not in new]
    dropped = {id(source.behind[n.name]) for n in gone if n.name in source.behind}
    # What one node of the file computes in several nodes of the graph is written anew as a whole.
    names = {n.name for n in gone} | {n.name for n in come}
    come += [
        n for n in graph.nodes
        if n.name not in names and n.name in source.behind and id(source.behind[n.name]) in dropped
    ]  # fmt: skip
    return dropped, come


def _originals(source: Source) -> dict[str, Node]:
    return {n.name: n for n in source.graph.nodes}


class _Names:
    """Names of values and nodes that a file does not have yet."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.taken: set[str] = set()
        todo = [graph]
        while todo:
            g = todo.pop()
            self.taken |= {i.name for i in (*g.input, *g.output, *g.initializer)}
            self.taken |= {s.values.name for s in g.sparse_initializer}
            for node in g.node:
                self.taken |= {node.name, *node.input, *node.output}
                todo += [s for a in node.attribute for s in subgraphs(a)]

    def __call__(self, name: str) -> str:
        out, k = name, 1
        while out in self.taken:
            k += 1
            out = f"{name}_{k}"
        self.taken.add(out)
        return out


def _slice(source: Source, node: Node) -> list[onnx.NodeProto]:
    """The nodes of the file between a node's inputs and its output: often one, for a group normalisation several."""
    ends = set(node.inputs)
    found: dict[int, onnx.NodeProto] = {}
    todo = [node.output]
    while todo:
        value = todo.pop()
        if value in ends or value in source.fixed:
            continue
        own = source.writers.get(value)
        if own is None:
            raise NotLowered(f"{node.name} cannot be moved: it also depends on '{value}'")
        if id(own) in found:
            continue
        found[id(own)] = own
        if len(found) > 32:
            raise NotLowered(f"{node.name} cannot be moved: too much of the file lies behind it")
        if _writes_sizes(source, own):
            raise NotLowered(f"{node.name} cannot be moved: a {own.op_type} inside it writes sizes down")
        todo += reads(own)
    order = {id(n): k for k, n in enumerate(source.proto.node)}
    return sorted(found.values(), key=lambda n: order[id(n)])


def _writes_sizes(source: Source, own: onnx.NodeProto) -> bool:
    """Whether a node holds for one spatial size alone: a shape with numbers behind the channels, cuts, repeats."""
    if own.op_type not in ("Reshape", "Expand", "Tile", "Slice", "Gather") or own.input[1] not in source.fixed:
        return False
    terms = source.symbols.terms(own.input[1])
    return own.op_type != "Reshape" or terms is None or any(t.factor > 0 for t in terms[2:])


def _move(source: Source, writer: Lowering, before: Node, after: Node) -> None:
    """Copies of the file's nodes with the inputs and the output that the node has now."""
    names = dict(zip(before.inputs, after.inputs, strict=True)) | {before.output: after.output}
    for own in _slice(source, before):
        copy = onnx.NodeProto()
        copy.CopyFrom(own)
        copy.name = writer.fresh(own.name or own.op_type)
        for field in (copy.input, copy.output):
            for k, value in enumerate(field):
                if value and value not in names and value not in source.fixed:
                    names[value] = writer.fresh(value)
                field[k] = names.get(value, value)
        writer.nodes.append(copy)


def _merged(
    source: Source, nodes: list[onnx.NodeProto], dropped: set[int], new: list[onnx.NodeProto], tensors: set[str]
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto], list[tuple[onnx.NodeProto, str]]]:
    """The nodes that the edited file has; those that go; those that ask a lost value for its size, each with a value of
    the same size.

    `nodes` are the file's, or copies of them in the same order; `tensors` come with the new ones. Raises `NotLowered`
    where something would still read a value that nobody writes any more.
    """
    before = list(source.proto.node)
    lost = [nodes[k] for k, n in enumerate(before) if id(n) in dropped]
    stay = [nodes[k] for k, n in enumerate(before) if id(n) not in dropped]
    stay = _alive([*stay, *new], lost, {o.name for o in source.proto.output})
    there = {o for n in stay for o in n.output} | {i.name for i in source.proto.input} | set(source.initialisers)
    there |= tensors | {t.values.name for t in source.proto.sparse_initializer}
    others: list[tuple[onnx.NodeProto, str]] = []
    for node in stay:
        for value in reads(node):
            if value in there:
                continue
            same = source.same_shape(value, there) if node.op_type in ("Shape", "Size") else None
            if same is None:
                raise NotLowered(f"{node.op_type} '{node.name}' of the file also reads '{value}', which would go")
            others.append((node, same))
    return stay, lost, others


def _replace(source: Source, graph: onnx.GraphProto, dropped: set[int], writer: Lowering) -> None:
    nodes = list(graph.node)  # copies, in the same order
    stay, lost, others = _merged(source, nodes, dropped, writer.nodes, {t.name for t in writer.tensors})
    for node, value in others:
        node.input[0] = value
    unread = {v for n in (*lost, *nodes) for v in reads(n)}
    merged = _ordered(stay, {id(n): k for k, n in enumerate(nodes)})
    read = {v for n in merged for v in reads(n)} | {o.name for o in graph.output}
    unread -= read
    values = {o for n in merged for o in n.output}
    names = {t.name for t in writer.tensors}
    copies = [_copy(n) for n in merged]
    del graph.node[:]
    graph.node.extend(copies)
    for k in reversed(range(len(graph.initializer))):
        if graph.initializer[k].name in unread:
            del graph.initializer[k]
    left = {t.name for t in graph.initializer}
    for k in reversed(range(len(graph.input))):
        name = graph.input[k].name
        if name in source.initialisers and name not in left:
            del graph.input[k]  # before IR version 4 every initialiser is an input too
    graph.initializer.extend(t for t in writer.tensors if t.name in names)
    for k in reversed(range(len(graph.value_info))):
        if graph.value_info[k].name not in values | {i.name for i in graph.input} | left:
            del graph.value_info[k]
    if source.model.proto.ir_version < 4:
        graph.input.extend(
            onnx.helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in writer.tensors
        )


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    made = onnx.NodeProto()
    made.CopyFrom(node)
    return made


def _alive(nodes: list[onnx.NodeProto], lost: list[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    """The nodes without those whose last reader was lost, and what led to them alone."""
    readers: dict[str, int] = {}
    for n in nodes:
        for v in set(reads(n)):
            readers[v] = readers.get(v, 0) + 1
    writers = {o: n for n in nodes for o in n.output if o}
    dead: set[int] = set()
    todo = [v for n in lost for v in reads(n)]
    while todo:
        node = writers.get(todo.pop())
        if node is None or id(node) in dead or any(readers.get(o) or o in outputs for o in node.output if o):
            continue
        dead.add(id(node))
        for v in set(reads(node)):
            readers[v] -= 1
            todo.append(v)
    return [n for n in nodes if id(n) not in dead]


def _ordered(nodes: list[onnx.NodeProto], rank: dict[int, int]) -> list[onnx.NodeProto]:
    """Topological order: the file's own, new nodes as soon as they can stand."""
    writers = {o: k for k, n in enumerate(nodes) for o in n.output if o}
    waits = [{writers[v] for v in reads(n) if v in writers} for n in nodes]
    readers: list[list[int]] = [[] for _ in nodes]
    for k, needs in enumerate(waits):
        for j in needs:
            readers[j].append(k)
    ready = [(rank.get(id(nodes[k]), -1), k) for k, needs in enumerate(waits) if not needs]
    heapq.heapify(ready)
    order: list[onnx.NodeProto] = []
    while ready:
        _, k = heapq.heappop(ready)
        order.append(nodes[k])
        for j in readers[k]:
            waits[j].discard(k)
            if not waits[j]:
                heapq.heappush(ready, (rank.get(id(nodes[j]), -1), j))
    if len(order) < len(nodes):
        raise NotLowered("the rewritten file would have a cycle; please report it")
    return order
