"""transposed-to-shuffle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import NotRepresentable
from ...graph.ir import Node, TransposedConvolution
from ...spec import Conv
from ..identity import Identity, Proposal, Replacement
from ..nodes import Array, Builder, is_float, numbers, weight
from ..view import View, title
from ..weights.pixel_shuffle import transposed_to_shuffle


class TransposedToShuffle(Identity):
    """A transposed convolution becomes a convolution and a pixel shuffle.

    ## What it matches
    A transposed convolution with stride above 1 whose kernel is not its stride (see kernel-equals-stride).

    ## Precondition
    One of two forms: the shortest kernel with a crop behind the shuffle, or none to crop, where the output is a
    multiple of the stride.

    ## New weights
    Phase r's taps become the channels c·∏s + r; taps that a phase lacks are zeros. The bias is repeated for each phase.

    ## Cost
    (s·⌈k/s⌉/k)ᵈ times the multiplications with a crop, more without one; a shuffle, and perhaps a crop, pass over the
    output once more. Worth it where convolutions are much faster than transposed ones.

    ## Safety
    Safe: exact, borders included.

    ## References
    - Shi et al.: Real-time single image and video super-resolution using an efficient sub-pixel network, CVPR 2016
    """

    name = "transposed-to-shuffle"
    summary = "transposed convolution → convolution + pixel shuffle"

    def find(self, view: View) -> Iterator[Proposal]:
        """Every strided transposed convolution, in both forms."""
        for node in view.transposed():
            assert isinstance(node.op, TransposedConvolution)
            if is_strided(node) and not equals_stride(node):
                if not is_float(node):
                    yield self.refusal(title(node), f"its weights are {node.weights['weight'].dtype}")
                    continue
                for crop in (True, False):
                    if (found := shuffled(self, view, node, crop)) is not None:
                        yield found


def is_strided(node: Node) -> bool:
    """True if a transposed convolution has a stride above 1 on some axis."""
    return any(a.stride > 1 for a in _axes(node))


def equals_stride(node: Node) -> bool:
    """True if every input has outputs of its own: k = s, nothing padded."""
    return all((a.kernel, a.dilation, a.begin, a.end, a.output_padding) == (a.stride, 1, 0, 0, 0) for a in _axes(node))


def _axes(node: Node) -> tuple[Any, ...]:
    assert isinstance(node.op, TransposedConvolution)
    return node.op.spec.per_axis(len(node.weights["weight"].shape) - 2)


def shuffled(identity: Identity, view: View, node: Node, crop: bool) -> Replacement | None:
    """The replacement of a transposed convolution by a convolution, a shuffle and a crop; None if the form is none."""
    op, old = node.op, node.weights["weight"]
    assert isinstance(op, TransposedConvolution)
    g, rank = op.spec.groups, len(old.shape) - 2
    try:  # the geometry of a single channel a group is that of all
        form = transposed_to_shuffle(op.spec, np.ones((g, 1, *old.shape[2:])), crop=crop)
    except NotRepresentable:
        return None
    if not crop and not transposed_to_shuffle(op.spec, np.ones((g, 1, *old.shape[2:]))).is_cropped:
        return None  # both forms are the same
    factor = tuple(a.stride for a in _axes(node))
    phases = int(np.prod(factor))
    kernel = form.weight.shape[2:]
    shape = (op.out_channels * phases, op.in_channels // g, *kernel)

    def load() -> Array:
        return transposed_to_shuffle(op.spec, numbers(node), crop=crop).weight

    weights = {"weight": weight(f"{old.name}:shuffle", shape, old.dtype, load)}
    if "bias" in node.weights:
        bias = node.weights["bias"]
        weights["bias"] = weight(
            f"{bias.name}:shuffle", (shape[0],), bias.dtype, lambda: np.repeat(numbers(node, "bias"), phases)
        )
    make = Builder.around(view, node)
    axes = form.spec.per_axis(rank)
    conv = Conv(
        tuple(int(k) for k in kernel), (1,) * rank, tuple((a.begin, a.end) for a in axes),
        tuple(a.dilation for a in axes), g,
    )  # fmt: skip
    y = make.conv(node.inputs[0], conv, (op.in_channels, shape[0]), weights)
    y = make.shuffle(y, factor, None if form.is_cropped else node.output)
    if form.is_cropped:
        make.pad(y, [(-b, -e) for b, e in form.crop], output=node.output)
    what = f"convolution {'×'.join(map(str, kernel))} and shuffle" + (" with a crop" if form.is_cropped else "")
    return identity.replacement(title(node), [node], make.nodes, make.shapes, what)
