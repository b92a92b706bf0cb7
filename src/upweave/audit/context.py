"""What a rule may look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..graph.grid import GridMap
from ..graph.ir import Graph, Node
from .layer import Layer


@dataclass(frozen=True)
class Context:
    """One model under audit: its graph, its grids, its resampling layers.

    `layers` is in graph order. Weights are read through each layer's `weights[...].load()`.
    """

    graph: Graph
    grids: GridMap
    layers: tuple[Layer, ...]

    @cached_property
    def upsamplers(self) -> tuple[Layer, ...]:
        """The layers that make a grid finer, and every transposed convolution."""
        return tuple(x for x in self.layers if x.resampler.is_upsampler)

    @cached_property
    def producers(self) -> dict[str, Node]:
        """The node that writes each value."""
        return self.graph.producers()

    @cached_property
    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each value."""
        return self.graph.consumers()
