"""split-concat."""

from __future__ import annotations

from collections.abc import Iterator

from ...graph.ir import Concat, Convolution, Node, Resize
from ..identity import Identity, Proposal
from ..nodes import Array, Builder, numbers, weight
from ..view import View, repeat_factors, title
from .fold_nearest_resize import folded, is_one_by_one, why_not, without_zeros


class SplitConcat(Identity):
    """A convolution of a resized map and a skip becomes two convolutions and a sum; the resized half folds.

    ## What it matches
    A convolution with stride 1 behind a concatenation along the channels, of which some parts are nearest resizes by
    whole factors: the decoder step of most U-Nets. A padding with zeros may stand between.

    ## Precondition
    One group: with more, channels of both parts meet in a group. The weights are numbers of the model.

    ## New weights
    W is cut along its input channels. The resized part becomes flip(W₁) ∗ ones(s) (see fold-nearest-resize); the rest
    keeps W₂ and the bias.

    ## Cost
    The resized channels cost (k·s/(k + s − 1))ᵈ times fewer multiplications; the concatenation is not written, but a
    sum is.

    ## Safety
    Safe: exact, borders included. The order of the summation changes, and with it the rounding.

    ## References
    - docs/theory/identities.md, "Folding a nearest resize"
    """

    name = "split-concat"
    summary = "convolution of (resized, skip) → two convolutions and a sum"
    answers = ("UW701",)

    def find(self, view: View) -> Iterator[Proposal]:
        """Every convolution behind a concatenation with a nearest resize in it."""
        for conv in (without_zeros(view, c) for c in view.convolutions()):
            cat = view.producer(conv.inputs[0], Concat)
            if cat is None or cat.output not in view.graph.shapes:
                continue
            rank = len(conv.weights["weight"].shape) - 2
            op = cat.op
            assert isinstance(op, Concat)
            if op.dim != len(view.shape(cat.output)) - rank - 1 or is_one_by_one(conv):
                continue
            found = {v: f for v in cat.inputs if (f := _factors(view, v, rank)) is not None}
            if found:
                yield self._split(view, conv, cat, found)

    def _split(self, view: View, conv: Node, cat: Node, found: dict[str, tuple[int, ...]]) -> Proposal:
        op, dim = conv.op, cat.op.dim  # type: ignore[attr-defined]
        assert isinstance(op, Convolution)
        if op.spec.groups > 1:
            return self.refusal(title(conv), f"its {op.spec.groups} groups mix channels of both parts")
        if reason := why_not(conv):
            return self.refusal(title(conv), reason)
        make = Builder.around(view, conv)
        parts: list[str] = []
        rest: list[tuple[str, slice]] = []
        start = 0
        whole = all(v in found for v in cat.inputs)
        for value in cat.inputs:
            channels = slice(start, start + view.shape(value)[dim])
            start = channels.stop
            if value not in found:
                rest.append((value, channels))
                continue
            resize = view.producers[value]
            with_bias = whole and not parts
            last = conv.output if whole and len(cat.inputs) == 1 else None
            parts.append(folded(make, conv, resize.inputs[0], found[value], channels, with_bias, last))
        if rest:
            parts.append(_rest(make, conv, rest, dim))
        if len(parts) > 1:
            make.sum(parts, conv.output)
        share = sum(view.shape(v)[dim] for v in found) / op.in_channels
        reason = f"{share:.0%} of its channels fold with their resize"
        return self.replacement(title(conv), [conv], make.nodes, make.shapes, reason)


def _factors(view: View, value: str, rank: int) -> tuple[int, ...] | None:
    node = view.producer(value, Resize)
    factors = None if node is None else repeat_factors(node, view, rank)
    return None if factors is None or all(f == 1 for f in factors) else factors


def _rest(make: Builder, conv: Node, rest: list[tuple[str, slice]], dim: int) -> str:
    """The convolution of the parts that are not resized."""
    op, old = conv.op, conv.weights["weight"]
    assert isinstance(op, Convolution)
    x = make.concat([v for v, _ in rest], dim)
    c_in = make.shape(x)[dim]

    def load() -> Array:
        w = numbers(conv)
        return w[:, [c for _, s in rest for c in range(s.start, s.stop)]]

    weights = {"weight": weight(f"{old.name}:rest", (old.shape[0], c_in, *old.shape[2:]), old.dtype, load)}
    if "bias" in conv.weights:
        weights["bias"] = conv.weights["bias"]
    return make.conv(x, op.spec, (c_in, op.out_channels), weights)
