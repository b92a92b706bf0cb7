"""UW303 non-integer-scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from ...graph.grid import Grid
from ...graph.ir import Concat, Convolution, Merge, Op, Pad, Pool, Reshape, Resize, Slice
from ...spec import ConvTranspose
from ..axes import say
from ..context import Context, is_pointwise
from ..finding import Finding, Fix, Level
from ..layer import Layer
from ..rule import Rule


class NonIntegerScale(Rule):
    """An upsampler whose output is not an integer number of times as long as its input.

    ## What it finds
    Transposed convolutions whose output, after the crops and the stride-1 filters behind it, is not stride × input
    long (2n − 1, 2n + 1, 5n − 1 …), resizes by a fraction, and resizes that align corners, whose factor (out − 1)/(in
    − 1) depends on the size (one finding for all). A warning for a layer, a note for a resize. Silent where the
    output returns to a grid that the model has been on before (the decoder of 2n − 1 → n), where a merge cuts another
    path to the very samples that the layer makes (the cropped skips of FCN-8s), and for axes of a single sample.

    ## Why it is bad
    Sizes stop being multiples of each other: skips need crops, streams drift, tiles do not fit. A fractional resize
    is no periodic filter, so that it cannot be folded into a convolution, and its result depends on the size.

    ## Example
    ```python
    nn.ConvTranspose2d(64, 32, kernel_size=3, stride=2, padding=1)  # n → 2n − 1
    ```

    ## Use instead
    ```python
    nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1)  # n → 2n
    ```

    ## Fix safety
    Unsafe: the output has another size.

    ## References
    - Dumoulin, Visin: A guide to convolution arithmetic for deep learning, 2016
    - PyTorch documentation: torch.nn.functional.interpolate (align_corners)
    """

    code = "UW303"
    name = "non-integer-scale"
    summary = "the output is not an integer multiple of the input"
    needs_topology = True

    def check(self, context: Context) -> Iterator[Finding]:
        """Every upsampler, after what follows it directly."""
        corners: list[Finding] = []
        for layer in context.upsamplers:
            if isinstance(layer.spec, ConvTranspose):
                yield from self._transposed(context, layer, layer.spec)
            elif isinstance(layer.resampler.node.op, Resize):
                for finding in self._resize(layer, layer.resampler.node.op):
                    if finding.evidence["coordinates"] == "align_corners":
                        corners.append(finding)
                    else:
                        yield finding
        if corners:
            yield _together(corners)

    def _transposed(self, context: Context, layer: Layer, spec: ConvTranspose) -> Iterator[Finding]:
        r = layer.resampler
        strides = [a.stride for a in spec.per_axis(layer.rank)]
        odd: list[int] = []
        for i, (grid, s) in enumerate(zip(r.before, strides, strict=True)):
            extents = _extents_behind(context, layer, r.dims[i])
            if s > 1 and min(grid.extent, grid.root.extent) > 1 and s * grid.extent not in extents:
                odd.append(i)
        if not odd or _returns(context, layer) or _is_met(context, layer):
            return
        i = odd[0]
        excess = r.after[i].extent - sum(r.crops[i]) - strides[i] * r.before[i].extent
        words = f"{strides[i]}n {'+' if excess > 0 else '−'} {abs(excess)}"
        message = (
            f"n samples become {words} ({r.before[i].extent} become {strides[i] * r.before[i].extent + excess}; "
            f"{say(spec)}"
            f"{', after the crops behind it' if any(sum(c) for c in r.crops) else ''}), not {strides[i]}n"
        )
        fix = Fix("unsafe", f"choose k − 2p + o = s: then n samples become {strides[i]}n")
        evidence = {
            "in": [g.extent for g in r.before],
            "out": [g.extent - sum(c) for g, c in zip(r.after, r.crops, strict=True)],
            "stride": strides,
            "excess": excess,
        }
        yield self.finding(layer.path, message, evidence=evidence, fix=fix, where=layer.where, node=layer.node)

    def _resize(self, layer: Layer, op: Resize) -> Iterator[Finding]:
        r = layer.resampler
        pairs = [(b.extent, a.extent) for b, a in zip(r.before, r.after, strict=True) if 1 < b.extent < a.extent]
        if not pairs:
            return
        evidence = {
            "in": [b.extent for b in r.before],
            "out": [a.extent for a in r.after],
            "scale": [float(f) for f in op.scale],
            "coordinates": op.coordinates,
        }
        n, m = pairs[0]
        if op.coordinates == "align_corners":
            message = (
                f"a resize from {n} to {m} samples that aligns corners scales by {m - 1}/{n - 1} = "
                f"{(m - 1) / (n - 1):.4g}, "
                f"not {m / n:.4g}, and by another factor at every other size"
            )
            fix = Fix("unsafe", "align_corners=False keeps the factor at every size")
        elif any(m % n for n, m in pairs):
            n, m = next(p for p in pairs if p[1] % p[0])
            factor = Fraction(m, n)
            message = (
                f"a resize from {n} to {m} samples scales by {factor} = {float(factor):.4g}, no integer: "
                "samples are spread unevenly"
            )
            fix = Fix("display", "choose sizes that are multiples of each other, where the model is free to")
        else:
            return
        yield self.finding(
            layer.path, message, evidence=evidence, fix=fix, level=Level.NOTE, where=layer.where, node=layer.node
        )


def _together(findings: list[Finding]) -> Finding:
    """One finding for all resizes that align corners: a habit of the whole model."""
    first = findings[0]
    paths = list(dict.fromkeys(f.layer for f in findings))
    n = len(findings) - 1
    message = first.message + (f" ({n} more {'resize' if n == 1 else 'resizes'} like it)" if n else "")
    return replace(first, message=message, evidence={**first.evidence, "layers": paths, "count": n + 1})


def _extents_behind(context: Context, layer: Layer, dim: int) -> set[int]:
    """The extents of an axis right behind a layer and along the filters, crops and pads that follow it alone."""
    shapes, value = context.graph.shapes, layer.resampler.node.output
    found = {shapes[value][dim]}
    for _ in range(8):
        readers = context.consumers.get(value, [])
        if len(readers) != 1 or value in context.graph.outputs or not _is_filter(readers[0].op):
            break
        value = readers[0].output
        if len(shapes[value]) <= dim:
            break
        found.add(shapes[value][dim])
    return found


def _is_filter(op: Op) -> bool:
    if isinstance(op, Convolution):
        return all(a.stride == 1 for a in op.spec.per_axis())
    if isinstance(op, Pool):
        return all(s == 1 for s in op.stride)
    return is_pointwise(op) or isinstance(op, (Pad, Slice, Reshape))


def _returns(context: Context, layer: Layer) -> bool:
    """Whether the layer's output, cropped, lies on grids that some earlier tensor of the model lies on."""
    r = layer.resampler
    value = r.crop_nodes[-1].output if r.crop_nodes else r.node.output
    reached = context.grids.grids.get(value, ())
    wanted: list[Grid] = [g for d in r.dims if d < len(reached) and (g := reached[d]) is not None]
    if len(wanted) != len(r.dims):
        return False
    earlier: set[tuple[object, ...]] = set()
    for v in context.graph.inputs:
        earlier |= {_place(g) for g in context.grids.grids.get(v, ()) if g is not None}
    for node in context.graph.nodes[: context.order[r.node.name]]:
        for v in node.outputs:
            earlier |= {_place(g) for g in context.grids.grids.get(v, ()) if g is not None}
    return all(_place(g) in earlier for g in wanted)


def _is_met(context: Context, layer: Layer) -> bool:
    """Whether a merge joins the layer's output with another path that has been cut to the same samples."""
    r = layer.resampler
    value = r.crop_nodes[-1].output if r.crop_nodes else r.node.output

    def places(v: str) -> list[tuple[object, ...]] | None:
        reached = context.grids.grids.get(v, ())
        grids = [reached[d] if d < len(reached) else None for d in r.dims]
        return None if None in grids else [_place(g) for g in grids if g is not None]

    own = places(value)
    if own is None:
        return False
    merges = [n for n in context.readers(value, is_pointwise) if isinstance(n.op, (Merge, Concat))]
    others = {v for n in merges for v in n.inputs if r.node.output not in context.ancestors(v)}
    return any(places(v) == own and _is_cut(context, v) for v in others)


def _is_cut(context: Context, value: str) -> bool:
    node = context.producers.get(context.source(value, is_pointwise))
    return node is not None and isinstance(node.op, (Slice, Pad))


def _place(grid: Grid) -> tuple[object, ...]:
    return grid.root, grid.step, grid.origin, grid.extent
