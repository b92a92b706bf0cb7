"""fold-nearest-resize."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...errors import NotRepresentable
from ...graph.ir import Convolution, Node, Pad, Resize
from ...spec import Conv
from ..identity import Identity, Proposal
from ..nodes import Array, Builder, Pair, is_float, numbers, transposed_shape, weight
from ..view import View, repeat_factors, title, why_no_repeat
from ..weights.fold_nearest import Extension, fold_nearest, fold_nearest_extended, folded_spec


class FoldNearestResize(Identity):
    """A nearest resize and the convolution behind it become one transposed convolution.

    ## What it matches
    A nearest resize by whole factors, then a convolution with stride 1; between them there may be a padding with zeros,
    by reflection, by the edge sample, or circular. Other readers of the resize keep it.

    ## Precondition
    The factor is whole whatever the size. A reflection is by at most s − 1 samples, where it meets copies of the edge
    sample alone. The convolution's weights are numbers of the model.

    ## New weights
    flip(w) ∗ ones(s): kernel k + s − 1, stride s, padding k − 1 − p. The bias stays.

    ## Cost
    (k·s/(k + s − 1))ᵈ times fewer multiplications, 2.25× for 3×3 and ×2, 3.375× in three dimensions; the large copy is
    never written. The weights grow by ((k + s − 1)/k)ᵈ.

    ## Safety
    Safe: exact, borders included. For inference: the folded kernel is no longer tied, and would train differently.

    ## References
    - docs/theory/identities.md, "Folding a nearest resize"
    - Shi et al.: Is the deconvolution layer the same as a convolutional layer?, 2016
    """

    name = "fold-nearest-resize"
    summary = "nearest resize + convolution → one transposed convolution"
    answers = ("UW701",)

    def find(self, view: View) -> Iterator[Proposal]:
        """Every convolution behind a nearest resize."""
        for conv in view.convolutions():
            bare = without_zeros(view, conv)
            source = view.producer(bare.inputs[0], Resize, Pad)
            if source is not None and isinstance(source.op, Pad):
                yield from self._behind_pad(view, conv, source)
            elif source is not None:
                yield from self._direct(view, bare, source)

    def _direct(self, view: View, conv: Node, resize: Node) -> Iterator[Proposal]:
        factors = foldable(view, conv, resize)
        if factors is None:
            if (reason := why_no_repeat(resize, view)) and not is_one_by_one(conv):
                yield self.refusal(title(conv), f"{title(resize)} {reason}")
            return
        if reason := why_not(conv):
            yield self.refusal(title(conv), reason)
            return
        make = Builder.around(view, conv)
        folded(make, conv, resize.inputs[0], factors, output=conv.output)
        yield self.replacement(title(conv), [conv], make.nodes, make.shapes, f"with the resize {title(resize)}")

    def _behind_pad(self, view: View, conv: Node, pad: Node) -> Iterator[Proposal]:
        resize = view.producer(pad.inputs[0], Resize)
        op = pad.op
        assert isinstance(op, Pad)
        assert isinstance(conv.op, Convolution)
        if resize is None or (factors := foldable(view, conv, resize)) is None:
            return
        rank = len(factors)
        axes = conv.op.spec.per_axis(rank)
        pads = op.pads[-rank:]
        if any(p != (0, 0) for p in op.pads[:-rank]):
            yield self.refusal(title(conv), f"{title(pad)} pads batch or channels")
        elif any(n < 0 for p in pads for n in p):
            yield self.refusal(title(conv), f"{title(pad)} crops the resized tensor")
        elif op.mode not in ("reflect", "replicate", "circular"):
            yield self.refusal(title(conv), f"{title(pad)} pads with {op.mode}, which no transposed convolution does")
        elif any(a.begin or a.end for a in axes):
            yield self.refusal(title(conv), "zeros are padded around the extension; no one padding does both")
        elif reason := why_not(conv):
            yield self.refusal(title(conv), reason)
        else:
            make = Builder.around(view, conv)
            try:
                extended(make, conv, resize.inputs[0], factors, pads, op.mode)  # type: ignore[arg-type]
            except NotRepresentable as e:
                yield self.refusal(title(conv), str(e))
                return
            what = f"with the resize {title(resize)} and the padding by {op.mode}"
            yield self.replacement(title(conv), [conv], make.nodes, make.shapes, what)


def without_zeros(view: View, conv: Node) -> Node:
    """The convolution with the zeros that a node in front of it pads as its own padding; itself, where there are none.

    It has the name of the convolution, and reads what is padded.
    """
    pad = view.producer(conv.inputs[0], Pad)
    op, rank = conv.op, len(conv.weights["weight"].shape) - 2
    assert isinstance(op, Convolution)
    if pad is None or not isinstance(pad.op, Pad) or pad.op.mode != "zeros":
        return conv
    if any(n < 0 for p in pad.op.pads for n in p) or any(p != (0, 0) for p in pad.op.pads[:-rank]):
        return conv
    axes = op.spec.per_axis(rank)
    pads = tuple((a.begin + b, a.end + e) for a, (b, e) in zip(axes, pad.op.pads[-rank:], strict=True))
    return replace(conv, op=replace(op, spec=replace(op.spec, padding=pads)), inputs=pad.inputs)


def foldable(view: View, conv: Node, resize: Node) -> tuple[int, ...] | None:
    """The factors of a resize that this convolution, were it all that reads it, would fold with."""
    rank = len(conv.weights["weight"].shape) - 2
    factors = repeat_factors(resize, view, rank)
    if factors is None or all(f == 1 for f in factors) or is_one_by_one(conv):
        return None  # a 1×1 convolution belongs in front of the resize, which is another identity
    return factors


def why_not(conv: Node) -> str:
    """Why a convolution behind a resize does not fold, or ""."""
    op = conv.op
    assert isinstance(op, Convolution)
    rank = len(conv.weights["weight"].shape) - 2
    if any(a.stride != 1 for a in op.spec.per_axis(rank)):
        return f"the convolution has stride {op.spec.stride}; behind a resize only stride 1 folds"
    return "" if is_float(conv) else f"its weights are {conv.weights['weight'].dtype}"


def is_one_by_one(conv: Node) -> bool:
    """True for a convolution of single samples."""
    return all(k == 1 for k in conv.weights["weight"].shape[2:])


def folded(
    make: Builder,
    conv: Node,
    x: str,
    factors: tuple[int, ...],
    channels: slice = slice(None),
    bias: bool = True,
    output: str | None = None,
) -> str:
    """Add the transposed convolution that stands for `conv` (some of its input channels) behind a resize of `x`."""
    op = conv.op
    assert isinstance(op, Convolution)
    spec = folded_spec(op.spec, factors)
    old = conv.weights["weight"]
    c_in = len(range(*channels.indices(op.in_channels)))
    shape = transposed_shape(spec, c_in, op.out_channels)

    def load() -> Array:
        w = numbers(conv)
        return fold_nearest(op.spec, w if op.spec.groups > 1 else w[:, channels], factors)[1]

    weights = {"weight": weight(f"{old.name}:folded", shape, old.dtype, load)}
    if bias and "bias" in conv.weights:
        weights["bias"] = conv.weights["bias"]
    return make.transposed(x, spec, (c_in, op.out_channels), weights, output)


def extended(
    make: Builder, conv: Node, x: str, factors: tuple[int, ...], pads: tuple[Pair, ...], mode: Extension
) -> None:
    """The same where the convolution's padding is an extension of the resized signal."""
    op = conv.op
    assert isinstance(op, Convolution)
    padded = replace(op.spec, padding=pads)
    spec, extend = folded_spec(padded, factors, mode), extension_of(padded, factors)
    old = conv.weights["weight"]
    shape = transposed_shape(spec, op.in_channels, op.out_channels)

    def load() -> Array:
        return fold_nearest_extended(padded, numbers(conv), factors, mode)[1]

    weights = {"weight": weight(f"{old.name}:folded", shape, old.dtype, load)}
    if "bias" in conv.weights:
        weights["bias"] = conv.weights["bias"]
    if any(n for pair in extend for n in pair):
        x = make.pad(x, extend, "circular" if mode == "circular" else "replicate")
    make.transposed(x, spec, (op.in_channels, op.out_channels), weights, conv.output)


def extension_of(conv: Conv, factors: tuple[int, ...]) -> tuple[Pair, ...]:
    """How far the small signal is extended: ⌈p/s⌉ at each end."""
    axes = conv.per_axis(len(factors))
    return tuple((-(-a.begin // s), -(-a.end // s)) for a, s in zip(axes, factors, strict=True))
