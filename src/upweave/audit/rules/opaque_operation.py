"""UW901 opaque-operation."""

from __future__ import annotations

from collections.abc import Iterator

from ...graph.ir import Node, Opaque
from ..context import Context
from ..finding import Finding, Level
from ..rule import Rule


class OpaqueOperation(Rule):
    """An operation on the way of the grids that the audit does not understand.

    ## What it finds
    Operations without a meaning to the front end, between the input and an upsampler or behind one, one note for each
    reason. Behind them grids begin anew: nothing is claimed about alignment across them.

    ## Why it is bad
    It is not bad; but where such an operation stands, silence of the other rules means less.

    ## Example
    A custom operator, or a gather with indices that depend on the data.

    ## Use instead
    Nothing, if the operation is meant. Please report operators that should be understood.

    ## Fix safety
    There is no fix.

    ## References
    - Cousot, Cousot: Abstract interpretation: a unified lattice model for static analysis of programs by construction
    or approximation of fixpoints, POPL 1977
    """

    code = "UW901"
    name = "opaque-operation"
    level = Level.NOTE
    summary = "an operation that the audit cannot see through"
    needs_topology = True

    def check(self, context: Context) -> Iterator[Finding]:
        """Opaque nodes on a path with an upsampler, by reason."""
        if not context.upsamplers:
            return
        near = _near_upsamplers(context)
        by_reason: dict[str, list[Node]] = {}
        for node in context.graph.of(Opaque):
            shape = context.graph.shapes.get(node.output, ())
            if node.output in near and node.output in context.live and len(shape) >= 3:
                assert isinstance(node.op, Opaque)
                by_reason.setdefault(node.op.reason, []).append(node)
        for reason, nodes in by_reason.items():
            first = nodes[0]
            more = f" ({len(nodes)} times)" if len(nodes) > 1 else ""
            message = f"{reason}{more}: nothing is known about grids across it"
            evidence = {"reason": reason, "count": len(nodes), "nodes": [n.path or n.name for n in nodes]}
            yield self.finding(first.path or first.name, message, evidence=evidence, where=first.where, node=first.name)


def _near_upsamplers(context: Context) -> set[str]:
    """The values before and behind the upsamplers."""
    near: set[str] = set()
    queue = [x.resampler.node.output for x in context.upsamplers]
    while queue:
        value = queue.pop()
        node = context.producers.get(value)
        if value in near:
            continue
        near.add(value)
        if node is not None:
            queue.extend(node.inputs)
    ahead: set[str] = {x.resampler.node.output for x in context.upsamplers}
    for node in context.graph.nodes:
        if any(v in ahead for v in node.inputs):
            ahead.update(node.outputs)
    return near | ahead
