"""Shapes of a graph at another input size, re-derived from its operations.

A graph is recorded at one size. Convolutions, pools and resizes say themselves what another size becomes; a reshape
is followed by matching its factors at both sizes; constants (position embeddings, latents) stay what they are, so
that a model which only knows one size says so by conflicting at every other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import singledispatchmethod
from math import floor
from typing import TypeAlias

from . import ir
from .ir import Graph, Node, Shape
from .tiles import tiled_source

Factors: TypeAlias = tuple[tuple[int, int], ...]
"""What a dimension is a row-major product of: (size as recorded, size now) of each part."""


class Conflict(Exception):
    """The graph does not run at this size; `node` is where it fails and the message says why.

    `fixed` is True where a tensor that the model holds (a position embedding) only fits the recorded size.
    """

    def __init__(self, node: Node, reason: str, *, fixed: bool = False) -> None:
        super().__init__(reason)
        self.node = node
        self.fixed = fixed


class Unknown(Exception):
    """What happens at this size cannot be derived from the graph; the message says why."""


class Extents:
    """Shapes of `graph` at other input sizes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.base = graph.shapes
        self.new: dict[str, Shape] = {}
        self.factors: dict[str, tuple[Factors, ...]] = {}
        self.adaptive: set[str] = set()
        self.sized: set[str] = set()
        self.producers = graph.producers()
        self.constants = {v for n in graph.of(ir.Constant) for v in n.outputs}

    def at(self, inputs: Mapping[str, Shape]) -> Mapping[str, Shape]:
        """The shape of every value with these input shapes; raises `Conflict` or `Unknown`."""
        self.new, self.factors, self.adaptive, self.sized = {}, {}, set(), set()
        for name in self.graph.inputs:
            self.new[name] = inputs.get(name, self.base.get(name, ()))
        for node in self.graph.nodes:
            self._step(node)
        return self.new

    def _step(self, node: Node) -> None:
        if self._is_sized(node):
            self.sized.update(node.outputs)
        changed = any(self.new.get(v) != self.base.get(v) for v in node.inputs)
        if not changed or isinstance(node.op, ir.Constant):
            for v in node.outputs:
                if v in self.base:
                    self.new[v] = self.base[v]
            if self._is_adaptive(node):
                self.adaptive.update(node.outputs)
            return
        shape = self.shape(node.op, node)
        if any(n < 1 for n in shape) and 0 not in self.base.get(node.output, ()):
            raise Conflict(node, f"the output would have shape {shape}")
        base = self.base.get(node.output)
        for v in node.outputs:
            if v == node.output or self.base.get(v) == base:
                self.new[v] = shape
                if v not in self.factors:
                    self._keep_factors(node, v)
            else:
                raise Unknown(f"{node.name} has several outputs of different shapes")
        if self._is_adaptive(node):
            self.adaptive.update(node.outputs)

    def _keep_factors(self, node: Node, value: str) -> None:
        """Dimensions that came through unchanged are still made of what they were made of (flattened tokens)."""
        known = [f for v in reversed(node.inputs) for f in self.factors.get(v, ())]
        pairs = zip(self.base[value], self.new[value], strict=True)
        same = [next((f for f in known if _product(f) == pair), (pair,)) for pair in pairs]
        if any(len(f) > 1 for f in same):
            self.factors[value] = tuple(same)

    def _is_adaptive(self, node: Node) -> bool:
        """Whether the node's own size was written to match another tensor, or keeps one that was."""
        op = node.op
        if isinstance(op, ir.Resize):
            return op.by_size
        if isinstance(op, ir.Slice):
            base = self.base.get(node.inputs[0])
            return (base is not None and op.stop != base[op.dim]) or op.start != 0
        if isinstance(op, ir.Pad):
            return True
        return isinstance(op, ir.Pointwise) and any(v in self.adaptive for v in node.inputs)

    def _is_sized(self, node: Node) -> bool:
        """Whether the output is as large as some resize was told to make it, and no other tensor says otherwise.

        The graph records the number, not what it was copied from (often the input's own size).
        """
        if isinstance(node.op, ir.Resize) and node.op.by_size:
            return True
        live = [v for v in node.inputs if v not in self.constants]
        return bool(live) and all(v in self.sized for v in live)

    def _in(self, node: Node, i: int = 0) -> Shape:
        return self.new[node.inputs[i]]

    @singledispatchmethod
    def shape(self, op: ir.Op, node: Node) -> Shape:
        """The shape of the node's first output at the new size."""
        raise Unknown(f"{node.path or node.name}: {type(op).__name__} says nothing about other sizes")

    @shape.register
    def _(self, op: ir.Opaque, node: Node) -> Shape:
        raise Unknown(f"{node.path or node.name} is opaque: {op.reason}")

    @shape.register
    def _(self, op: ir.Convolution, node: Node) -> Shape:
        axes, x = op.spec.per_axis(), self._in(node)
        tail = (
            (n + c.begin + c.end - c.dilation * (c.kernel - 1) - 1) // c.stride + 1
            for n, c in zip(x[-len(axes) :], axes, strict=True)
        )
        return (*x[: -len(axes) - 1], op.out_channels, *tail)

    @shape.register
    def _(self, op: ir.TransposedConvolution, node: Node) -> Shape:
        axes, x = op.spec.per_axis(), self._in(node)
        tail = (
            c.stride * (n - 1) - c.begin - c.end + c.dilation * (c.kernel - 1) + 1 + c.output_padding
            for n, c in zip(x[-len(axes) :], axes, strict=True)
        )
        return (*x[: -len(axes) - 1], op.out_channels, *tail)

    @shape.register
    def _(self, op: ir.Pool, node: Node) -> Shape:
        x, rank = self._in(node), len(op.kernel)
        tail: list[int] = []
        for n, k, s, (b, e), d in zip(x[-rank:], op.kernel, op.stride, op.padding, op.dilation, strict=True):
            room = n + b + e - d * (k - 1) - 1
            out = room // s + 1
            if op.ceil:
                out = -(-room // s) + 1
                out -= (out - 1) * s >= n + b
            tail.append(out)
        return (*x[:-rank], *tail)

    @shape.register
    def _(self, op: ir.AdaptivePool, node: Node) -> Shape:
        return (*self._in(node)[: -len(op.out_size)], *op.out_size)

    @shape.register
    def _(self, op: ir.Resize, node: Node) -> Shape:
        x, base = list(self._in(node)), self.base[node.inputs[0]]
        for a, dim in enumerate(op.dims):
            if x[dim] == base[dim]:
                x[dim] = op.out_size[a]
            elif op.by_size:
                x[dim] = round(x[dim] * op.out_size[a] / base[dim])
            else:
                x[dim] = floor(x[dim] * op.scale[a])
        return tuple(x)

    @shape.register
    def _(self, op: ir.PixelShuffle, node: Node) -> Shape:
        x, rank = self._in(node), len(op.factor)
        return (*self.base[node.output][:-rank], *(n * r for n, r in zip(x[-rank:], op.factor, strict=True)))

    @shape.register
    def _(self, op: ir.PixelUnshuffle, node: Node) -> Shape:
        x, rank = self._in(node), len(op.factor)
        for n, r in zip(x[-rank:], op.factor, strict=True):
            if n % r:
                raise Conflict(node, f"{n} samples do not split into blocks of {r}")
        return (*self.base[node.output][:-rank], *(n // r for n, r in zip(x[-rank:], op.factor, strict=True)))

    @shape.register
    def _(self, op: ir.Pad, node: Node) -> Shape:
        return tuple(n + b + e for n, (b, e) in zip(self._in(node), op.pads, strict=True))

    @shape.register
    def _(self, op: ir.Slice, node: Node) -> Shape:
        x, base = list(self._in(node)), self.base[node.inputs[0]]
        n, was = x[op.dim], base[op.dim]
        # A cut past the middle trims the end by a fixed amount; one before it takes a fixed head.
        stop = op.stop if n == was or op.stop <= was // 2 else n - (was - op.stop)
        x[op.dim] = max(0, -(-(stop - op.start) // op.step))
        return tuple(x)

    @shape.register
    def _(self, op: ir.Pointwise, node: Node) -> Shape:
        return self._in(node) if len(node.inputs) == 1 else self._broadcast(node)

    @shape.register
    def _(self, op: ir.Merge, node: Node) -> Shape:
        return self._broadcast(node)

    def _broadcast(self, node: Node) -> Shape:
        shapes = [(v, self.new.get(v, ())) for v in node.inputs]
        rank = max(len(s) for _, s in shapes)
        out: list[int] = []
        for a in range(rank):
            at = [(v, s[a - rank + len(s)]) for v, s in shapes if a - rank + len(s) >= 0]
            out.append(self._agreed(node, [(v, n) for v, n in at if n != 1]))
        return tuple(out)

    def _agreed(self, node: Node, sizes: Sequence[tuple[str, int]]) -> int:
        """The size that tensors share; sizes written to match give way to the others."""
        if not sizes:
            return 1
        firm = {n for v, n in sizes if v not in self.adaptive} or {sizes[0][1]}
        if len(firm) > 1:
            fixed = any(v in self.constants for v, _ in sizes)
            raise Conflict(node, " and ".join(map(str, sorted(firm))) + " samples meet", fixed=fixed)
        return firm.pop()

    @shape.register
    def _(self, op: ir.Concat, node: Node) -> Shape:
        shapes = [(v, self.new[v]) for v in node.inputs]
        source = tiled_source(node, self.producers, self.base)
        along = self.new[source][op.dim] if source is not None else sum(s[op.dim] for _, s in shapes)
        return tuple(
            along if a == op.dim else self._agreed(node, [(v, s[a]) for v, s in shapes])
            for a in range(len(shapes[0][1]))
        )

    @shape.register
    def _(self, op: ir.Reshape, node: Node) -> Shape:
        source = node.inputs[0]
        pairs = tuple((p,) for p in zip(self.base[source], self._in(node), strict=True))
        out = _follow(node, self.factors.get(source, pairs), self.base[node.output])
        self.factors[node.output] = out
        return tuple(_product(f)[1] for f in out)

    @shape.register
    def _(self, op: ir.Permute, node: Node) -> Shape:
        x = self._in(node)
        if known := self.factors.get(node.inputs[0]):
            self.factors[node.output] = tuple(known[a] for a in op.order)
        return tuple(x[a] for a in op.order)

    @shape.register
    def _(self, op: ir.Expand, node: Node) -> Shape:
        x, target = self._in(node), self.base[node.output]
        base = self.base[node.inputs[0]]
        lead = len(target) - len(x)
        return tuple(
            n if a < lead or (base[a - lead] == 1 and x[a - lead] == 1) else x[a - lead] for a, n in enumerate(target)
        )

    @shape.register
    def _(self, op: ir.Repeat, node: Node) -> Shape:
        return tuple(n * op.times if a == op.dim else n for a, n in enumerate(self._in(node)))

    @shape.register
    def _(self, op: ir.Tile, node: Node) -> Shape:
        x = self._in(node)
        x = (1,) * (len(op.reps) - len(x)) + x
        reps = (1,) * (len(x) - len(op.reps)) + op.reps
        return tuple(n * r for n, r in zip(x, reps, strict=True))

    @shape.register
    def _(self, op: ir.Reduce, node: Node) -> Shape:
        x = self._in(node)
        if op.keepdim:
            return tuple(1 if a in op.dims else n for a, n in enumerate(x))
        return tuple(n for a, n in enumerate(x) if a not in op.dims)

    @shape.register
    def _(self, op: ir.Linear, node: Node) -> Shape:
        x = self._in(node)
        if x[-1] != op.in_features:
            raise Conflict(node, f"{x[-1]} features meet a matrix for {op.in_features}")
        return (*x[:-1], op.out_features)

    @shape.register
    def _(self, op: ir.MatMul, node: Node) -> Shape:
        a, b = self._in(node), self._in(node, 1)
        if len(a) < 2 or len(b) < 2:
            raise Unknown(f"{node.path or node.name}: a product with a vector")
        if a[-1] != b[-2]:
            raise Conflict(node, f"{a[-1]} columns meet {b[-2]} rows")
        lead = a[:-2] if len(a) >= len(b) else b[:-2]
        return (*lead, a[-2], b[-1])

    @shape.register
    def _(self, op: ir.Attention, node: Node) -> Shape:
        return (*self._in(node)[:-1], self._in(node, 2)[-1])


def _product(factors: Factors) -> tuple[int, int]:
    base = new = 1
    for b, n in factors:
        base, new = base * b, new * n
    return base, new


def _follow(node: Node, source: tuple[Factors, ...], target: Shape) -> tuple[Factors, ...]:
    """The factors of `target`: the source's, in order; of a factor that is split the inner part keeps its size."""
    flat = [f for dim in source for f in dim if f != (1, 1)]
    flat.reverse()
    out: list[Factors] = []
    for want in target:
        taken: list[tuple[int, int]] = []
        while want > 1:
            if not flat:
                raise Unknown(f"{node.path or node.name}: the reshape cannot be followed")
            b, n = flat.pop()
            if want % b == 0:
                want //= b
                taken.append((b, n))
            elif b % want == 0:
                inner = b // want
                if inner > 1 and taken and (b != n or any(was != now for was, now in taken)):
                    # (64 tokens, 512) → (512, 8, 8): which of the new sizes follows the input, the graph does not say.
                    raise Unknown(f"{node.path or node.name}: the reshape regroups {taken[-1][0]} and {b} samples")
                if b != n and n % inner:
                    raise Conflict(node, f"{n} samples do not split into blocks of {inner}")
                taken.append((want, want if b == n else n // inner))
                flat.append((inner, inner))
                want = 1
            else:
                raise Unknown(f"{node.path or node.name}: the reshape cannot be followed")
        out.append(tuple(taken))
    return tuple(out)
