"""From resamplers to the layers that the report lists."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from math import prod
from typing import Any

from ..graph.grid import GridMap, Resampler
from ..graph.ir import (
    Convolution,
    Graph,
    Node,
    Op,
    PixelShuffle,
    Resize,
    TransposedConvolution,
    Weight,
)
from ..spec import Conv, ConvPixelShuffle, ConvTranspose, Spec
from ..theory import cost
from ..theory.alignment import alignment
from ..theory.coverage import coverage
from .layer import Layer
from .plain import plain


def layers_of(grids: GridMap) -> tuple[Layer, ...]:
    """Every resampling layer of a model, in graph order."""
    graph = grids.graph
    producers = graph.producers()
    return tuple(_layer(graph, producers, r) for r in grids.resamplers)


def _layer(graph: Graph, producers: dict[str, Node], resampler: Resampler) -> Layer:
    node = resampler.node
    in_shape = graph.shapes.get(node.inputs[0], ()) if node.inputs else ()
    out_shape = graph.shapes.get(node.output, ())
    conv = producers.get(node.inputs[0]) if isinstance(node.op, PixelShuffle) and node.inputs else None
    fused = conv if conv is not None and _is_sub_pixel(conv.op) else None
    spec = _spec(node.op, fused)
    weights: dict[str, Weight] = dict(fused.weights if fused is not None else node.weights)
    return Layer(
        path=(node.path or (fused.path if fused is not None else "")) or node.name,
        op=resampler.kind,
        spec=spec,
        details=_details(node.op, spec),
        coverage=_coverage(spec),
        alignment=_alignment(spec, resampler),
        multiplies=multiplies(fused or node, graph),
        in_shape=in_shape,
        out_shape=out_shape,
        resampler=resampler,
        weights=weights,
        where=node.where or (fused.where if fused is not None else None),
    )


def _is_sub_pixel(op: Op) -> bool:
    return isinstance(op, Convolution) and all(s == 1 for s in _tuple(op.spec.stride))


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _spec(op: Op, fused: Node | None) -> Spec | None:
    if isinstance(op, (Convolution, TransposedConvolution)):
        return op.spec
    if isinstance(op, PixelShuffle) and fused is not None and isinstance(fused.op, Convolution):
        conv = fused.op.spec
        return ConvPixelShuffle(
            _on_axes(conv.kernel, op.factor),
            op.factor,
            _on_axes(conv.padding, op.factor),
            _on_axes(conv.dilation, op.factor),
            conv.groups,
        )
    return None


def _on_axes(value: Any, factor: tuple[int, ...]) -> Any:
    return value if isinstance(value, tuple) else (value,) * len(factor)


def _details(op: Op, spec: Spec | None) -> dict[str, Any]:
    """Every hyper-parameter of the op as plain JSON values."""
    values: dict[str, Any] = {}
    for name, value in vars(op).items():
        if name == "spec":
            values.update({k: plain(v) for k, v in asdict(value).items()})
        elif name == "implicit":
            values.update({"implicit": plain(dict(value))} if value else {})
        else:
            values[name] = plain(value)
    if isinstance(spec, ConvPixelShuffle):
        values["convolution"] = {k: plain(v) for k, v in asdict(spec).items()}
    return values


def _coverage(spec: Spec | None) -> Any:
    """Taps by output residue as nested lists, for what has taps of its own and makes the grid finer."""
    return None if spec is None or isinstance(spec, Conv) else coverage(spec).tolist()


def _alignment(spec: Spec | None, resampler: Resampler) -> list[dict[str, Any]]:
    """For each axis of an upsampler: its kind and its shift against the half-pixel grid, after the crops behind it."""
    if not resampler.is_upsampler:
        return []
    out: list[dict[str, Any]] = []
    for i, (b, a) in enumerate(zip(resampler.before, resampler.after, strict=True)):
        stride = b.step / a.step
        begin, end = resampler.crops[i] if resampler.crops else (0, 0)
        if isinstance(spec, ConvTranspose):
            axis = alignment(spec).axes[i]
            kind, shift = str(axis.kind), axis.shift_half_pixel
        else:
            shift = (b.origin - a.origin) / a.step - (stride - 1) / 2
            kind = _kind(shift, stride)
        if begin or end:
            shift -= begin
            trimmed = a.overhang is not None and (begin, end) == (0, a.overhang.amount)
            kind = "causal" if trimmed else _kind(shift, stride)
        out.append({"class": kind, "shift": plain(shift), "stride": plain(stride)})
    return out


def _kind(shift: Fraction, stride: Fraction) -> str:
    if shift == 0:
        return "centred"
    return "phase-0" if shift == -(stride - 1) / 2 else "other"


def multiplies(node: Node, graph: Graph) -> int:
    """Scalar multiplications of one forward pass.

    Of a convolution of either kind as `theory.cost` counts them: a transposed one multiplies at its inputs. An
    interpolation counts 2 (linear) or 4 (cubic) an axis for every output, as one product; copies and pools none.
    """
    op = node.op
    out = graph.shapes.get(node.output, ())
    read = graph.shapes.get(node.inputs[0], ()) if node.inputs else ()
    if isinstance(op, (Convolution, TransposedConvolution)):
        rank = op.spec.rank
        return cost.multiplies(op.spec, op.in_channels, op.out_channels, read[-rank:], prod(read[: -rank - 1]))
    if isinstance(op, Resize):
        samples = {"linear": 2, "cubic": 4}.get(op.mode, 0)
        return int(prod(out) * samples ** len(op.dims))
    return 0
