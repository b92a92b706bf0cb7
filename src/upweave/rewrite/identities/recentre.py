"""recentre."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...errors import NotRepresentable
from ...graph.ir import Node, TransposedConvolution
from ...spec import ConvTranspose
from ..identity import Identity, Proposal, Replacement
from ..nodes import Array, Builder, is_float, numbers, transposed_shape, weight
from ..view import View, title
from ..weights.recentre import recentred, shifts
from .transposed_to_shuffle import is_strided


class Recentre(Identity):
    """A transposed convolution that is off the half-pixel grid is moved onto it.

    ## What it matches
    A strided transposed convolution with d(k−1)/2 − p ≠ (s−1)/2 on some axis. Whether that is a fault depends on what
    it meets (see off-centre-grid); so it is done by name alone.

    ## Precondition
    No dilation, and a kernel of at least the stride.

    ## New weights
    Whole samples move with the padding; half a sample averages the kernel with its neighbour, one tap longer.

    ## Cost
    (k + 1)/k times the multiplications on an axis that is half a sample off.

    ## Safety
    Unsafe: the picture moves, and skips, heads and losses may have been trained on its old place.

    ## References
    - docs/theory/alignment.md
    """

    name = "recentre"
    summary = "off-centre transposed convolution → centred on the half-pixel grid"
    purpose = "repair"
    safety = "unsafe"
    answers = ("UW202",)

    def find(self, view: View) -> Iterator[Proposal]:
        """Every strided transposed convolution that is off centre."""
        for node in view.transposed():
            op, old = node.op, node.weights["weight"]
            assert isinstance(op, TransposedConvolution)
            rank = len(old.shape) - 2
            off = shifts(op.spec, rank)
            if not is_strided(node) or not is_float(node) or not any(off):
                continue
            try:
                g = op.spec.groups
                spec, _ = recentred(op.spec, np.ones((g, 1, *old.shape[2:])))
            except NotRepresentable as e:
                yield self.refusal(title(node), str(e))
                continue
            yield self._centred(view, node, spec, f"it was {', '.join(str(o) for o in off)} output samples off")

    def _centred(self, view: View, node: Node, spec: ConvTranspose, reason: str) -> Replacement:
        op, old = node.op, node.weights["weight"]
        assert isinstance(op, TransposedConvolution)
        before = op.spec

        def load() -> Array:
            return recentred(before, numbers(node))[1]

        shape = transposed_shape(spec, op.in_channels, op.out_channels)
        weights = {**node.weights, "weight": weight(f"{old.name}:centred", shape, old.dtype, load)}
        make = Builder.around(view, node)
        make.transposed(node.inputs[0], spec, (op.in_channels, op.out_channels), weights, node.output)
        return self.replacement(title(node), [node], make.nodes, make.shapes, reason)
