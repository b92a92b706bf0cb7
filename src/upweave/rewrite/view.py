"""What an identity may look at: a graph, who reads what, and which nodes must stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..graph.ir import Convolution, Graph, Node, Op, Resize, Shape, TransposedConvolution


@dataclass(frozen=True)
class View:
    """A graph under rewriting.

    `frozen` maps the names of nodes that no rewrite may remove, move or take as part of a pattern to the reason: what
    the file leaves to run time, or would not survive other sizes.
    """

    graph: Graph
    frozen: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def producers(self) -> dict[str, Node]:
        """The node that writes each value."""
        return self.graph.producers()

    @cached_property
    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each value."""
        return self.graph.consumers()

    @cached_property
    def outputs(self) -> frozenset[str]:
        """The values that the model returns."""
        return frozenset(self.graph.outputs)

    @cached_property
    def _taken(self) -> set[str]:
        values = {*self.graph.inputs, *(v for n in self.graph.nodes for v in (*n.inputs, *n.outputs))}
        return values | {n.name for n in self.graph.nodes}

    def shape(self, value: str) -> Shape:
        """The shape of a value, () where it is not known."""
        return self.graph.shapes.get(value, ())

    def producer(self, value: str, *ops: type[Op]) -> Node | None:
        """The node that writes `value`, if it is one of the given kinds and not frozen."""
        node = self.producers.get(value)
        return node if node is not None and isinstance(node.op, ops) and node.name not in self.frozen else None

    def is_private(self, value: str) -> bool:
        """True if exactly one node reads the value and the model does not return it."""
        return value not in self.outputs and len(self.consumers.get(value, ())) == 1

    def only_reader(self, value: str) -> Node | None:
        """The one node that reads a private value, if it is not frozen."""
        if not self.is_private(value):
            return None
        (reader,) = self.consumers[value]
        return None if reader.name in self.frozen else reader

    def free(self, *ops: type[Op]) -> Iterator[Node]:
        """The nodes of the given kinds that a rewrite may take, with known shapes."""
        for node in self.graph.of(*ops):
            known = all(v in self.graph.shapes for v in (*node.inputs, *node.outputs))
            if known and node.name not in self.frozen and len(node.outputs) == 1:
                yield node

    def convolutions(self) -> Iterator[Node]:
        """The convolutions whose weights are numbers of the file."""
        return (n for n in self.free(Convolution) if _has_weights(n))

    def transposed(self) -> Iterator[Node]:
        """The transposed convolutions whose weights are numbers of the file."""
        return (n for n in self.free(TransposedConvolution) if _has_weights(n))

    def fresh(self, name: str) -> str:
        """A name for a node or value that no other has; each call gives another one."""
        out, k = name, 1
        while out in self._taken:
            k += 1
            out = f"{name}_{k}"
        self._taken.add(out)
        return out


def _has_weights(node: Node) -> bool:
    return len(node.inputs) == 1 and "weight" in node.weights


def title(node: Node) -> str:
    """How a reader knows a node: its module path or name."""
    return node.path or node.name


def repeat_factors(node: Node, view: View, rank: int) -> tuple[int, ...] | None:
    """The factor of each of the trailing `rank` axes, if the node repeats samples there and does nothing else."""
    op = node.op
    x = view.shape(node.inputs[0]) if node.inputs else ()
    if not isinstance(op, Resize) or op.mode != "nearest" or len(x) < rank + 1:
        return None
    factors = {}
    for dim, scale, size in zip(op.dims, op.scale, op.out_size, strict=True):
        if scale.denominator != 1 or scale < 1 or size != scale * x[dim]:
            return None
        factors[dim] = int(scale)
    if not all(_repeats(op, f) for f in factors.values()):
        return None
    if any(d < len(x) - rank and f != 1 for d, f in factors.items()):
        return None
    return tuple(factors.get(d, 1) for d in range(len(x) - rank, len(x)))


def _repeats(op: Resize, factor: int) -> bool:
    """Whether a nearest resize by a whole factor repeats every sample so often, and no other.

    Output n reads the sample nearest to n/s (asymmetric) or (n + ½)/s − ½ (half-pixel). Repeating is ⌊n/s⌋: rounding
    down on the former, and rounding to the nearest on the latter, where no output falls half-way. By 2, n/2 is whole or
    half-way, so rounding to the nearest, half-way down, repeats on the former too. Rounding down on the half-pixel grid
    would read one sample too early.
    """
    if factor == 1:
        return op.coordinates != "align_corners"
    if op.coordinates in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        return op.nearest.startswith("round")
    if op.coordinates == "asymmetric":
        return op.nearest == "floor" or (factor == 2 and op.nearest == "round_prefer_floor")
    return False


def why_no_repeat(node: Node, view: View) -> str:
    """Why a resize that enlarges does not repeat samples, or "" if it does or does not enlarge."""
    op = node.op
    if not isinstance(op, Resize) or not any(s > 1 for s in op.scale):
        return ""
    if op.mode != "nearest":
        return f"is a {op.mode} resize; only a nearest one folds exactly, borders included"
    if any(s.denominator != 1 for s in op.scale):
        return f"resizes by {'×'.join(map(str, op.scale))}, which is no whole factor"
    if not all(_repeats(op, int(s)) for s in op.scale):
        return f"rounds by {op.nearest} on the {op.coordinates} grid, which repeats no sample equally often"
    return ""
