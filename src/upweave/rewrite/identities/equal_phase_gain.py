"""equal-phase-gain."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import NotRepresentable
from ...graph.ir import Node, TransposedConvolution
from ..identity import Identity, Proposal, Replacement
from ..nodes import Array, Builder, is_float, numbers, weight
from ..view import View, title
from ..weights.gains import equal_gains, imbalance
from .transposed_to_shuffle import is_strided

TOLERANCE = 1e-3
"""Gains that agree to so much of the largest are equal: a checkerboard of less is not seen in 8 bits."""


class EqualPhaseGain(Identity):
    """The trained weights of a transposed convolution are moved to the nearest ones whose phases have one gain.

    ## What it matches
    A strided transposed convolution whose phases sum to different gains: a constant input becomes a checkerboard.

    ## Precondition
    Every phase has taps.

    ## New weights
    Each phase's taps get an equal share of what its gain is away from the common one: the orthogonal projection, the
    smallest change in the weights' norm.

    ## Cost
    None.

    ## Safety
    Unsafe: outputs change, by as much as the checkerboard was, and for the worse where layers behind had learned to
    cancel it. In small autoencoders that were trained on photographs, one layer of three alone made the pattern many
    times stronger, and all three at once left it about as strong; in generators all at once left little (Evidence, in
    the documentation). So apply it to all layers, look at the pattern that the report gives before and after, and train
    on where that is possible.

    ## References
    - Odena, Dumoulin, Olah: Deconvolution and checkerboard artifacts, Distill, 2016
    - Sugawara, Shiota, Kiya: Checkerboard artifacts free convolutional neural networks, 2019
    """

    name = "equal-phase-gain"
    summary = "trained weights → the nearest ones whose phases have one gain"
    purpose = "repair"
    safety = "unsafe"
    answers = ("UW401",)

    def find(self, view: View) -> Iterator[Proposal]:
        """Every strided transposed convolution with unequal gains."""
        for node in view.transposed():
            op = node.op
            assert isinstance(op, TransposedConvolution)
            if not is_strided(node) or not is_float(node):
                continue
            found = imbalance(op.spec, numbers(node))
            if found <= TOLERANCE:
                continue
            try:
                equal_gains(op.spec, numbers(node))
            except NotRepresentable as e:
                yield self.refusal(title(node), str(e))
                continue
            yield self._equal(view, node, op, f"gains were up to {found:.1%} apart")

    def _equal(self, view: View, node: Node, op: TransposedConvolution, reason: str) -> Replacement:
        old = node.weights["weight"]

        def load() -> Array:
            return equal_gains(op.spec, numbers(node))

        weights = {**node.weights, "weight": weight(f"{old.name}:equal", old.shape, old.dtype, load)}
        make = Builder.around(view, node)
        make.add(op, node.inputs, view.shape(node.output), node.output, weights, "equal")
        return self.replacement(title(node), [node], make.nodes, make.shapes, reason)
