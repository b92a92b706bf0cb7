"""absorb-output-padding."""

from __future__ import annotations

from collections.abc import Iterator

from ...graph.ir import TransposedConvolution
from ..identity import Identity, Proposal
from ..nodes import is_float
from ..view import View, title
from ..weights.widen import without_output_padding
from .widen_kernel import with_taps


class AbsorbOutputPadding(Identity):
    """Output padding becomes zero taps at the end of the kernel, for runtimes that lack the attribute.

    ## What it matches
    A transposed convolution with output padding.

    ## Precondition
    None.

    ## New weights
    ⌈o/d⌉ zero taps appended on each axis; what they reach too far is cropped by the padding at the end.

    ## Cost
    ((k + o)/k)ᵈ times the multiplications.

    ## Safety
    Safe: bit for bit the same outputs in exact arithmetic.

    ## References
    - docs/theory/identities.md, "Widening"
    - pytorch/executorch pull request 18185, robertknight/rten pull request 853
    """

    name = "absorb-output-padding"
    summary = "output padding → zero taps at the end of the kernel"
    purpose = "portability"
    answers = ("UW602",)

    def find(self, view: View) -> Iterator[Proposal]:
        """Every transposed convolution with output padding."""
        for node in view.transposed():
            assert isinstance(node.op, TransposedConvolution)
            rank = len(node.weights["weight"].shape) - 2
            if not any(a.output_padding for a in node.op.spec.per_axis(rank)):
                continue
            if not is_float(node):
                yield self.refusal(title(node), f"its weights are {node.weights['weight'].dtype}")
                continue
            spec, after = without_output_padding(node.op.spec, rank)
            yield with_taps(self, view, node, spec, (0,) * rank, after)
