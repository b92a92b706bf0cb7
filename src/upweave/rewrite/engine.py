"""From a graph to the cheaper or repaired one: match, price, apply, until nothing more is to be done.

What is done for speed is applied only where the estimated price of the whole graph falls, so the engine ends and a
second run finds nothing to do. What repairs a graph no longer matches once it is repaired.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..errors import UpweaveError
from ..graph.ir import Graph, Node, Shape
from .cost import Price, Target, price_of, why
from .identity import Identity, Refusal, Replacement, all_identities
from .view import View

LEAST_GAIN = 0.02
"""What a rewrite for speed must save of the nodes that it replaces, to be worth a change of the model."""

Judge = Callable[[Replacement, "Step"], str]
"""Says why a priced replacement is not to be applied, or "" if it is."""


@dataclass(frozen=True)
class Step:
    """One replacement that was applied: the nodes that went and came, and the prices of both.

    `context` are nodes that stay and make some of what `old` and `new` read out of the rest of what they read: a resize
    that others read too. `graph` is what the step leads to.
    """

    replacement: Replacement
    before: Price
    after: Price
    old: tuple[Node, ...]
    new: tuple[Node, ...]
    graph: Graph = field(repr=False, compare=False)
    context: tuple[Node, ...] = ()
    shapes: Mapping[str, Shape] = field(repr=False, default_factory=dict)

    @property
    def gain(self) -> float:
        """Estimated seconds saved."""
        return self.before.seconds - self.after.seconds


@dataclass(frozen=True)
class Outcome:
    """The graph that came out, what was done to it, and what was not, and why."""

    graph: Graph
    steps: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()


def rewrite(
    graph: Graph,
    names: Iterable[str],
    target: Target,
    frozen: Mapping[str, str] | None = None,
    judge: Judge | None = None,
) -> Outcome:
    """Apply the identities of these names to a fixpoint.

    `frozen` are the nodes that must stay, with reasons. `judge` may reject a replacement that would be applied; it is
    then not tried again. Raises `UpweaveError` if the rewriting does not end, which would be a defect of an identity.
    """
    known = all_identities()
    identities = [known[n]() for n in names]
    limit = 20 * len(graph.nodes) + 100
    steps: list[Step] = []
    rejected: dict[tuple[str, str, tuple[str, ...]], str] = {}
    while True:
        proposals = _propose(View(graph, frozen or {}), identities)
        applied, refusals = 0, [p for p in proposals if isinstance(p, Refusal)]
        found = [(p, s) for p in proposals if isinstance(p, Replacement) and (s := _priced(graph, p, target))]
        # The best first: where two want the same nodes, the second is looked at again in the next pass.
        found.sort(key=lambda f: -f[1][1].gain)
        before = graph
        for proposal, (_, step) in found:
            key = _key(proposal)
            reason = rejected.get(key) or _unwanted(proposal, step, target, known)
            if not reason and graph is not before:
                again = _priced(graph, proposal, target)
                if again is None:
                    continue
                step = again[1]
                reason = _unwanted(proposal, step, target, known)
            if not reason and judge is not None and (reason := judge(proposal, step)):
                rejected[key] = reason
            if reason:
                # Of several forms at one place, the one that came nearest to paying stands first.
                if not any((r.identity, r.path) == (proposal.identity, proposal.path) for r in refusals):
                    refusals.append(Refusal(proposal.identity, proposal.path, reason))
                continue
            graph = apply(graph, proposal)
            steps.append(step)
            applied += 1
        if not applied:
            return Outcome(graph, tuple(steps), tuple(dict.fromkeys(refusals)))
        if len(steps) > limit:
            raise UpweaveError(f"rewriting {graph.target or 'the graph'} does not end after {limit} steps")


def _propose(view: View, identities: Iterable[Identity]) -> list[Replacement | Refusal]:
    return [p for identity in identities for p in identity.find(view)]


def _key(r: Replacement) -> tuple[str, str, tuple[str, ...]]:
    return r.identity, r.path, r.removed


def _unwanted(r: Replacement, step: Step, target: Target, known: Mapping[str, type[Identity]]) -> str:
    if known[r.identity].purpose != "speed" or step.after.seconds < (1 - LEAST_GAIN) * step.before.seconds:
        return ""
    return f"it does not pay: {why(step.before, step.after, target)}"


def _priced(graph: Graph, r: Replacement, target: Target) -> tuple[Graph, Step] | None:
    """The graph behind a replacement and the step's prices; None if it no longer fits the graph."""
    present = {n.name for n in graph.nodes}
    values = {*graph.inputs, *(v for n in graph.nodes for v in n.outputs)}
    if not set(r.removed) <= present:
        return None
    mine = {v for n in r.added for v in n.outputs}
    if any(v not in values and v not in mine for n in r.added for v in n.inputs):
        return None
    after = apply(graph, r)
    old, new = set(graph.nodes), set(after.nodes)
    gone = tuple(n for n in graph.nodes if n not in new)
    come = tuple(n for n in after.nodes if n not in old)
    shapes = {**graph.shapes, **r.shapes}
    context = _context(graph, gone, come)
    prices = price_of(gone, shapes, target), price_of(come, shapes, target)
    return after, Step(r, *prices, gone, come, after, context, shapes)


def _context(graph: Graph, gone: tuple[Node, ...], come: tuple[Node, ...], depth: int = 6) -> tuple[Node, ...]:
    """The nodes that stay and make what only `gone` reads out of what `come` reads."""
    ends = {v for n in come for v in n.inputs}
    inside = {v for n in gone for v in n.outputs}
    producers = graph.producers()
    between: set[str] = set()

    def leads(value: str, left: int) -> bool:
        if value in ends:
            return True
        node = producers.get(value)
        if node is None or not left:
            return False
        found = [leads(v, left - 1) for v in node.inputs]
        if any(found):
            between.add(node.name)
        return any(found)

    for value in {v for n in gone for v in n.inputs} - inside:
        leads(value, depth)
    return tuple(n for n in graph.nodes if n.name in between)


def apply(graph: Graph, r: Replacement) -> Graph:
    """The graph with a replacement made, and without the nodes that nobody reads any more because of it."""
    removed = [n for n in graph.nodes if n.name in r.removed]
    kept = [n for n in graph.nodes if n.name not in r.removed]
    nodes = _swept([*kept, *r.added], [v for n in removed for v in n.inputs], set(graph.outputs))
    nodes = _ordered(nodes, graph)
    used = {*graph.inputs, *graph.outputs, *(v for n in nodes for v in (*n.inputs, *n.outputs))}
    shapes = {v: s for v, s in {**graph.shapes, **r.shapes}.items() if v in used}
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


def _swept(nodes: list[Node], orphans: list[str], outputs: set[str]) -> list[Node]:
    """The nodes without those whose outputs lost their last reader: only what wrote an orphan, and what led to it."""
    alive = {n.name: n for n in nodes}
    producers = {v: n for n in nodes for v in n.outputs}
    readers: dict[str, int] = {}
    for n in nodes:
        for v in set(n.inputs):
            readers[v] = readers.get(v, 0) + 1
    todo = list(orphans)
    while todo:
        node = producers.get(todo.pop())
        if node is None or node.name not in alive:
            continue
        if any(readers.get(v) or v in outputs for v in node.outputs):
            continue
        del alive[node.name]
        for v in set(node.inputs):
            readers[v] -= 1
            todo.append(v)
    return list(alive.values())


def _ordered(nodes: list[Node], graph: Graph) -> list[Node]:
    """In topological order, otherwise as they came."""
    rank = {n.name: k for k, n in enumerate(graph.nodes)}
    producers = {v: k for k, n in enumerate(nodes) for v in n.outputs}
    waits = [{producers[v] for v in n.inputs if v in producers} for n in nodes]
    readers: list[list[int]] = [[] for _ in nodes]
    for k, needs in enumerate(waits):
        for j in needs:
            readers[j].append(k)
    # A new node comes as soon as it can, so that it stands where the old one stood.
    ready = [(rank.get(nodes[k].name, -1), k) for k, needs in enumerate(waits) if not needs]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, k = heapq.heappop(ready)
        order.append(k)
        for j in readers[k]:
            waits[j].discard(k)
            if not waits[j]:
                heapq.heappush(ready, (rank.get(nodes[j].name, -1), j))
    if len(order) < len(nodes):
        raise UpweaveError("a rewrite made a cycle in the graph; please report it")
    return [nodes[k] for k in order]
