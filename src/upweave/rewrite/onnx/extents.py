"""How large every tensor is, whatever the sizes of a file's dynamic axes: factor·symbol + offset on each axis.

A file may say more about a dynamic axis than that it is one: PyTorch's exporter writes "32*h" where the model asks for
multiples of 32. Then the sizes inside follow, a strided convolution's included, and a resize to the size of a skip is
known to double.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import onnx

from ...errors import ModelError
from ...graph.ir import (
    Concat,
    Constant,
    Convolution,
    Graph,
    Merge,
    Node,
    Op,
    Pad,
    Permute,
    PixelShuffle,
    PixelUnshuffle,
    Pointwise,
    Pool,
    Reduce,
    Resize,
    Shape,
    TransposedConvolution,
)
from ...graph.onnx.inputs import declared_shape


@dataclass(frozen=True)
class Extent:
    """factor·symbol + offset samples; a number where the symbol is ""."""

    factor: int
    symbol: str
    offset: int = 0

    def __str__(self) -> str:
        text = f"{self.factor}*{self.symbol}" if self.factor != 1 else self.symbol
        return f"{text} {'-' if self.offset < 0 else '+'} {abs(self.offset)}" if self.offset else text

    def at(self, value: int) -> int:
        """The size where the symbol has this value."""
        return self.factor * value + self.offset

    def nearest(self, size: int) -> int:
        """The value of the symbol, at least 1, that comes nearest to a size."""
        return max(1, round((size - self.offset) / self.factor))

    def plus(self, n: int) -> Extent:
        """The same, n samples longer."""
        return Extent(self.factor, self.symbol, self.offset + n)

    def times(self, n: int) -> Extent:
        """n times as long."""
        return Extent(self.factor * n, self.symbol, self.offset * n)

    def over(self, n: int) -> Extent | None:
        """⌊size/n⌋, where that is an extent again: n divides the factor."""
        return None if self.factor % n else Extent(self.factor // n, self.symbol, self.offset // n)

    def ratio(self, other: Extent) -> Fraction | None:
        """How many times as long as another one it is, if that is the same for every value of the symbol."""
        if not self.factor and not other.factor:
            return Fraction(self.offset, other.offset) if other.offset else None
        if self.symbol != other.symbol or not other.factor or not self.factor:
            return None
        found = Fraction(self.factor, other.factor)
        return found if self.offset == found * other.offset else None


Extents: TypeAlias = "tuple[Extent | None, ...]"
"""One an axis; None where it cannot be followed."""

_LINEAR = re.compile(r"(?:(\d+)\s*\*\s*)?([A-Za-z_]\w*)(?:\s*\*\s*(\d+))?(?:\s*([+-])\s*(\d+))?")


def declared_extent(dim: int | str) -> Extent | None:
    """What a file says of an axis: 64, "h", "32*h", "2*h + 1". Any other text is a symbol of its own; "?" is None."""
    if isinstance(dim, int):
        return Extent(0, "", dim)
    if dim == "?":
        return None
    found = _LINEAR.fullmatch(dim.strip().removeprefix("(").removesuffix(")"))
    if found is None:
        return Extent(1, dim)
    before, symbol, after, sign, offset = found.groups()
    factor = int(before or 1) * int(after or 1)
    return Extent(factor, symbol, int(offset or 0) * (-1 if sign == "-" else 1)) if factor else Extent(1, dim)


def declared_extents(info: onnx.ValueInfoProto) -> tuple[Extent, ...] | None:
    """The axes of an input; one without a name is a symbol of its own. None where even the rank is open."""
    dims = declared_shape(info)
    if dims is None:
        return None
    known = [declared_extent(d) for d in dims]
    return tuple(Extent(1, f"{info.name}[{a}]") if e is None else e for a, e in enumerate(known))


Wanted: TypeAlias = Callable[[Node], "Extents | None"]
"""The output of a resize whose size the file computes; asked when all values before it are known."""


def follow(graph: Graph, found: dict[str, Extents], wanted: Wanted, unsure: Callable[[Node], bool]) -> None:
    """Add to `found`, which holds the graph's inputs, the extents of all values that can be followed.

    `unsure` says of which nodes the recorded numbers hold at the recorded size alone.
    """
    for node in graph.nodes:
        known = [found.get(v) for v in node.inputs]
        rule = _RULES.get(type(node.op))
        shape = graph.shapes.get(node.output)
        out: Extents | None = None
        if isinstance(node.op, Constant) and shape is not None:
            out = tuple(Extent(0, "", n) for n in shape)
        elif isinstance(node.op, Resize) and node.op.by_size:
            out = wanted(node)
        elif rule is not None and known and None not in known and not unsure(node):
            out = rule(node, [e for e in known if e is not None])
        if out is not None:
            found[node.output] = out


# -- one rule an operator: the node, and the extents of its inputs, all known ----------------------------------------


def _same(node: Node, inputs: Sequence[Extents]) -> Extents:
    return inputs[0]


def _window(x: Extents, span: Sequence[int], stride: Sequence[int]) -> Extents:
    """⌊(x + span)/s⌋ + 1 on the trailing axes."""
    rank = len(stride)
    out: list[Extent | None] = []
    for n, more, s in zip(x[-rank:], span, stride, strict=True):
        steps = None if n is None else n.plus(more).over(s)
        out.append(None if steps is None else steps.plus(1))
    return (*x[:-rank], *out)


def _channels(x: Extents, rank: int, channels: int) -> Extents:
    return (*x[: -rank - 1], Extent(0, "", channels), *x[-rank:])


def _convolution(node: Node, inputs: Sequence[Extents]) -> Extents:
    op, (x, *_) = node.op, inputs
    assert isinstance(op, Convolution)
    axes = op.spec.per_axis(len(x) - 2)
    span = [a.begin + a.end - a.dilation * (a.kernel - 1) - 1 for a in axes]
    return _channels(_window(x, span, [a.stride for a in axes]), len(axes), op.out_channels)


def _transposed(node: Node, inputs: Sequence[Extents]) -> Extents:
    op, (x, *_) = node.op, inputs
    assert isinstance(op, TransposedConvolution)
    axes = op.spec.per_axis(len(x) - 2)
    out = [
        None if n is None else
        n.times(a.stride).plus(a.dilation * (a.kernel - 1) + 1 - a.stride + a.output_padding - a.begin - a.end)
        for n, a in zip(x[-len(axes):], axes, strict=True)
    ]  # fmt: skip
    return _channels((*x[: -len(axes)], *out), len(axes), op.out_channels)


def _pool(node: Node, inputs: Sequence[Extents]) -> Extents:
    op, (x, *_) = node.op, inputs
    assert isinstance(op, Pool)
    rank = len(op.stride)
    span = [
        b + e - d * (k - 1) - 1
        for (b, e), k, d in zip(op.padding, op.kernel, op.dilation, strict=True)
    ]  # fmt: skip
    out = _window(x, span, op.stride)
    if not op.ceil:
        return out
    # Rounding up is the same where nothing is left over.
    exact = [
        n is not None and (n.offset + more) % s == 0 for n, more, s in zip(x[-rank:], span, op.stride, strict=True)
    ]
    return (*out[:-rank], *(n if whole else None for n, whole in zip(out[-rank:], exact, strict=True)))


def _resize(node: Node, inputs: Sequence[Extents]) -> Extents:
    op, (x, *_) = node.op, inputs
    assert isinstance(op, Resize)
    out = list(x)
    for dim, scale in zip(op.dims, op.scale, strict=True):
        n = x[dim]
        out[dim] = None if n is None else n.times(scale.numerator).over(scale.denominator)
    return tuple(out)


def _merge(node: Node, inputs: Sequence[Extents]) -> Extents:
    rank = max(map(len, inputs))
    padded = [(*(Extent(0, "", 1),) * (rank - len(x)), *x) for x in inputs]
    out: list[Extent | None] = []
    for dims in zip(*padded, strict=True):
        wide = {d for d in dims if d != Extent(0, "", 1)}
        out.append(wide.pop() if len(wide) == 1 else None if wide else Extent(0, "", 1))
    return tuple(out)


def _concat(node: Node, inputs: Sequence[Extents]) -> Extents:
    assert isinstance(node.op, Concat)
    out: list[Extent | None] = []
    for a, dims in enumerate(zip(*inputs, strict=True)):
        if a != node.op.dim:
            out.append(dims[0] if len(set(dims)) == 1 else None)
        elif any(d is None for d in dims) or len({d.symbol for d in dims if d is not None and d.factor}) > 1:
            out.append(None)
        else:
            there = [d for d in dims if d is not None]
            symbol = next((d.symbol for d in there if d.factor), "")
            out.append(Extent(sum(d.factor for d in there), symbol, sum(d.offset for d in there)))
    return tuple(out)


def _pad(node: Node, inputs: Sequence[Extents]) -> Extents:
    assert isinstance(node.op, Pad)
    return tuple(None if n is None else n.plus(b + e) for n, (b, e) in zip(inputs[0], node.op.pads, strict=True))


def _shuffle(node: Node, inputs: Sequence[Extents]) -> Extents:
    op, (x, *_) = node.op, inputs
    assert isinstance(op, (PixelShuffle, PixelUnshuffle))
    rank, count = len(op.factor), 1
    for f in op.factor:
        count *= f
    up = isinstance(op, PixelShuffle)
    space = [None if n is None else n.times(f) if up else n.over(f) for n, f in zip(x[-rank:], op.factor, strict=True)]
    c = x[-rank - 1]
    channels = None if c is None else c.over(count) if up else c.times(count)
    return (*x[: -rank - 1], channels, *space)


def _permute(node: Node, inputs: Sequence[Extents]) -> Extents:
    assert isinstance(node.op, Permute)
    return tuple(inputs[0][d] for d in node.op.order)


def _reduce(node: Node, inputs: Sequence[Extents]) -> Extents:
    op = node.op
    assert isinstance(op, Reduce)
    kept = [Extent(0, "", 1) if d in op.dims else n for d, n in enumerate(inputs[0]) if op.keepdim or d not in op.dims]
    return tuple(kept)


_RULES: dict[type[Op], Callable[[Node, Sequence[Extents]], Extents]] = {
    Pointwise: _same,
    Convolution: _convolution,
    TransposedConvolution: _transposed,
    Pool: _pool,
    Resize: _resize,
    Merge: _merge,
    Concat: _concat,
    Pad: _pad,
    PixelShuffle: _shuffle,
    PixelUnshuffle: _shuffle,
    Permute: _permute,
    Reduce: _reduce,
}


def symbol_values(shapes: Mapping[str, Shape], declared: Mapping[str, Sequence[Extent | None]]) -> dict[str, int]:
    """The value of every symbol at these sizes. Raises `ModelError` for a size that no value gives."""
    out: dict[str, int] = {}
    for name, known in declared.items():
        for axis, (n, e) in enumerate(zip(shapes.get(name, ()), known, strict=False)):
            if e is None or not e.factor:
                continue
            value = out.setdefault(e.symbol, (n - e.offset) // e.factor)
            if e.at(value) != n:
                raise ModelError(f"axis {axis} of input '{name}' is declared as {e}; {n} is no such size")
    return out
