"""commute-resize."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from ...graph.ir import AdaptivePool, Concat, Convolution, Merge, Node, Pointwise, Reduce, Resize, Shape
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
    over the channels or over all positions, as normalisations are also written. They run on the small tensors; the
    resize follows where something else reads the result.

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
                yield self._move(view, resize, region, factors)

    def _move(self, view: View, resize: Node, region: _Region, factors: dict[int, int]) -> Replacement:
        make = Builder.around(view, resize)
        small = dict(region.small)
        names = {n.name for n in region.moved}
        for node in region.moved:
            if node.output not in region.resized:  # one value for all positions: it is what it was
                make.nodes.append(replace(node, inputs=tuple(small.get(v, v) for v in node.inputs)))
                continue
            value = view.fresh(f"{node.output}:small")
            shape = tuple(n // factors.get(d, 1) if n != 1 else 1 for d, n in enumerate(view.shape(node.output)))
            inputs = tuple(small.get(v, v) for v in node.inputs)
            op = node.op
            make.nodes.append(replace(node, op=op, inputs=inputs, outputs=(value,)))
            make.shapes[value] = shape
            small[node.output] = value
        for node in region.moved:
            readers = [r for r in view.consumers.get(node.output, ()) if r.name not in names]
            if node.output not in region.resized:
                continue
            if readers or node.output in view.outputs:
                x = small[node.output]
                dims = tuple(sorted(factors))
                scale = tuple(Fraction(factors[d]) for d in dims)
                shape = view.shape(node.output)
                op = Resize("nearest", "asymmetric", dims, scale, tuple(shape[d] for d in dims))
                make.add(op, [x], shape, node.output, what="resize")
        what = f"behind {len(region.moved)} operation{'s' if len(region.moved) > 1 else ''}"
        return self.replacement(title(resize), region.moved, make.nodes, make.shapes, what)


@dataclass
class _Region:
    """What can run on the small tensors: the nodes, in order; the small value behind each resized one; the resizes; and
    which values are, in the graph as it is, resized ones."""

    moved: list[Node]
    small: dict[str, str]
    resizes: list[Node]
    resized: set[str]


def _factors(node: Node, view: View) -> dict[int, int] | None:
    """Factor by dimension, where a resize repeats samples of trailing dimensions."""
    x = view.shape(node.inputs[0])
    rank = len(x) - 2
    found = repeat_factors(node, view, rank) if rank >= 1 else None
    if found is None or all(f == 1 for f in found):
        return None
    return {2 + a: f for a, f in enumerate(found)}


def _region(view: View, start: Node, factors: dict[int, int]) -> _Region:
    """Everything behind `start` that commutes, taking in other resizes by the same factors where they meet."""
    resized = {r.output: r for r in view.free(Resize) if _factors(r, view) == factors}
    small = {v: r.inputs[0] for v, r in resized.items()}
    reached = {start.output}
    moved: list[Node] = []
    for node in view.graph.nodes:
        if node.name in view.frozen or len(node.outputs) != 1 or not reached & set(node.inputs):
            continue
        if _commutes(view, node, small, factors):
            moved.append(node)
            small[node.output] = node.output
            reached.add(node.output)
        elif _sums_up(node, small, factors):
            moved.append(node)
    read = {v for n in moved for v in n.inputs}
    joined = [r for v, r in resized.items() if v in read]
    known = {r.output: r.inputs[0] for r in [start, *joined]}
    return _Region(moved, known, [start, *joined], reached)


def _commutes(view: View, node: Node, small: dict[str, str], factors: dict[int, int]) -> bool:
    op = node.op
    if isinstance(op, Pointwise) and len(node.inputs) == 1:
        return _commutes_alone(op, node, len(view.shape(node.output)), factors)
    if isinstance(op, Reduce):
        return op.keepdim and not set(op.dims) & set(factors)
    if isinstance(op, Convolution) and "weight" in node.weights and len(node.inputs) == 1:
        axes = op.spec.per_axis(len(node.weights["weight"].shape) - 2)
        return is_one_by_one(node) and all(a.stride == 1 and not a.begin and not a.end for a in axes)
    if isinstance(op, Concat):
        return op.dim not in factors and all(v in small for v in node.inputs)
    if isinstance(op, Merge) and op.kind in MERGES:
        rank = len(view.shape(node.output))
        return all(v in small or _is_flat(view.shape(v), rank, factors) for v in node.inputs)
    return False


def _commutes_alone(op: Pointwise, node: Node, rank: int, factors: dict[int, int]) -> bool:
    """The same for a point-wise operator or a normalisation of one tensor."""
    parameters = {r: w.shape for r, w in node.weights.items()}
    flat = all(_is_flat(s or (1,), rank, factors) for s in parameters.values())
    if op.kind in ELEMENTWISE or op.kind in STATISTICS:
        return True
    if op.kind in PER_CHANNEL and not op.nonlinear:
        return True
    if op.kind in WITH_CONSTANT or (op.kind in PER_CHANNEL and op.nonlinear):
        return flat and bool(parameters.keys() & {"left", "right"})
    if op.kind == "prelu":
        return flat and "slope" in parameters
    if op.over is None:
        return False
    return (op.kind in MEANS_OVER and flat) or (op.kind in OVER and not set(op.over) & set(factors))


def _sums_up(node: Node, small: dict[str, str], factors: dict[int, int]) -> bool:
    """Whether a node makes one value of all positions, the same of the small tensor: a mean, or an extreme."""
    op = node.op
    if len(node.inputs) != 1 or node.inputs[0] not in small:
        return False
    if isinstance(op, AdaptivePool):
        return all(n == 1 for n in op.out_size)
    return isinstance(op, Reduce) and op.kind in ("mean", "max", "min") and set(factors) <= set(op.dims)


def _is_flat(shape: Shape, rank: int, factors: dict[int, int]) -> bool:
    """A tensor with one sample on every resized axis: it is broadcast, before the resize or behind it."""
    padded = (1,) * (rank - len(shape)) + shape
    return bool(shape) and all(padded[d] == 1 for d in factors)
