"""merge-linear."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...graph.ir import Convolution, Node, TransposedConvolution
from ..identity import Identity, Proposal
from ..nodes import Array, Builder, is_float, numbers, weight
from ..view import View, title
from ..weights.merge import conv_after, conv_before
from .fold_nearest_resize import is_one_by_one


class MergeLinear(Identity):
    """Two convolutions without a non-linearity between them, one of them 1×1, become one.

    ## What it matches
    A convolution or transposed convolution that only a 1×1 convolution reads, or the other way round.

    ## Precondition
    One group each. A 1×1 convolution in front has no bias: behind it the padding is zero, not the bias.

    ## New weights
    The product of both over the channels between them.

    ## Cost
    Cheaper where the channels between are more than those outside can make up for; applied only then.

    ## Safety
    Safe: exact, borders included; the sums are made in another order.

    ## References
    - docs/theory/identities.md
    """

    name = "merge-linear"
    summary = "convolution and 1×1 convolution without a non-linearity between → one"

    def find(self, view: View) -> Iterator[Proposal]:
        """Every pair of convolutions of which one is 1×1."""
        for first in (*view.convolutions(), *view.transposed()):
            second = view.only_reader(first.output)
            if second is None or not isinstance(second.op, (Convolution, TransposedConvolution)):
                continue
            if "weight" not in second.weights or len(second.inputs) != 1 or second.output not in view.graph.shapes:
                continue
            kinds = _single(first), _single(second)
            if not any(kinds) or not (is_float(first) and is_float(second)):
                continue
            if _groups(first) > 1 or _groups(second) > 1:
                continue
            if kinds[1]:
                yield self._after(view, first, second)
            elif "bias" in first.weights:
                yield self.refusal(
                    title(second), f"{title(first)} has a bias, which ends where {title(second)} pads with zeros"
                )
            else:
                yield self._before(view, first, second)

    def _after(self, view: View, first: Node, second: Node) -> Proposal:
        op, inner = first.op, second.op
        assert isinstance(op, (Convolution, TransposedConvolution))
        assert isinstance(inner, Convolution)
        transposed = isinstance(op, TransposedConvolution)
        old, c = first.weights["weight"], inner.out_channels
        shape = (old.shape[0], c, *old.shape[2:]) if transposed else (c, *old.shape[1:])

        def both() -> tuple[Array, Array | None]:
            biases = [numbers(n, "bias") if "bias" in n.weights else None for n in (first, second)]
            return conv_after(numbers(first), biases[0], numbers(second), biases[1], transposed=transposed)

        weights = {"weight": weight(f"{old.name}:merged", shape, old.dtype, lambda: both()[0])}
        if "bias" in first.weights or "bias" in second.weights:
            weights["bias"] = weight(f"{old.name}:merged bias", (c,), old.dtype, lambda: _there(both()[1]))
        make = Builder.around(view, first)
        make.add(replace(op, out_channels=c), first.inputs, view.shape(second.output), second.output, weights, "merged")
        return self.replacement(title(first), [first, second], make.nodes, make.shapes, f"with {title(second)}")

    def _before(self, view: View, first: Node, second: Node) -> Proposal:
        op, inner = second.op, first.op
        assert isinstance(op, (Convolution, TransposedConvolution))
        assert isinstance(inner, Convolution)
        transposed = isinstance(op, TransposedConvolution)
        old, c = second.weights["weight"], inner.in_channels
        shape = (c, *old.shape[1:]) if transposed else (old.shape[0], c, *old.shape[2:])

        def load() -> Array:
            return conv_before(numbers(first), numbers(second), transposed=transposed)

        weights = {"weight": weight(f"{old.name}:merged", shape, old.dtype, load)}
        if "bias" in second.weights:
            weights["bias"] = second.weights["bias"]
        make = Builder.around(view, second)
        make.add(replace(op, in_channels=c), first.inputs, view.shape(second.output), second.output, weights, "merged")
        return self.replacement(title(second), [first, second], make.nodes, make.shapes, f"with {title(first)}")


def _single(node: Node) -> bool:
    """True for a convolution of single samples: 1×1, stride 1, nothing padded."""
    if not isinstance(node.op, Convolution) or not is_one_by_one(node):
        return False
    axes = node.op.spec.per_axis(len(node.weights["weight"].shape) - 2)
    return all(a.stride == 1 and not a.begin and not a.end for a in axes)


def _groups(node: Node) -> int:
    assert isinstance(node.op, (Convolution, TransposedConvolution))
    return node.op.spec.groups


def _there(array: Array | None) -> Array:
    assert array is not None
    return array
