"""Small U-shaped networks on one axis, for the labs that follow sizes and grids through several layers.

encoder      x ── down ── down ── … ─┐          every level halves
             │      │                │
decoder      y ── up ─── up ── … ────┘          every level doubles, and meets the encoder's tensor of its length
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..bank import Array
from ..errors import SpecError, UpweaveError
from ..graph import ir
from ..graph.check import check
from ..graph.grid import Grid, GridMap
from ..graph.infer import infer
from ..spec import Conv, ConvTranspose
from ..theory.matrix import matrix
from ..theory.sizes import output_size, output_sizes
from .text import Text


@dataclass(frozen=True)
class Step:
    """One way to halve or to double: its layer, a smooth kernel for it, and whether it is a pool.

    The kernels keep a constant constant, so that what a network does to a picture is where its grids are.
    """

    label: Text
    spec: Conv | ConvTranspose
    kernel: tuple[float, ...]
    is_pool: bool = False


DOWN: Mapping[str, Step] = {
    "pool": Step(Text("2×2 pool", "2×2 池化"), Conv(2, 2), (0.5, 0.5), is_pool=True),
    "conv3": Step(Text("Conv k3 s2 p1", "卷积 k3 s2 p1"), Conv(3, 2, 1), (0.25, 0.5, 0.25)),
    "conv4": Step(Text("Conv k4 s2 p1", "卷积 k4 s2 p1"), Conv(4, 2, 1), (0.125, 0.375, 0.375, 0.125)),
}
"""Encoders, by name."""

UP: Mapping[str, Step] = {
    "k2": Step(Text("ConvT k2 s2", "转置 k2 s2"), ConvTranspose(2, 2), (1.0, 1.0)),
    "k4": Step(Text("ConvT k4 s2 p1", "转置 k4 s2 p1"), ConvTranspose(4, 2, 1), (0.25, 0.75, 0.75, 0.25)),
    "k3o1": Step(Text("ConvT k3 s2 p1 o1", "转置 k3 s2 p1 o1"), ConvTranspose(3, 2, 1, 1), (0.5, 1.0, 0.5)),
    "k3": Step(Text("ConvT k3 s2 p1", "转置 k3 s2 p1"), ConvTranspose(3, 2, 1), (0.5, 1.0, 0.5)),
}
"""Decoders, by name."""


@dataclass(frozen=True)
class Level:
    """One step of a decoder: from `size` samples to `made`, where the encoder's tensor has `skip`.

    `output_padding` is what the layer used; `made` is 0 where the layer has no output.
    """

    size: int
    made: int
    skip: int
    output_padding: int

    @property
    def fits(self) -> bool:
        """Whether the two tensors can be concatenated."""
        return self.made == self.skip


@dataclass(frozen=True)
class Network:
    """`levels` of one kind of halving, as many of one kind of doubling.

    With `follow`, each decoder layer chooses its output padding by the length of the skip, as PyTorch's
    `layer(x, output_size=skip.shape[2:])` does. Without `skips` nothing meets on the way up: a plain autoencoder.
    """

    down: str
    up: str
    levels: int
    follow: bool = False
    skips: bool = True

    def encoder(self, size: int) -> list[int]:
        """Lengths on the way down, the input first. Raises `SpecError` where one would be shorter than 1."""
        lengths = [size]
        for _ in range(self.levels):
            lengths.append(output_size(DOWN[self.down].spec, lengths[-1]))
        return lengths

    def decoder(self, size: int) -> list[Level]:
        """The steps up again, deepest first, each from the length of the skip below where that did not fit."""
        down = self.encoder(size)
        spec = UP[self.up].spec
        assert isinstance(spec, ConvTranspose)
        steps: list[Level] = []
        for n, skip in zip(down[:0:-1], down[-2::-1], strict=True):
            layer = spec
            if self.follow:
                o = skip - min(output_sizes(spec, n))
                if 0 <= o < int(spec.per_axis(1)[0].stride):
                    layer = replace(spec, output_padding=o)
            try:
                made = output_size(layer, n)
            except SpecError:
                made = 0
            steps.append(Level(n, made, skip, int(layer.per_axis(1)[0].output_padding)))
        return steps

    def fits(self, size: int) -> bool:
        """Whether the network runs on an input of this length."""
        try:
            return all(step.fits for step in self.decoder(size))
        except SpecError:
            return False

    def graph(self, size: int) -> ir.Graph:
        """The network as the graph that grid inference reads. Raises `UpweaveError` where it does not run."""
        if not self.fits(size):
            raise UpweaveError(f"an input of length {size} does not fit through this network")
        shapes: dict[str, ir.Shape] = {"x": (1, 1, size)}
        nodes: list[ir.Node] = []

        def add(op: ir.Op, name: str, length: int, *inputs: str) -> None:
            shapes[name] = (1, 1 if not isinstance(op, ir.Concat) else 2, length)
            nodes.append(ir.Node(name, op, inputs, (name,), path=name))

        step, value, down = DOWN[self.down], "x", self.encoder(size)
        for level, length in enumerate(down[1:], 1):
            (axis,) = step.spec.per_axis(1)
            k, s, p = int(axis.kernel), int(axis.stride), axis.begin
            op: ir.Op = (
                ir.Pool("average", (k,), (s,), ((p, p),), (1,))
                if step.is_pool
                else ir.Convolution(Conv((k,), (s,), (p,)), 1, 1)
            )
            add(op, f"down{level}", length, value)
            value = f"down{level}"
        (axis,) = UP[self.up].spec.per_axis(1)
        k, s, p = int(axis.kernel), int(axis.stride), axis.begin
        for level, made in zip(range(self.levels, 0, -1), self.decoder(size), strict=True):
            spec = ConvTranspose((k,), (s,), (p,), (made.output_padding,))
            add(ir.TransposedConvolution(spec, shapes[value][1], 1), f"up{level}", made.made, value)
            value = f"up{level}"
            if self.skips:
                add(ir.Concat(1), f"meet{level}", made.made, "x" if level == 1 else f"down{level - 1}", value)
                value = f"meet{level}"
        return check(ir.Graph(("x",), (value,), tuple(nodes), shapes))

    def some_size(self, at_least: int = 1) -> int:
        """A length of at least that on which the network runs. Raises `UpweaveError` where there is none near."""
        for n in range(at_least, at_least + 4 * 2**self.levels):
            if self.fits(n):
                return n
        raise UpweaveError(f"no input near {at_least} fits through this network")

    def grids(self, size: int) -> GridMap:
        """Where every sample of every tensor sits on the input's axis."""
        return infer(self.graph(size))

    def through(self, size: int) -> Array:
        """The matrix of the way down and up again, without the skips, in the smooth kernels: outputs × inputs."""
        total, length = np.eye(size), size
        steps = [DOWN[self.down]] * self.levels + [UP[self.up]] * self.levels
        for step in steps:
            part = matrix(step.spec, length, np.array(step.kernel).reshape(1, 1, -1))
            total, length = np.asarray(part @ total), part.shape[0]
        return total


def grid_of(found: GridMap, value: str) -> Grid:
    """The sampling grid of the one axis of a network's tensor."""
    grid = found.grids[value][2]
    if grid is None:
        raise UpweaveError(f"{value} has no sampling grid")
    return grid
