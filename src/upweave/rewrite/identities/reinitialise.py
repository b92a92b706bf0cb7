"""reinitialise."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import numpy as np

from ...graph.ir import Convolution, Node, PixelShuffle, TransposedConvolution, Weight
from ...spec import ConvPixelShuffle
from ..identity import Identity, Proposal
from ..nodes import Array, Builder, is_float, weight
from ..view import View, title
from ..weights.initial import he_transposed, icnr
from ..weights.pixel_shuffle import channel_order
from .transposed_to_shuffle import is_strided

DONE = ":fresh"


class Reinitialise(Identity):
    """Upsampling layers get fresh weights with the right fans; what they had learned is lost.

    ## What it matches
    Strided transposed convolutions, and convolutions in front of a pixel shuffle.

    ## Precondition
    None. It is for models that will be trained, never for trained ones.

    ## New weights
    Normal, variance 2/fan-in with fan-in (C_in/g)·∏k/s; in front of a pixel shuffle ICNR: all phases begin alike.
    Biases become zero. The numbers depend on the layer's name alone.

    ## Cost
    None.

    ## Safety
    Unsafe: other weights, other outputs.

    ## References
    - He et al.: Delving deep into rectifiers, ICCV 2015
    - Aitken et al.: Checkerboard artifact free sub-pixel convolution, 2017
    """

    name = "reinitialise"
    summary = "fresh weights with the right fans (He, ICNR)"
    purpose = "repair"
    safety = "unsafe"
    answers = ("UW501", "UW502")

    def find(self, view: View) -> Iterator[Proposal]:
        """Every upsampling layer with weights, once."""
        for node in view.transposed():
            if is_strided(node) and is_float(node) and not node.weights["weight"].name.endswith(DONE):
                yield self._fresh(view, node, _transposed(node))
        for node in view.convolutions():
            shuffle = view.only_reader(node.output)
            if shuffle is None or not isinstance(shuffle.op, PixelShuffle) or not is_float(node):
                continue
            rank = len(node.weights["weight"].shape) - 2
            if len(shuffle.op.factor) == rank and not node.weights["weight"].name.endswith(DONE):
                yield self._fresh(view, node, _shuffled(node, shuffle.op))

    def _fresh(self, view: View, node: Node, new: Weight) -> Proposal:
        weights = {**node.weights, "weight": new}
        if "bias" in node.weights:
            bias = node.weights["bias"]
            weights["bias"] = weight(f"{bias.name}{DONE}", bias.shape, bias.dtype, lambda: np.zeros(bias.shape))
        make = Builder.around(view, node)
        make.add(node.op, node.inputs, view.shape(node.output), node.output, weights, "fresh")
        return self.replacement(title(node), [node], make.nodes, make.shapes, "its weights are fresh")


def _transposed(node: Node) -> Weight:
    op, old = node.op, node.weights["weight"]
    assert isinstance(op, TransposedConvolution)

    def load() -> Array:
        return he_transposed(op.spec, op.in_channels, op.out_channels, _seed(node))

    return weight(f"{old.name}{DONE}", old.shape, old.dtype, load)


def _shuffled(node: Node, shuffle: PixelShuffle) -> Weight:
    op, old = node.op, node.weights["weight"]
    assert isinstance(op, Convolution)
    phases = int(np.prod(shuffle.factor))
    c_out = op.out_channels // phases
    spec = ConvPixelShuffle(tuple(old.shape[2:]), shuffle.factor, groups=op.spec.groups)

    def load() -> Array:
        made = icnr(spec, op.in_channels, c_out, _seed(node))
        if shuffle.order == "CRD":
            return made
        other = np.empty_like(made)
        other[channel_order(c_out, phases)] = made
        return other

    return weight(f"{old.name}{DONE}", old.shape, old.dtype, load)


def _seed(node: Node) -> int:
    return crc32(title(node).encode())
