"""shuffle-to-transposed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...errors import NotRepresentable
from ...graph.ir import Convolution, Node, PixelShuffle
from ...spec import ConvPixelShuffle
from ..identity import Identity, Proposal
from ..nodes import Array, Builder, is_float, numbers, transposed_shape, weight
from ..view import View, title
from ..weights.pixel_shuffle import channel_order, shuffle_to_transposed


class ShuffleToTransposed(Identity):
    """A convolution and a pixel shuffle become one transposed convolution.

    ## What it matches
    A convolution with stride 1 that only a pixel shuffle (DepthToSpace, either order of channels) reads.

    ## Precondition
    The bias is the same at all phases of an output channel, since a transposed convolution has one bias a channel, and
    groups do not end inside an output channel.

    ## New weights
    Kernel s·k, stride s: the phases' kernels interleaved.

    ## Cost
    The same multiplications; the tensor before the shuffle is not written. Worth it where shuffles are slow.

    ## Safety
    Safe: exact, borders included.

    ## References
    - Shi et al.: Is the deconvolution layer the same as a convolutional layer?, 2016
    """

    name = "shuffle-to-transposed"
    summary = "convolution + pixel shuffle → transposed convolution"

    def find(self, view: View) -> Iterator[Proposal]:
        """Every convolution in front of a pixel shuffle."""
        for conv in view.convolutions():
            shuffle = view.only_reader(conv.output)
            if shuffle is None or not isinstance(shuffle.op, PixelShuffle) or shuffle.output not in view.graph.shapes:
                continue
            rank = len(conv.weights["weight"].shape) - 2
            assert isinstance(conv.op, Convolution)
            axes = conv.op.spec.per_axis(rank)
            if len(shuffle.op.factor) != rank or any(a.stride != 1 for a in axes):
                continue
            yield self._merge(view, conv, shuffle, shuffle.op)

    def _merge(self, view: View, conv: Node, shuffle: Node, op: PixelShuffle) -> Proposal:
        before = conv.op
        assert isinstance(before, Convolution)
        if not is_float(conv):
            return self.refusal(title(conv), f"its weights are {conv.weights['weight'].dtype}")
        phases = int(np.prod(op.factor))
        c_out = before.out_channels // phases
        if op.order == "DCR" and before.spec.groups > 1:
            return self.refusal(title(conv), "its groups do not keep the phases of an output channel together")
        order = channel_order(c_out, phases) if op.order == "DCR" else np.arange(before.out_channels)
        axes = before.spec.per_axis(len(op.factor))
        spec = ConvPixelShuffle(
            tuple(a.kernel for a in axes), op.factor, tuple((a.begin, a.end) for a in axes),
            tuple(a.dilation for a in axes), before.spec.groups,
        )  # fmt: skip
        g, old = before.spec.groups, conv.weights["weight"]
        if c_out % g:
            return self.refusal(title(conv), f"its {g} groups do not divide the {c_out} output channels")
        bias = numbers(conv, "bias")[order].reshape(c_out, phases) if "bias" in conv.weights else None
        if bias is not None and (bias != bias[:, :1]).any():
            spread = float(np.abs(bias - bias[:, :1]).max())
            return self.refusal(
                title(conv), f"the bias differs between phases by up to {spread:g}; one bias a channel cannot say that"
            )
        try:  # the geometry does not depend on the numbers
            new = shuffle_to_transposed(spec, np.ones((g * phases, 1, *old.shape[2:])))[0]
        except NotRepresentable as e:
            return self.refusal(title(conv), str(e))

        def load() -> Array:
            return shuffle_to_transposed(spec, numbers(conv)[order])[1]

        shape = transposed_shape(new, before.in_channels, c_out)
        weights = {"weight": weight(f"{old.name}:transposed", shape, old.dtype, load)}
        if bias is not None:
            dtype = conv.weights["bias"].dtype
            weights["bias"] = weight(
                f"{conv.weights['bias'].name}:transposed",
                (c_out,),
                dtype,
                lambda: numbers(conv, "bias")[order].reshape(c_out, phases)[:, 0],
            )
        make = Builder.around(view, conv)
        make.transposed(conv.inputs[0], new, (before.in_channels, c_out), weights, shuffle.output)
        return self.replacement(title(conv), [conv, shuffle], make.nodes, make.shapes, f"with {title(shuffle)}")
