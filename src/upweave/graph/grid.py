"""Sampling grids: where the samples of a tensor sit, measured on the model's own input.

Along one axis, sample n of a tensor sits at `origin + step·n`, in samples of its *root*: the dimension of a model
input that it descends from, or the place where a new grid begins (a latent vector reshaped into a map, an opaque
operation). Input sample i sits at i. Only grids with the same root can be compared.

    input        0   1   2   3   4   5   6   7        step 1, origin 0
    conv s2 p1   0       2       4       6            step 2, origin 0      (k3: phase-0)
    pool k2 s2     ½       2½      4½      6½         step 2, origin ½      (half-pixel centred)

Everything is exact: steps and origins are fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, TypeAlias

from .ir import Graph, Node

RootKind: TypeAlias = Literal["input", "channel", "repeat", "unit", "joined", "opaque", "new"]


@dataclass(frozen=True)
class Root:
    """Where a grid begins: dimension `dim` of value `value`, `extent` samples long.

    `kind` is "input" for a dimension of a model input; "channel" for features made by a convolution or matrix;
    "repeat" for a broadcast copy; "unit" for a single sample; "joined" for a concatenation along this dimension;
    "opaque" behind an operation that is not understood; "new" where a spatial operation meets any other dimension.
    """

    value: str
    dim: int
    extent: int
    kind: RootKind


@dataclass(frozen=True)
class Overhang:
    """A transposed convolution without begin padding: outputs past s·H, which a causal model trims on the right."""

    amount: int
    causal_origin: Fraction


@dataclass(frozen=True)
class Grid:
    """The sampling grid of one axis of one tensor.

    Attributes:
        root: what positions are measured on.
        step, origin: sample n sits at origin + step·n.
        extent: the number of samples.
        upsampled: True behind a layer that makes the grid finer.
        pattern: paths from the root's samples to sample n, by n mod len(pattern), divided by their common factor:
            the composite coverage of everything on the way.
        uneven: names of the nodes whose own coverage is uneven, that the pattern comes from.
        padded: samples just added by padding at (begin, end), cleared by the next operation that moves the grid.
        overhang: see `Overhang`; cleared likewise.
    """

    root: Root
    step: Fraction
    origin: Fraction
    extent: int
    upsampled: bool = False
    pattern: tuple[int, ...] = (1,)
    uneven: tuple[str, ...] = ()
    padded: tuple[int, int] = (0, 0)
    overhang: Overhang | None = None

    def at(self, n: int | Fraction) -> Fraction:
        """The position of sample n on the root's axis."""
        return self.origin + self.step * n

    @property
    def centre(self) -> Fraction:
        """The position of the middle of the grid."""
        return self.at(Fraction(self.extent - 1, 2))

    @property
    def off_centre(self) -> Fraction:
        """How far the middle of this grid sits from the middle of its root, in root samples."""
        return self.centre - Fraction(self.root.extent - 1, 2)

    def displacement(self, other: Grid) -> Fraction:
        """The largest distance between same-index samples of two grids on one root, in this grid's samples."""
        ends = (0, min(self.extent, other.extent) - 1)
        return max(abs(self.at(n) - other.at(n)) for n in ends) / abs(self.step)


@dataclass(frozen=True)
class Resampler:
    """A node that makes a grid finer or coarser, or that is an upsampling layer by its kind.

    Attributes:
        node: the node; for a pixel shuffle written as reshape + permute + reshape, the last of the three.
        kind: "ConvTranspose", "Resize", "PixelShuffle", "Repeat" · "Conv", "Pool", "PixelUnshuffle", "Slice".
        dims: the tensor dimensions it acts on.
        before, after: the grid of each of those dimensions in its input and its output.
        crops: (begin, end) samples cut (negative: added) directly behind it, on each of `dims`, by the slices and
            pads that follow through point-wise operations alone.
        crop_nodes: those slices and pads.
    """

    node: Node
    kind: str
    dims: tuple[int, ...]
    before: tuple[Grid, ...]
    after: tuple[Grid, ...]
    crops: tuple[tuple[int, int], ...] = ()
    crop_nodes: tuple[Node, ...] = ()

    @property
    def factor(self) -> tuple[Fraction, ...]:
        """Output samples for each input sample, on each axis: nominal, not extent over extent."""
        return tuple(b.step / a.step for b, a in zip(self.before, self.after, strict=True))

    @property
    def is_upsampler(self) -> bool:
        """True if some axis becomes finer, or the node is a transposed convolution."""
        return self.kind == "ConvTranspose" or any(f > 1 for f in self.factor)


@dataclass(frozen=True)
class Meeting:
    """Two grids of one root that meet in a merge or a concatenation and disagree.

    `dim` is the dimension of the node's output; `displacement` is in samples of the meeting grid; `values` names the
    two tensors; `kept` is the grid that the analysis goes on with.
    """

    node: Node
    dim: int
    values: tuple[str, str]
    grids: tuple[Grid, Grid]
    kept: Grid
    displacement: Fraction


@dataclass(frozen=True)
class GridMap:
    """What grid inference found out about a graph.

    Attributes:
        graph: the graph.
        grids: for every value, the grid of each dimension, or None where a dimension is no single grid (a flattened
            token axis) or the graph has no topology.
        resamplers: every node that makes a grid finer or coarser, in graph order.
        meetings: every place where grids disagree.
        spatial: the roots that some convolution, pool, pad or resize treats as space or time.
    """

    graph: Graph
    grids: Mapping[str, tuple[Grid | None, ...]] = field(default_factory=dict)
    resamplers: tuple[Resampler, ...] = ()
    meetings: tuple[Meeting, ...] = ()
    spatial: frozenset[Root] = frozenset()
