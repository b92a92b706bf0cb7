"""commute-resize."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from ...graph.ir import (
    AdaptivePool,
    Concat,
    Convolution,
    Linear,
    Merge,
    Node,
    Permute,
    Pointwise,
    Reduce,
    Resize,
    Shape,
)
from ..identity import Identity, Proposal, Replacement
from ..nodes import Builder
from ..view import View, repeat_factors, title
from .fold_nearest_resize import is_one_by_one

ELEMENTWISE = frozenset(
    (
        *(
            "abs",
            "acos",
            "acosh",
            "asin",
            "asinh",
            "atan",
            "atanh",
            "ceil",
            "celu",
            "clip",
            "cos",
            "cosh",
            "elu",
            "erf",
        ),
        *("exp", "floor", "gelu", "hard_sigmoid", "hard_swish", "leaky_relu", "log", "mish", "neg", "reciprocal"),
        *("relu", "round", "selu", "shrink", "sigmoid", "sign", "sin", "sinh", "softplus", "softsign", "sqrt", "swish"),
        *("tan", "tanh", "thresholded_relu", "identity", "dropout", "cast"),
    )
)
"""Functions of each element alone."""

STATISTICS = frozenset(("instance_normalization", "group_normalization", "batch_normalization"))
"""Normalisations over whole channels: a mean over samples that are all repeated equally often is the same mean."""

PER_CHANNEL = frozenset(("add", "sub", "mul", "div", "sum", "mean"))
"""Arithmetic with a constant: where it is linear, the constant is one number or one a channel."""

MERGES = frozenset(("add", "sub", "mul", "div", "pow", "min", "max", "sum", "mean"))

WITH_CONSTANT = frozenset(("pow", "min", "max", "div", "mod"))
"""Other arithmetic with a constant, where its shape is known."""

OVER = frozenset(("softmax", "log_softmax", "hardmax", "lp_normalization"))
"""Sums over some dimensions: of repeated samples they would be larger, so none of the dimensions may be resized."""

MEANS_OVER = frozenset(("layer_normalization", "rmsnormalization", "mean_variance_normalization", "lrn"))
"""Means over some dimensions: of samples that are all repeated equally often they are the same."""


class CommuteResize(Identity):
    """A nearest resize is moved behind what gives the same on the small tensor.

    ## What it matches
    A nearest resize by whole factors, followed by point-wise functions (PReLU with a slope a channel), scaling by
    channel, instance, group, layer or batch normalisation, dropout, 1×1 convolutions, concatenations and sums of
    tensors that are all resized by the same factors, sums and products with one number a channel, means and extremes
    over the channels or over all positions, as normalisations are also written. All of that, and matrices applied to
    the channels, also between a transposition that puts the channels last and the one that undoes it. They run on the
    small tensors; the resize follows where something else reads the result.

    ## Precondition
    Every element of the result depends on one position alone, or on means or extremes over all positions.

    ## New weights
    None: the operators stay as they are.

    ## Cost
    Every operator that is moved works on ∏s times fewer elements. Applied where that outweighs resizes that have to be
    made twice.

    ## Safety
    Safe: the same operations on the same numbers. Statistics are summed over fewer, equal samples.

    ## References
    - docs/theory/identities.md
    """

    name = "commute-resize"
    summary = "nearest resize after, not before, what works on each position alone"
    answers = ("UW701",)

    def find(self, view: View) -> Iterator[Proposal]:
        """One proposal for everything that each resize can be moved behind, in graph order."""
        done: set[str] = set()
        for resize in view.free(Resize):
            factors = _factors(resize, view)
            if factors is None or resize.name in done:
                continue
            region = _region(view, resize, factors)
            done |= {r.name for r in region.resizes}
            if region.moved:
                yield self._move(view, resize, region)

    def _move(self, view: View, resize: Node, region: _Region) -> Replacement:
        make = Builder.around(view, resize)
        small = {r.output: r.inputs[0] for r in region.resizes}
        names = {n.name for n in region.moved}
        for node in region.moved:
            inputs = tuple(small.get(v, v) for v in node.inputs)
            factors = region.factors.get(node.output)
            if factors is None:  # one value for all positions: it is what it was
                make.nodes.append(replace(node, inputs=inputs))
                continue
            value = view.fresh(f"{node.output}:small")
            shape = tuple(n // factors.get(d, 1) if n != 1 else 1 for d, n in enumerate(view.shape(node.output)))
            make.nodes.append(replace(node, inputs=inputs, outputs=(value,)))
            make.shapes[value] = shape
            small[node.output] = value
        for node in region.moved:
            readers = [r for r in view.consumers.get(node.output, ()) if r.name not in names]
            factors = region.factors.get(node.output)
            if factors is not None and (readers or node.output in view.outputs):
                x = small[node.output]
                dims = tuple(sorted(factors))
                scale = tuple(Fraction(factors[d]) for d in dims)
                shape = view.shape(node.output)
                op = Resize("nearest", "asymmetric", dims, scale, tuple(shape[d] for d in dims))
                make.add(op, [x], shape, node.output, what="resize")
        what = f"behind {len(region.moved)} operation{'s' if len(region.moved) > 1 else ''}"
        return self.replacement(title(resize), region.moved, make.nodes, make.shapes, what)


Factors: TypeAlias = dict[int, int]
"""Of a resized value: the factor of each dimension that is resized."""


@dataclass
class _Region:
    """What can run on the small tensors: the nodes, in order; the resizes; and which values are, in the graph as it is,
    resized ones, along which of their dimensions."""

    moved: list[Node]
    resizes: list[Node]
    factors: dict[str, Factors]


def _factors(node: Node, view: View) -> Factors | None:
    """Factor by dimension, where a resize repeats samples of trailing dimensions."""
    x = view.shape(node.inputs[0])
    rank = len(x) - 2
    found = repeat_factors(node, view, rank) if rank >= 1 else None
    if found is None or all(f == 1 for f in found):
        return None
    return {2 + a: f for a, f in enumerate(found)}


def _region(view: View, start: Node, factors: Factors) -> _Region:
    """Everything behind `start` that commutes, taking in other resizes by the same factors where they meet.

    What is transposed is followed only as far as it is transposed back: a resize of other dimensions than the trailing
    ones is nothing that a convolution consumes, or that all runtimes do.
    """
    resizes = {r.output: r for r in view.free(Resize) if _factors(r, view) == factors}
    left_out: set[str] = set()
    while True:
        resized = dict.fromkeys(resizes, factors)
        reached = {start.output}
        moved: list[Node] = []
        for node in view.graph.nodes:
            out = node.name in view.frozen or node.name in left_out or len(node.outputs) != 1
            if out or not reached & set(node.inputs):
                continue
            if (found := _behind(view, node, resized)) is not None:
                moved.append(node)
                resized[node.output] = found
                reached.add(node.output)
            elif _sums_up(view, node, resized):
                moved.append(node)
        astray = [n.name for n in moved if n.output in reached and _leaves(view, n, moved, resized[n.output])]
        if not astray:
            break
        left_out.update(astray)
    read = {v for n in moved for v in n.inputs}
    joined = [r for v, r in resizes.items() if v in read and r.name != start.name]
    return _Region(moved, [start, *joined], {n.output: resized[n.output] for n in moved if n.output in reached})


def _leaves(view: View, node: Node, moved: list[Node], factors: Factors) -> bool:
    """Whether a value whose resized dimensions are not the trailing ones is read by something that is not moved."""
    if min(factors) >= 2:
        return False
    names = {n.name for n in moved}
    return node.output in view.outputs or any(r.name not in names for r in view.consumers.get(node.output, ()))


def _behind(view: View, node: Node, resized: dict[str, Factors]) -> Factors | None:
    """How the output of a node is resized if it commutes with the resizes of its inputs; None if it does not."""
    op, rank = node.op, len(view.shape(node.output))
    known = [resized[v] for v in node.inputs if v in resized]
    factors = known[0]
    if any(f != factors for f in known):
        return None
    if isinstance(op, Permute):
        return {a: factors[d] for a, d in enumerate(op.order) if d in factors}
    if isinstance(op, Concat):
        return factors if op.dim not in factors and len(known) == len(node.inputs) else None
    if isinstance(op, Merge):
        fits = (
            len(view.shape(v)) == rank if v in resized else _is_flat(view.shape(v), rank, factors) for v in node.inputs
        )
        return factors if op.kind in MERGES and all(fits) else None
    return factors if len(node.inputs) == 1 and _commutes(view, node, rank, factors) else None


def _commutes(view: View, node: Node, rank: int, factors: Factors) -> bool:
    op = node.op
    if isinstance(op, Pointwise):
        return _commutes_alone(op, node, rank, factors)
    if isinstance(op, Reduce):
        return op.keepdim and not set(op.dims) & set(factors)
    if isinstance(op, Linear):
        return rank - 1 not in factors
    if isinstance(op, Convolution) and "weight" in node.weights and 1 not in factors:
        axes = op.spec.per_axis(len(node.weights["weight"].shape) - 2)
        return is_one_by_one(node) and all(a.stride == 1 and not a.begin and not a.end for a in axes)
    return False


def _commutes_alone(op: Pointwise, node: Node, rank: int, factors: Factors) -> bool:
    """The same for a point-wise operator or a normalisation of one tensor."""
    parameters = {r: w.shape for r, w in node.weights.items()}
    flat = all(_is_flat(s or (1,), rank, factors) for s in parameters.values())
    by_channel = 1 not in factors  # else the second dimension is one of space, here
    if op.kind in ELEMENTWISE:
        return True
    if op.kind in STATISTICS:
        return by_channel
    if op.kind in PER_CHANNEL and not op.nonlinear:
        return by_channel or (flat and "operand" in parameters)
    if op.kind in WITH_CONSTANT or (op.kind in PER_CHANNEL and op.nonlinear):
        return flat and bool(parameters.keys() & {"left", "right"})
    if op.kind == "prelu":
        return flat and "slope" in parameters
    if op.over is None or (op.kind == "lrn" and not by_channel):  # that sums over a window of channels
        return False
    return (op.kind in MEANS_OVER and flat) or (op.kind in OVER and not set(op.over) & set(factors))


def _sums_up(view: View, node: Node, resized: dict[str, Factors]) -> bool:
    """Whether a node makes one value of all positions, the same of the small tensor: a mean, or an extreme."""
    op = node.op
    if len(node.inputs) != 1 or node.inputs[0] not in resized:
        return False
    factors, rank = resized[node.inputs[0]], len(view.shape(node.inputs[0]))
    if isinstance(op, AdaptivePool):
        trailing = range(rank - len(op.out_size), rank)
        return all(n == 1 for n in op.out_size) and set(factors) <= set(trailing)
    return isinstance(op, Reduce) and op.kind in ("mean", "max", "min") and set(factors) <= set(op.dims)


def _is_flat(shape: Shape, rank: int, factors: Factors) -> bool:
    """A tensor with one sample on every resized axis: it is broadcast, before the resize or behind it."""
    padded = (1,) * (rank - len(shape)) + shape
    return bool(shape) and all(padded[d] == 1 for d in factors)
