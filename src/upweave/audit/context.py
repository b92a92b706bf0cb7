"""What a rule may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from ..graph.grid import GridMap
from ..graph.ir import Graph, Node, Op, Pointwise
from .layer import Layer
from .statistics import PhaseGains, phase_gains


@dataclass(frozen=True)
class Context:
    """One model under audit: its graph, its grids, its resampling layers.

    `layers` is in graph order. Weights are read through each layer's `weights[...].load()`. `model` is the module
    itself where there is one, for questions that need another input size.
    """

    graph: Graph
    grids: GridMap
    layers: tuple[Layer, ...]
    model: Any = field(default=None, repr=False)

    @cached_property
    def upsamplers(self) -> tuple[Layer, ...]:
        """The live layers that make a grid finer, and every live transposed convolution."""
        return tuple(x for x in self.layers if x.resampler.is_upsampler and self.is_live(x))

    @cached_property
    def transposed(self) -> tuple[Layer, ...]:
        """The live transposed convolutions that stride on some axis; with stride 1 it is an ordinary convolution."""
        strided = (x for x in self.upsamplers if x.op == "ConvTranspose" and x.spec is not None)
        return tuple(x for x in strided if any(a.stride > 1 for a in _axes(x)))

    @cached_property
    def live(self) -> frozenset[str]:
        """The values that depend on a model input; the rest is the same whatever the model is given."""
        seen = set(self.graph.inputs)
        for node in self.graph.nodes:
            if any(v in seen for v in node.inputs):
                seen.update(node.outputs)
        return frozenset(seen)

    def is_live(self, layer: Layer) -> bool:
        """True if the layer's input depends on a model input, or the graph does not say."""
        node = layer.resampler.node
        return not self.graph.has_topology or not node.inputs or node.inputs[0] in self.live

    @cached_property
    def by_node(self) -> dict[str, Layer]:
        """The layer of each node by the node's name."""
        return {x.node: x for x in self.layers}

    @cached_property
    def producers(self) -> dict[str, Node]:
        """The node that writes each value."""
        return self.graph.producers()

    @cached_property
    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each value."""
        return self.graph.consumers()

    @cached_property
    def order(self) -> dict[str, int]:
        """The position of each node in the graph by its name."""
        return {n.name: i for i, n in enumerate(self.graph.nodes)}

    @cached_property
    def _gains(self) -> dict[str, PhaseGains | None]:
        return {}

    def gains(self, layer: Layer) -> PhaseGains | None:
        """`statistics.phase_gains` of a layer, computed once; the weights themselves are not kept."""
        if layer.node not in self._gains:
            self._gains[layer.node] = phase_gains(layer)
        return self._gains[layer.node]

    def ancestors(self, value: str) -> frozenset[str]:
        """Every value that this one depends on, itself included."""
        seen, queue = {value}, [value]
        while queue:
            node = self.producers.get(queue.pop())
            new = [v for v in node.inputs if v not in seen] if node is not None else []
            seen.update(new)
            queue.extend(new)
        return frozenset(seen)

    def readers(self, value: str, through: Callable[[Op], bool]) -> Iterator[Node]:
        """The nodes that read `value` directly or behind operations that `through` lets pass, each once."""
        seen, queue = {value}, [value]
        while queue:
            for node in self.consumers.get(queue.pop(), ()):
                if node.name in seen:
                    continue
                seen.add(node.name)
                if through(node.op):
                    queue.extend(node.outputs)
                else:
                    yield node

    def source(self, value: str, through: Callable[[Op], bool]) -> str:
        """The value that `value` comes from, walking up through single-input nodes that `through` lets pass."""
        while (node := self.producers.get(value)) is not None and len(node.inputs) == 1 and through(node.op):
            value = node.inputs[0]
        return value


def amount(samples: Fraction) -> str:
    """A distance in words: "1/2 sample", "3 samples"."""
    return f"{number(samples)} {'sample' if samples <= 1 else 'samples'}"


def number(value: Fraction) -> str:
    """A number in words: a fraction while that is short, else a decimal."""
    text = str(value) if value.denominator <= 16 else f"{float(value):.3g}"
    return text.replace("-", "−")


def is_pointwise(op: Op) -> bool:
    """True for element-wise functions and normalisations."""
    return isinstance(op, Pointwise)


def is_linear_pointwise(op: Op) -> bool:
    """True for what is linear per channel: dropout, casts, scaling, batch normalisation."""
    return isinstance(op, Pointwise) and not op.nonlinear


def _axes(layer: Layer) -> tuple[Any, ...]:
    assert layer.spec is not None
    return layer.spec.per_axis(layer.rank)
