"""kernel-equals-stride."""

from __future__ import annotations

from collections.abc import Iterator

from ..identity import Identity, Proposal
from ..nodes import is_float
from ..view import View, title
from .transposed_to_shuffle import equals_stride, is_strided, shuffled


class KernelEqualsStride(Identity):
    """A transposed convolution whose kernel is its stride becomes a matrix product a sample, and a shuffle.

    ## What it matches
    Kernel = stride, no padding, no dilation: each input sample writes a block of its own. U-Net decoders end in them.

    ## Precondition
    None besides.

    ## New weights
    A 1×1 convolution to C_out·∏s channels, the same numbers in another order. The bias is repeated for each phase.

    ## Cost
    The same multiplications, as one matrix product; the shuffle passes over the output once more.

    ## Safety
    Safe: the same products and sums.

    ## References
    - Shi et al.: Is the deconvolution layer the same as a convolutional layer?, 2016
    """

    name = "kernel-equals-stride"
    summary = "transposed convolution with k = s → 1×1 convolution + pixel shuffle"

    def find(self, view: View) -> Iterator[Proposal]:
        """Every transposed convolution without overlap."""
        for node in view.transposed():
            if is_strided(node) and equals_stride(node):
                if not is_float(node):
                    yield self.refusal(title(node), f"its weights are {node.weights['weight'].dtype}")
                elif (found := shuffled(self, view, node, True)) is not None:
                    yield found
