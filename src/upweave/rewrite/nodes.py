"""Building the nodes that identities put into a graph: names, shapes and weights that fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph.ir import (
    Concat,
    Convolution,
    Merge,
    Node,
    Op,
    Pad,
    PixelShuffle,
    Resize,
    Shape,
    TransposedConvolution,
    Weight,
)
from ..spec import Conv, ConvTranspose
from ..theory.sizes import output_size
from .view import View

Array = npt.NDArray[Any]
Pair = tuple[int, int]
FLOATS = ("float16", "float32", "float64")


def numbers(node: Node, role: str = "weight") -> Array:
    """The numbers of a parameter that is there."""
    found = node.weights[role].load()
    assert found is not None
    return found


def is_float(node: Node) -> bool:
    """True if all parameters of the node are numbers of a type that NumPy computes with."""
    return all(w.dtype in FLOATS for w in node.weights.values())


def weight(name: str, shape: Sequence[int], dtype: str, make: Callable[[], Array]) -> Weight:
    """A parameter that is computed when it is loaded, each time: nobody holds all new weights of a model at once."""
    shape = tuple(int(n) for n in shape)

    def load() -> Array:
        made = np.ascontiguousarray(make().astype(dtype))
        if made.shape != shape:
            raise AssertionError(f"{name}: shape {made.shape}, not {shape}")
        return made

    return Weight(name, shape, dtype, load)


def transposed_shape(spec: ConvTranspose, c_in: int, c_out: int) -> Shape:
    """The shape of a transposed convolution's weight: (C_in, C_out/g, k…)."""
    return (c_in, c_out // spec.groups, *(a.kernel for a in spec.per_axis()))


@dataclass
class Builder:
    """Nodes in the making for one replacement of a view, in topological order, and the shapes of their outputs.

    `path` and `where` are handed to every node.
    """

    view: View
    path: str
    where: str | None = None
    nodes: list[Node] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)

    @classmethod
    def around(cls, view: View, node: Node) -> Builder:
        """A builder whose nodes stand for this one."""
        return cls(view, node.path or node.name, node.where)

    def shape(self, value: str) -> Shape:
        """The shape of an old or new value."""
        return self.shapes[value] if value in self.shapes else self.view.graph.shapes[value]

    def add(
        self,
        op: Op,
        inputs: Sequence[str],
        shape: Shape,
        output: str | None,
        weights: Mapping[str, Weight] | None = None,
        what: str = "",
    ) -> str:
        """One node; `output` is the value that it writes, or None for a new one. Returns the value."""
        base = f"{self.path}/{what or type(op).__name__.lower()}"
        value = output or self.view.fresh(f"{base}:out")
        self.nodes.append(
            Node(self.view.fresh(base), op, tuple(inputs), (value,), self.path, self.where, dict(weights or {}))
        )
        self.shapes[value] = shape
        return value

    def conv(self, x: str, spec: Conv, channels: Pair, weights: Mapping[str, Weight], output: str | None = None) -> str:
        """A convolution; `channels` are (in, out)."""
        shape = self.shape(x)
        rank = len(weights["weight"].shape) - 2
        size = output_size(_ranked(spec, rank), shape[-rank:])
        out = (*shape[: -rank - 1], channels[1], *size)
        return self.add(Convolution(spec, *channels), [x], out, output, weights, "conv")

    def transposed(
        self, x: str, spec: ConvTranspose, channels: Pair, weights: Mapping[str, Weight], output: str | None = None
    ) -> str:
        """A transposed convolution; `channels` are (in, out)."""
        shape = self.shape(x)
        rank = len(weights["weight"].shape) - 2
        size = output_size(_ranked(spec, rank), shape[-rank:])
        out = (*shape[: -rank - 1], channels[1], *size)
        return self.add(TransposedConvolution(spec, *channels), [x], out, output, weights, "transposed")

    def pad(self, x: str, pads: Sequence[Pair], mode: str = "zeros", output: str | None = None) -> str:
        """Padding of the trailing axes, one pair an axis; negative numbers crop."""
        shape = self.shape(x)
        pairs = (*((0, 0),) * (len(shape) - len(pads)), *pads)
        out = tuple(n + b + e for n, (b, e) in zip(shape, pairs, strict=True))
        crops = all(b <= 0 and e <= 0 for b, e in pairs)
        return self.add(Pad(pairs, mode), [x], out, output, what="crop" if crops else "pad")

    def shuffle(self, x: str, factor: tuple[int, ...], output: str | None = None) -> str:
        """A pixel shuffle in PyTorch's channel order."""
        shape, rank = self.shape(x), len(factor)
        size = tuple(n * f for n, f in zip(shape[-rank:], factor, strict=True))
        channels = shape[-rank - 1] // int(np.prod(factor))
        return self.add(PixelShuffle(factor), [x], (*shape[: -rank - 1], channels, *size), output, what="shuffle")

    def repeat(self, x: str, factors: tuple[int, ...], output: str | None = None) -> str:
        """A nearest resize of the trailing axes by whole factors."""
        shape, rank = self.shape(x), len(factors)
        size = tuple(n * f for n, f in zip(shape[-rank:], factors, strict=True))
        dims = tuple(range(len(shape) - rank, len(shape)))
        op = Resize("nearest", "asymmetric", dims, tuple(Fraction(f) for f in factors), size)
        return self.add(op, [x], (*shape[:-rank], *size), output, what="resize")

    def sum(self, parts: Sequence[str], output: str | None = None) -> str:
        """The sum of values of one shape, two at a time."""
        total = parts[0]
        for k, part in enumerate(parts[1:], 1):
            last = output if k == len(parts) - 1 else None
            total = self.add(Merge("add"), [total, part], self.shape(part), last, what="sum")
        return total

    def concat(self, parts: Sequence[str], dim: int) -> str:
        """Concatenation along a dimension; a single part is itself."""
        if len(parts) == 1:
            return parts[0]
        shape = list(self.shape(parts[0]))
        shape[dim] = sum(self.shape(p)[dim] for p in parts)
        return self.add(Concat(dim), parts, tuple(shape), None)


def _ranked(spec: Any, rank: int) -> Any:
    """The spec with a tuple in every field, so that its rank is known."""
    if not spec.is_scalar or rank == 1:
        return spec
    return type(spec)(
        **{f: (getattr(spec, f),) * rank if f in spec.axis_fields else getattr(spec, f) for f in vars(spec)}
    )
