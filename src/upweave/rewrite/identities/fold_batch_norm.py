"""fold-batch-norm."""

from __future__ import annotations

from collections.abc import Iterator

from ...graph.ir import Convolution, Node, TransposedConvolution
from ..affine import affine, is_affine
from ..identity import Identity, Proposal
from ..nodes import Array, Builder, is_float, numbers, weight
from ..view import View, title
from ..weights.scale_shift import scale_outputs


class FoldBatchNorm(Identity):
    """What scales and shifts each channel behind a convolution goes into its weights and bias.

    ## What it matches
    A convolution or transposed convolution that only a batch normalisation at inference, or a sum, difference, product
    or quotient with one constant a channel, reads.

    ## Precondition
    The statistics are constants: batch normalisation in training mode has none yet.

    ## New weights
    W' = γ/√(σ² + ε)·W, b' = (b − μ)·γ/√(σ² + ε) + β.

    ## Cost
    One pass over the output less. Runtimes do this for convolutions, but many do not for transposed ones.

    ## Safety
    Safe: the same function; the rounding differs.

    ## References
    - Ioffe, Szegedy: Batch normalization, ICML 2015, section 3.1
    """

    name = "fold-batch-norm"
    summary = "batch normalisation or a constant behind a convolution → its weights and bias"

    def find(self, view: View) -> Iterator[Proposal]:
        """Every convolution of either kind in front of an affine point-wise operator."""
        for node in (*view.convolutions(), *view.transposed()):
            reader = view.only_reader(node.output)
            if reader is None or not is_affine(reader) or view.shape(reader.output) != view.shape(node.output):
                continue
            if not is_float(node) or not is_float(reader):
                yield self.refusal(title(node), f"its weights are {node.weights['weight'].dtype}")
                continue
            yield self._fold(view, node, reader)

    def _fold(self, view: View, node: Node, reader: Node) -> Proposal:
        op, old = node.op, node.weights["weight"]
        assert isinstance(op, (Convolution, TransposedConvolution))
        transposed = isinstance(op, TransposedConvolution)

        def make_both() -> tuple[Array, Array]:
            found = affine(reader)
            assert found is not None
            bias = numbers(node, "bias") if "bias" in node.weights else None
            return scale_outputs(
                numbers(node), bias, found.scale, found.shift, groups=op.spec.groups, transposed=transposed
            )

        weights = {
            "weight": weight(f"{old.name}:scaled", old.shape, old.dtype, lambda: make_both()[0]),
            "bias": weight(f"{old.name}:shifted", (op.out_channels,), old.dtype, lambda: make_both()[1]),
        }
        make = Builder.around(view, node)
        shape = view.shape(reader.output)
        make.add(op, node.inputs, shape, reader.output, weights, "scaled")
        return self.replacement(title(node), [node, reader], make.nodes, make.shapes, f"takes in {title(reader)}")
