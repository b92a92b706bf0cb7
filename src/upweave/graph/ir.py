"""The one graph that every front end writes and every analysis reads.

A `Graph` is a list of nodes in topological order. Each `Node` applies one typed `Op` to named values and writes
named values; shapes are concrete integers. What the op computes is decided by the front end from the operator
itself, never from the name of a class. What a front end does not understand becomes `Opaque` with its reason, and
the graph goes on behind it.

Dimension numbers in ops are non-negative. Convolutions, transposed convolutions, pools and pixel shuffles act on
the trailing `rank` dimensions, with the channels in front of them, batched or not, as in PyTorch and ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..spec import Conv, ConvTranspose

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Weight:
    """A parameter or initialiser: its name, shape and dtype are known, its numbers are loaded on demand.

    `load()` returns a NumPy array (bfloat16 comes as float32), or None where there are no numbers (meta device).
    """

    name: str
    shape: Shape
    dtype: str
    load: Callable[[], npt.NDArray[Any] | None] = field(repr=False, compare=False)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


class Op:
    """Base of all operators."""


@dataclass(frozen=True)
class Convolution(Op):
    """A convolution; inputs (x,), weights "weight" (C_out, C_in/g, k…) and optionally "bias".

    `implicit` holds the file's `auto_pad`, where it has one; the spec is already resolved.
    """

    spec: Conv
    in_channels: int
    out_channels: int
    implicit: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class TransposedConvolution(Op):
    """A transposed convolution; weights "weight" (C_in, C_out/g, k…) and optionally "bias".

    `implicit` holds what the file left to the runtime (ONNX `auto_pad`, `output_shape`), for UW601; the spec is
    already resolved; what no spec can say follows as its own Pad or Slice node.
    """

    spec: ConvTranspose
    in_channels: int
    out_channels: int
    implicit: Mapping[str, Any] = field(default_factory=dict, compare=False)


Coordinates: TypeAlias = Literal[
    "half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric", "pytorch_half_pixel"
]


@dataclass(frozen=True)
class Resize(Op):
    """An interpolation. `dims` are the resized dimensions; `scale[a]` is what the coordinate map uses on each.

    Output index n reads input coordinate, on each axis (`Coordinates`, ONNX's names):
        half_pixel (n + ½)/scale − ½ · asymmetric n/scale · align_corners n·(in − 1)/(out − 1).
    PyTorch's mode="nearest" is asymmetric with floor rounding, "nearest-exact" is half_pixel; for integer factors both
    repeat every sample s times, and grid inference places them alike.
    `by_size` is True where the model asked for an output size rather than a factor (a resize to match).
    """

    mode: Literal["nearest", "linear", "cubic", "area"]
    coordinates: Coordinates
    dims: tuple[int, ...]
    scale: tuple[Fraction, ...]
    out_size: tuple[int, ...]
    by_size: bool = False
    antialias: bool = False
    cubic_a: float = -0.75
    nearest: Literal["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"] = "floor"
    exclude_outside: bool = False


@dataclass(frozen=True)
class PixelShuffle(Op):
    """Depth to space: channels c·∏factor + r go to phase r of channel c ("CRD", PyTorch) or r·C + c ("DCR")."""

    factor: tuple[int, ...]
    order: Literal["CRD", "DCR"] = "CRD"


@dataclass(frozen=True)
class PixelUnshuffle(Op):
    """Space to depth, the inverse of `PixelShuffle`."""

    factor: tuple[int, ...]
    order: Literal["CRD", "DCR"] = "CRD"


@dataclass(frozen=True)
class Pool(Op):
    """A pool over the trailing axes; paddings are (begin, end) pairs."""

    kind: Literal["max", "average", "lp"]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    ceil: bool = False


@dataclass(frozen=True)
class AdaptivePool(Op):
    """A pool to a fixed output size on the trailing axes."""

    kind: Literal["max", "average"]
    out_size: tuple[int, ...]


@dataclass(frozen=True)
class Pad(Op):
    """(begin, end) on every dimension; negative entries crop. `mode`: zeros, constant, reflect, replicate, circular."""

    pads: tuple[tuple[int, int], ...]
    mode: str = "zeros"


@dataclass(frozen=True)
class Slice(Op):
    """x[start:stop:step] along `dim`, resolved to 0 ≤ start, stop ≤ extent, step ≠ 0."""

    dim: int
    start: int
    stop: int
    step: int = 1


@dataclass(frozen=True)
class Pointwise(Op):
    """A function of each element, or a normalisation: the layout of input 0 stays. `kind` is the operator's name.

    `nonlinear` is False for what is linear per channel at inference (dropout, identity, casts, scaling by a constant,
    batch normalisation). `over` are the dimensions that a normalisation's statistics run over, where they are known and
    not the same for every tensor (layer normalisation, softmax). Weights, where they are constants: "slope" of a PReLU,
    "scale" and "bias" of a normalisation, "operand" of linear arithmetic, "right" or "left" of any other.
    """

    kind: str
    nonlinear: bool = True
    over: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Merge(Op):
    """An element-wise function of several tensors with broadcasting (add, mul, where …)."""

    kind: str


@dataclass(frozen=True)
class Concat(Op):
    """Concatenation along an existing dimension."""

    dim: int


@dataclass(frozen=True)
class Reshape(Op):
    """The same elements in row-major order under another shape (view, flatten, squeeze, unsqueeze)."""

    shape: Shape


@dataclass(frozen=True)
class Permute(Op):
    """Output dimension a is input dimension order[a]."""

    order: tuple[int, ...]


@dataclass(frozen=True)
class Expand(Op):
    """Broadcast size-1 (or new leading) dimensions to `shape` without copying."""

    shape: Shape


@dataclass(frozen=True)
class Repeat(Op):
    """Every sample of `dim` repeated `times` in place (repeat_interleave): a nearest resize."""

    dim: int
    times: int


@dataclass(frozen=True)
class Tile(Op):
    """The whole tensor repeated reps[a] times along dimension a."""

    reps: tuple[int, ...]


@dataclass(frozen=True)
class Reduce(Op):
    """Mean, sum, max … over `dims`."""

    dims: tuple[int, ...]
    keepdim: bool
    kind: str = "mean"


@dataclass(frozen=True)
class Linear(Op):
    """A matrix applied to the last dimension; weights "weight" (out, in) and optionally "bias"."""

    in_features: int
    out_features: int


@dataclass(frozen=True)
class MatMul(Op):
    """Batched matrix product of two values: rows of the first, columns of the second."""


@dataclass(frozen=True)
class Attention(Op):
    """softmax(q·kᵀ)·v of inputs (q, k, v): the positions of q, the features of v."""


@dataclass(frozen=True)
class Constant(Op):
    """A value that does not depend on the inputs (parameter, buffer, arange …)."""


@dataclass(frozen=True)
class Opaque(Op):
    """Something that is not understood; `reason` says what it is and why nothing follows from it."""

    reason: str


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        name: unique in its graph.
        op: what it computes.
        inputs: names of the values it reads (activations only; parameters are in `weights`).
        outputs: names of the values it writes.
        path: dotted module path ("decoder.up.0"), or the ONNX node's name.
        where: "file.py:line" of the class that holds it or of the call, where known.
        weights: parameters by role ("weight", "bias").
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    path: str = ""
    where: str | None = None
    weights: Mapping[str, Weight] = field(default_factory=dict, compare=False)

    @property
    def output(self) -> str:
        """The first (usually the only) output."""
        return self.outputs[0]


class Rerun(Protocol):
    """The shapes of a model's outputs at other input shapes, by name; None where it does not run."""

    @property
    def is_usable(self) -> bool:
        """Whether answers mean anything."""
        ...

    def __call__(self, shapes: Mapping[str, Shape]) -> Mapping[str, Shape] | None:
        """Output shapes for these input shapes; inputs that are not named keep theirs."""
        ...


@dataclass(frozen=True)
class Graph:
    """A model as the analyses see it.

    Attributes:
        inputs, outputs: names of values.
        nodes: in topological order.
        shapes: the shape of every value.
        has_topology: False where only the layers are known, not what feeds what.
        notes: what a reader of the report should know about how the graph was obtained.
        target: how the user named the model.
        framework: "torch" or "onnx".
        rerun: the model itself at other input sizes, where it is at hand.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    shapes: Mapping[str, Shape]
    has_topology: bool = True
    notes: tuple[str, ...] = ()
    target: str = ""
    framework: str = "torch"
    rerun: Rerun | None = field(default=None, compare=False, repr=False)

    def producers(self) -> dict[str, Node]:
        """The node that writes each value."""
        return {v: n for n in self.nodes for v in n.outputs}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each value."""
        readers: dict[str, list[Node]] = {}
        for n in self.nodes:
            for v in dict.fromkeys(n.inputs):
                readers.setdefault(v, []).append(n)
        return readers

    def of(self, *ops: type[Op]) -> Iterator[Node]:
        """The nodes whose op is one of the given types."""
        return (n for n in self.nodes if isinstance(n.op, ops))


def is_positional(shape: Shape) -> bool:
    """Whether a constant of this shape has a value for each position (a position embedding), not one for each channel.

    Such a constant takes part in a `Merge`, because it only fits the size that it was made for.
    """
    return sum(n != 1 for n in shape) > 1
