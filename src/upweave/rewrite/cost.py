"""What a node costs on a runtime, estimated: the price by which the engine chooses, and which can be asked why.

    seconds = overhead + multiplies / rate(kind, channels) + bytes / bandwidth(kind)

A GEMM with few channels runs at a part of the rate, c/(c + half); a transposed convolution on ONNX Runtime also writes
and reads its column buffer. The tables are fitted to single layers timed on two cores of an AVX-512 machine
(docs/performance.md, "Rewrites"); only ratios of prices are used. "generic" and "tensorrt" are not measured: they
count, at the same rate for every kind of convolution.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

from ..errors import ConfigError
from ..graph.ir import (
    Concat,
    Constant,
    Convolution,
    Merge,
    Node,
    Op,
    Pad,
    PixelShuffle,
    PixelUnshuffle,
    Pointwise,
    Resize,
    Shape,
    Slice,
    TransposedConvolution,
)
from ..theory import cost as counting

TargetName: TypeAlias = Literal["onnxruntime", "openvino", "tensorrt", "generic"]

BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class Target:
    """A runtime's table.

    Attributes:
        name: what the user calls it.
        measured: whether the numbers are fitted to measurements of it.
        rate: multiplies a second by kind of layer: "conv", "transposed", "depthwise".
        half: channels at which a convolution runs at half its rate.
        bandwidth: bytes a second by kind of layer; "other" for the rest.
        overhead: seconds a node.
        columns: whether a transposed convolution goes through a column buffer.
    """

    name: str
    measured: bool
    rate: Mapping[str, float]
    half: Mapping[str, float]
    bandwidth: Mapping[str, float]
    overhead: float
    columns: bool = False


TARGETS: dict[str, Target] = {
    t.name: t
    for t in (
        Target(
            "onnxruntime",
            True,
            {"conv": 78e9, "transposed": 100e9, "depthwise": 5e9},
            {"conv": 48.0, "transposed": 8.0},
            {"shuffle": 1e9, "columns": 1.7e9, "other": 4e9},
            8e-6,
            columns=True,
        ),
        Target(
            "openvino",
            True,
            {"conv": 110e9, "transposed": 100e9, "depthwise": 5e9},
            {"conv": 16.0, "transposed": 16.0},
            {"shuffle": 3e9, "other": 5e9},
            8e-6,
        ),
        Target(
            "tensorrt",
            False,
            {"conv": 1e12, "transposed": 1e12, "depthwise": 1e11},
            {"conv": 0.0, "transposed": 0.0},
            {"other": 4e11},
            5e-6,
        ),
        Target(
            "generic",
            False,
            {"conv": 1e11, "transposed": 1e11, "depthwise": 1e10},
            {"conv": 0.0, "transposed": 0.0},
            {"other": 1e10},
            1e-6,
        ),
    )
}


def target_of(name: str) -> Target:
    """The table of that name; raises `ConfigError` for another."""
    if name not in TARGETS:
        raise ConfigError(f"no target is called '{name}'; there are {', '.join(TARGETS)}")
    return TARGETS[name]


@dataclass(frozen=True)
class Price:
    """What nodes cost: estimated seconds, multiplications, bytes moved, bytes of weights."""

    seconds: float = 0.0
    multiplies: int = 0
    bytes: int = 0
    weights: int = 0

    def __add__(self, other: Price) -> Price:
        return Price(
            self.seconds + other.seconds,
            self.multiplies + other.multiplies,
            self.bytes + other.bytes,
            self.weights + other.weights,
        )


def price_of(nodes: Iterable[Node], shapes: Mapping[str, Shape], target: Target) -> Price:
    """The sum over the nodes; values of unknown shape cost nothing."""
    total = Price()
    for node in nodes:
        total += node_price(node, shapes, target)
    return total


def node_price(node: Node, shapes: Mapping[str, Shape], target: Target) -> Price:
    """What one node costs. A value whose shape is not known counts as empty."""
    if isinstance(node.op, Constant):
        return Price()
    item = max((BYTES.get(w.dtype, 4) for w in node.weights.values()), default=4)
    weights = item * sum(w.size for w in node.weights.values())
    read = item * sum(prod(shapes.get(v, (0,))) for v in node.inputs)
    written = item * sum(prod(shapes.get(v, (0,))) for v in node.outputs)
    moved = read + written + weights
    kind = _kind(node.op)
    band = target.bandwidth
    seconds = target.overhead + moved / band.get(kind, band["other"])
    count = 0
    if isinstance(node.op, (Convolution, TransposedConvolution)):
        count = multiplies(node, shapes)
        seconds += count / _rate(node.op, kind, target)
        if target.columns and kind == "transposed":
            x = shapes.get(node.inputs[0], (0,))
            axes = node.op.spec.per_axis()
            # Where kernel and stride are the same, no two columns meet: the way back is a plain copy.
            kernel = prod(a.kernel for a in axes) * (0.4 if all(a.kernel == a.stride for a in axes) else 1.0)
            positions = prod(x) // max(1, node.op.in_channels)
            seconds += 2 * item * positions * node.op.out_channels * kernel / band["columns"]
    return Price(seconds, count, moved, weights)


def multiplies(node: Node, shapes: Mapping[str, Shape]) -> int:
    """Scalar multiplications of a convolution of either kind, as `upweave.multiplies` counts them."""
    op, x = node.op, shapes.get(node.inputs[0], ())
    assert isinstance(op, (Convolution, TransposedConvolution))
    rank = op.spec.rank if not op.spec.is_scalar else max(1, len(x) - 2)
    if len(x) <= rank:
        return 0
    return counting.multiplies(op.spec, op.in_channels, op.out_channels, x[-rank:], prod(x[: -rank - 1]))


def _rate(op: Convolution | TransposedConvolution, kind: str, target: Target) -> float:
    g = op.spec.groups
    inside, outside = op.in_channels // g, op.out_channels // g
    if g > 1 and (inside == 1 or outside == 1):
        return target.rate["depthwise"]
    least, half = min(inside, outside), target.half[kind]
    return target.rate[kind] * least / (least + half)


_KINDS: dict[type[Op], str] = {
    Convolution: "conv",
    TransposedConvolution: "transposed",
    PixelShuffle: "shuffle",
    PixelUnshuffle: "shuffle",
    Resize: "resize",
    Pad: "copy",
    Slice: "copy",
    Concat: "copy",
    Merge: "pointwise",
    Pointwise: "pointwise",
}


def _kind(op: Op) -> str:
    return _KINDS.get(type(op), "other")


def why(before: Price, after: Price, target: Target) -> str:
    """The comparison in words: what counts, and what it comes to."""
    more = after.seconds / before.seconds if before.seconds else 1.0
    verdict = f"{1 / more:.2f}× faster" if more < 1 else f"{more:.2f}× slower"
    source = "estimated from layers timed on it" if target.measured else "counted, not measured"
    return (
        f"{verdict} on {target.name} ({source}): multiplications {_short(before.multiplies)} → "
        f"{_short(after.multiplies)}, traffic {_short(before.bytes)}B → {_short(after.bytes)}B"
    )


def _short(n: int) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= limit:
            return f"{n / limit:.3g} {unit}"
    return f"{n} "
