"""Grid inference: abstract interpretation of a graph over sampling grids.

Every value has a layout (`layout.Dim`s); every operation moves it (`moves`). What cannot be followed starts a new
root, about which nothing is claimed: the analysis never guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import singledispatchmethod

from . import ir, moves
from .crops import trailing_crops
from .grid import Grid, GridMap, Meeting, Resampler, Root, RootKind
from .layout import Dim, Factor, Layout, as_blocks, fresh, new_grid, reshape, size, whole
from .tiles import tiled_source

_RANK = {"input": 0, "new": 1, "joined": 2, "opaque": 3, "channel": 4, "repeat": 5, "unit": 6}
"""Which of two unrelated grids a merge goes on with: the one that says more."""


def infer(graph: ir.Graph) -> GridMap:
    """The grids of every tensor of `graph`, the nodes that resample, and the places where grids disagree."""
    return _Inference(graph).run()


class _Inference:
    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.layouts: dict[str, Layout] = {}
        self.constants: set[str] = set()
        self.resamplers: list[Resampler] = []
        self.meetings: list[Meeting] = []
        self.spatial: set[Root] = set()
        self.parts: dict[Root, tuple[Dim, ...]] = {}
        self.makers: dict[Dim, ir.Node] = {}
        self.producers = graph.producers()

    def run(self) -> GridMap:
        for name in self.graph.inputs:
            shape = self.graph.shapes.get(name, ())
            self.layouts[name] = tuple(fresh(name, a, n, "input") for a, n in enumerate(shape))
        for node in self.graph.nodes:
            self._step(node)
        for name in self.graph.outputs:
            self._resolve_output(name)
        order = {n.name: i for i, n in enumerate(self.graph.nodes)}
        consumers = self.graph.consumers()
        found = sorted(self.resamplers, key=lambda r: order[r.node.name])
        return GridMap(
            self.graph,
            {v: tuple(self._single(d) for d in layout) for v, layout in self.layouts.items()},
            tuple(trailing_crops(r, self.graph, consumers) for r in found),
            tuple(m for m in self.meetings if m.kept.root in self.spatial),
            frozenset(self.spatial),
        )

    # -- values ---------------------------------------------------------------------------------------------------

    def layout(self, value: str) -> Layout:
        """The layout of a value; a value that nobody has described starts new roots."""
        if value not in self.layouts:
            self.layouts[value] = self._fresh(value, "opaque")
        return self.layouts[value]

    def _fresh(self, value: str, kind: RootKind) -> Layout:
        return tuple(fresh(value, a, n, kind) for a, n in enumerate(self.graph.shapes.get(value, ())))

    def _single(self, dim: Dim) -> Grid | None:
        return as_blocks(dim[0]) if len(dim) == 1 else None

    def _step(self, node: ir.Node) -> None:
        if isinstance(node.op, ir.Constant):
            self.constants.update(node.outputs)
        if isinstance(node.op, ir.Constant | ir.Opaque) or not node.inputs:
            layout = None
        else:
            layout = self.move(node.op, node)
        for i, value in enumerate(node.outputs):
            shape = self.graph.shapes.get(value)
            same = layout is not None and shape is not None and shape == tuple(size(d) for d in layout)
            if same and (i == 0 or shape == self.graph.shapes.get(node.output)):
                self.layouts[value] = layout or ()
            else:
                self.layouts[value] = self._fresh(value, "opaque")

    def as_grids(self, value: str, dims: Sequence[int]) -> list[Grid]:
        """The grids of those dimensions of `value`, which an operation is about to treat as space or time.

        Products of a space factor with channel or broadcast factors become what they mean, an upsampling; anything
        else that is no single grid starts a new root.
        """
        layout = list(self.layout(value))
        woven = [a for a in dims if len(layout[a]) > 1]
        steps: dict[int, tuple[Grid, Grid, str]] = {}
        for a in woven:
            if folded := _fold(layout[a]):
                steps[a] = folded
        if steps:
            maker = next((self.makers[layout[a]] for a in steps if layout[a] in self.makers), None)
            if maker is not None:
                before = tuple(s[0] for s in steps.values())
                after = tuple(s[1] for s in steps.values())
                kind = "PixelShuffle" if "channel" in {s[2] for s in steps.values()} else "Repeat"
                if not any(r.node is maker for r in self.resamplers):
                    self.resamplers.append(Resampler(maker, kind, tuple(steps), before, after))
        out: list[Grid] = []
        for a in dims:
            if a in steps:
                grid = steps[a][1]
            elif not layout[a]:
                grid = new_grid(value, a, 1, "unit")
            else:
                grid = self._single(layout[a]) or new_grid(value, a, size(layout[a]), "new")
            layout[a] = whole(grid)
            self.spatial.add(grid.root)
            out.append(grid)
        self.layouts[value] = tuple(layout)
        return out

    def _resolve_output(self, name: str) -> None:
        layout = self.layout(name)
        if dims := [a for a, d in enumerate(layout) if len(d) > 1 and d[0].grid.root in self.spatial and _fold(d)]:
            self.as_grids(name, dims)

    # -- operations -----------------------------------------------------------------------------------------------

    @singledispatchmethod
    def move(self, op: ir.Op, node: ir.Node) -> Layout | None:
        """The layout of the node's output; None where nothing can be said."""
        return None

    @move.register
    def _(self, op: ir.Convolution, node: ir.Node) -> Layout | None:
        axes = op.spec.per_axis()

        def step(grids: list[Grid], extents: list[int]) -> list[Grid]:
            causal = [
                moves.is_causal(g, c.kernel, c.stride, c.begin, c.end, c.dilation)
                for g, c in zip(grids, axes, strict=True)
            ]
            alone = sum(causal) == 1
            return [
                moves.convolve(g, c.kernel, c.stride, c.begin, c.dilation, n, causal=alone and f)
                for g, c, n, f in zip(grids, axes, extents, causal, strict=True)
            ]

        strided = any(c.stride > 1 for c in axes)
        return self._spatial(node, len(axes), step, "Conv" if strided else None)

    @move.register
    def _(self, op: ir.TransposedConvolution, node: ir.Node) -> Layout | None:
        axes = op.spec.per_axis()

        def step(grids: list[Grid], extents: list[int]) -> list[Grid]:
            out = [
                moves.transpose(g, c.kernel, c.stride, c.begin, c.end, c.dilation, n, node.name)
                for g, c, n in zip(grids, axes, extents, strict=True)
            ]
            # A model is causal in time alone: several overhanging axes are a crop of an image, not a causal trim.
            if sum(g.overhang is not None for g in out) > 1:
                out = [replace(g, overhang=None) for g in out]
            return out

        return self._spatial(node, len(axes), step, "ConvTranspose")

    @move.register
    def _(self, op: ir.Pool, node: ir.Node) -> Layout | None:
        def step(grids: list[Grid], extents: list[int]) -> list[Grid]:
            numbers = zip(grids, op.kernel, op.stride, op.padding, op.dilation, extents, strict=True)
            return [moves.convolve(g, k, s, p[0], d, n) for g, k, s, p, d, n in numbers]

        return self._spatial(
            node, len(op.kernel), step, "Pool" if any(s > 1 for s in op.stride) else None, channels=False
        )

    @move.register
    def _(self, op: ir.AdaptivePool, node: ir.Node) -> Layout | None:
        def step(grids: list[Grid], extents: list[int]) -> list[Grid]:
            out: list[Grid] = []
            for g, n in zip(grids, extents, strict=True):
                ratio = Fraction(g.extent, n)
                out.append(replace(moves.unshuffle(g, 1), step=g.step * ratio, origin=g.at((ratio - 1) / 2), extent=n))
            return out

        return self._spatial(node, len(op.out_size), step, None, channels=False)

    @move.register
    def _(self, op: ir.Resize, node: ir.Node) -> Layout | None:
        layout = list(self.layout(node.inputs[0]))
        before = self.as_grids(node.inputs[0], op.dims)
        after = [moves.resize(g, op, a) for a, g in enumerate(before)]
        layout = list(self.layout(node.inputs[0]))
        for a, g in zip(op.dims, after, strict=True):
            layout[a] = whole(g)
        if any(b.extent != a.extent for b, a in zip(before, after, strict=True)):
            self.resamplers.append(Resampler(node, "Resize", op.dims, tuple(before), tuple(after)))
        return tuple(layout)

    @move.register
    def _(self, op: ir.PixelShuffle | ir.PixelUnshuffle, node: ir.Node) -> Layout | None:
        move = moves.shuffle if isinstance(op, ir.PixelShuffle) else moves.unshuffle
        return self._spatial(
            node,
            len(op.factor),
            lambda grids, _: [move(g, r) for g, r in zip(grids, op.factor, strict=True)],
            type(op).__name__,
        )

    @move.register
    def _(self, op: ir.Repeat, node: ir.Node) -> Layout | None:
        before = self.as_grids(node.inputs[0], [op.dim])
        layout = list(self.layout(node.inputs[0]))
        after = moves.shuffle(before[0], op.times)
        layout[op.dim] = whole(after)
        self.resamplers.append(Resampler(node, "Repeat", (op.dim,), (before[0],), (after,)))
        return tuple(layout)

    def _spatial(
        self,
        node: ir.Node,
        rank: int,
        step: Callable[[list[Grid], list[int]], list[Grid]],
        kind: str | None,
        *,
        channels: bool = True,
    ) -> Layout | None:
        """An operation on the trailing `rank` dimensions that (with `channels`) makes new channels in front of them."""
        source, shape = node.inputs[0], self.graph.shapes.get(node.output)
        n = len(self.layout(source))
        if shape is None or n < rank or len(shape) != n:
            return None
        dims = range(n - rank, n)
        before = self.as_grids(source, dims)
        after = step(before, [shape[a] for a in dims])
        layout = list(self.layout(source))
        for a, g in zip(dims, after, strict=True):
            layout[a] = whole(g)
        if channels and n > rank:
            layout[n - rank - 1] = fresh(node.output, n - rank - 1, shape[n - rank - 1], "channel")
        if kind is not None:
            self.resamplers.append(Resampler(node, kind, tuple(dims), tuple(before), tuple(after)))
        return tuple(layout)

    @move.register
    def _(self, op: ir.Pad, node: ir.Node) -> Layout | None:
        dims = [a for a, p in enumerate(op.pads) if p != (0, 0)]
        grids = self.as_grids(node.inputs[0], dims)
        layout = list(self.layout(node.inputs[0]))
        for a, g in zip(dims, grids, strict=True):
            layout[a] = whole(moves.pad(g, *op.pads[a]))
        return tuple(layout)

    @move.register
    def _(self, op: ir.Slice, node: ir.Node) -> Layout | None:
        layout = list(self.layout(node.inputs[0]))
        dim = layout[op.dim]
        n = size(dim)
        if (op.start, op.stop, op.step) == (0, n, 1):
            return tuple(layout)
        grid = self._single(dim)
        if grid is not None and grid.root in self.parts and op.step == 1:
            layout[op.dim] = self._part(grid, op, node)
        elif grid is not None and op.step > 0:
            after = moves.cut(grid, op.start, op.stop, op.step)
            layout[op.dim] = whole(after)
            if op.step > 1 and grid.root in self.spatial:
                self.resamplers.append(Resampler(node, "Slice", (op.dim,), (grid,), (after,)))
        else:
            layout[op.dim] = self._fresh(node.output, "new")[op.dim]
        return tuple(layout)

    def _part(self, grid: Grid, op: ir.Slice, node: ir.Node) -> Dim:
        """One part of a concatenation, cut out again."""
        at = 0
        for part in self.parts[grid.root]:
            if (at, at + size(part)) == (op.start, op.stop):
                return part
            at += size(part)
        return self._fresh(node.output, "new")[op.dim]

    @move.register
    def _(self, op: ir.Pointwise, node: ir.Node) -> Layout | None:
        return self.layout(node.inputs[0]) if len(node.inputs) == 1 else self._merged(node, node.inputs)

    @move.register
    def _(self, op: ir.Merge, node: ir.Node) -> Layout | None:
        return self._merged(node, node.inputs)

    @move.register
    def _(self, op: ir.Concat, node: ir.Node) -> Layout | None:
        layout = self._merged(node, node.inputs, skip=op.dim)
        shape = self.graph.shapes.get(node.output)
        if layout is None or shape is None:
            return None
        if (source := tiled_source(node, self.producers, self.graph.shapes)) is not None:
            return (*layout[: op.dim], self.layout(source)[op.dim], *layout[op.dim + 1 :])
        grid = new_grid(node.output, op.dim, shape[op.dim], "joined")
        self.parts[grid.root] = tuple(self.layout(v)[op.dim] for v in node.inputs)
        return (*layout[: op.dim], whole(grid), *layout[op.dim + 1 :])

    def _merged(self, node: ir.Node, values: Sequence[str], skip: int | None = None) -> Layout | None:
        """The layout of tensors that are broadcast together, dimension by dimension from the last."""
        shape = self.graph.shapes.get(node.output)
        live = [v for v in dict.fromkeys(values) if v not in self.constants]
        if shape is None or not live:
            return None
        out: list[Dim] = []
        for a in range(len(shape)):
            back = len(shape) - a
            have: list[tuple[str, int]] = []
            for v in live:
                at = len(self.layout(v)) - back
                if at >= 0 and (size(self.layout(v)[at]) == shape[a] or a == skip):
                    have.append((v, at))
            if a == skip:
                out.append(())
            elif not have:
                out.append(self._fresh(node.output, "opaque")[a])
            else:
                out.append(self._meet(node, a, have))
        return tuple(out)

    def _meet(self, node: ir.Node, dim: int, have: list[tuple[str, int]]) -> Dim:
        first = self.layout(have[0][0])[have[0][1]]
        if all(self.layout(v)[a] == first for v, a in have):
            return first
        for v, a in have:
            # One of several tensors is woven by hand, another is a plain grid: then both are space.
            dim_of_v = self.layout(v)[a]
            if len(dim_of_v) > 1 and any(len(self.layout(w)[b]) == 1 for w, b in have) and _fold(dim_of_v):
                self.as_grids(v, [a])
        singles = [(v, g) for v, a in have if (g := self._single(self.layout(v)[a])) is not None]
        woven = [d for v, a in have if len(d := self.layout(v)[a]) > 1]
        ranked = sorted(singles, key=lambda s: (_RANK[s[1].root.kind], s[1].upsampled))
        if not ranked or (woven and min(map(_rank, woven)) < _RANK[ranked[0][1].root.kind]):
            return min(woven, key=_rank) if woven else first
        value, kept = ranked[0]
        related = [(v, g) for v, g in ranked[1:] if g.root == kept.root and g.extent == kept.extent]
        if related and all(self._is_sublattice(v) for v, _ in [ranked[0], *related]):
            # Sub-lattices of one tensor side by side: space to depth, whose samples stand for the middle of their cell.
            origins = [g.origin for _, g in [ranked[0], *related]]
            return whole(replace(kept, origin=sum(origins, Fraction(0)) / len(origins), overhang=None))
        uneven = next((g for _, g in [ranked[0], *related] if g.pattern != (1,)), None)
        for v, g in related:
            if (g.step, g.origin) != (kept.step, kept.origin) and (g.upsampled or kept.upsampled):
                self.meetings.append(Meeting(node, dim, (value, v), (kept, g), kept, kept.displacement(g)))
        if uneven is not None:
            kept = replace(kept, pattern=uneven.pattern, uneven=uneven.uneven)
        return whole(kept)

    def _is_sublattice(self, value: str) -> bool:
        node = self.producers.get(value)
        while node is not None and isinstance(node.op, ir.Pointwise | ir.Slice):
            if isinstance(node.op, ir.Slice) and node.op.step > 1:
                return True
            node = self.producers.get(node.inputs[0])
        return False

    @move.register
    def _(self, op: ir.Reshape, node: ir.Node) -> Layout | None:
        source = self.layout(node.inputs[0])
        shape = self.graph.shapes.get(node.output, op.shape)
        layout = reshape(source, shape)
        for dim in layout or ():
            if len(dim) > 1 and dim not in source:
                self.makers.setdefault(dim, node)
        return layout

    @move.register
    def _(self, op: ir.Permute, node: ir.Node) -> Layout | None:
        source = self.layout(node.inputs[0])
        return tuple(source[a] for a in op.order)

    @move.register
    def _(self, op: ir.Expand, node: ir.Node) -> Layout | None:
        source = self.layout(node.inputs[0])
        shape = self.graph.shapes.get(node.output, op.shape)
        lead = len(shape) - len(source)
        out: list[Dim] = []
        for a, n in enumerate(shape):
            dim = source[a - lead] if a >= lead else ()
            out.append(dim if size(dim) == n else fresh(node.output, a, n, "repeat"))
        return tuple(out)

    @move.register
    def _(self, op: ir.Tile, node: ir.Node) -> Layout | None:
        source, shape = self.layout(node.inputs[0]), self.graph.shapes.get(node.output, ())
        lead = len(shape) - len(source)
        out: list[Dim] = []
        for a, n in enumerate(shape):
            dim = source[a - lead] if a >= lead else ()
            kind: RootKind = "repeat" if size(dim) == 1 else "opaque"
            out.append(dim if size(dim) == n else fresh(node.output, a, n, kind))
        return tuple(out)

    @move.register
    def _(self, op: ir.Reduce, node: ir.Node) -> Layout | None:
        source = self.layout(node.inputs[0])
        if op.keepdim:
            return tuple(() if a in op.dims else d for a, d in enumerate(source))
        return tuple(d for a, d in enumerate(source) if a not in op.dims)

    @move.register
    def _(self, op: ir.Linear, node: ir.Node) -> Layout | None:
        source = self.layout(node.inputs[0])
        return (*source[:-1], fresh(node.output, len(source) - 1, op.out_features, "channel"))

    @move.register
    def _(self, op: ir.MatMul, node: ir.Node) -> Layout | None:
        shape = self.graph.shapes.get(node.output)
        if shape is None or len(node.inputs) != 2:
            return None
        a, b = (self.layout(v) if v not in self.constants else None for v in node.inputs)
        new = tuple(fresh(node.output, i, n, "channel") for i, n in enumerate(shape))
        rows = a[-2] if a and len(a) > 1 else new[-2]
        columns = b[-1] if b else new[-1]
        longest = max((x for x in (a, b) if x), key=len)
        lead = longest[:-2] if len(longest) == len(shape) else new[:-2]
        return (*lead, rows, columns)

    @move.register
    def _(self, op: ir.Attention, node: ir.Node) -> Layout | None:
        q, v = self.layout(node.inputs[0]), self.layout(node.inputs[2])
        return (*q[:-1], v[-1])


def _rank(dim: Dim) -> int:
    return min(_RANK[f.grid.root.kind] for f in dim)


def _fold(dim: Dim) -> tuple[Grid, Grid, str] | None:
    """(before, after, kind of the factors behind) of a space factor woven with channels or copies; None otherwise."""
    before = as_blocks(dim[0])
    rest: tuple[Factor, ...] = dim[1:]
    kinds = {f.grid.root.kind for f in rest}
    if before is None or not kinds <= {"channel", "repeat"} or before.root.kind in ("channel", "repeat"):
        return None
    after = before
    for f in rest:
        after = moves.shuffle(after, f.size)
    return before, after, "channel" if "channel" in kinds else "repeat"
