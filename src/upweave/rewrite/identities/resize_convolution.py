"""resize-convolution."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import NotRepresentable
from ...graph.ir import Node, Shape, TransposedConvolution
from ...spec import Conv
from ..identity import Identity, Proposal, Replacement
from ..nodes import Array, Builder, is_float, numbers, weight
from ..view import View, title
from ..weights.resize_fit import fit_resize_conv
from .transposed_to_shuffle import is_strided


class ResizeConvolution(Identity):
    """A transposed convolution becomes a nearest resize and a convolution with least-squares weights.

    ## What it matches
    A strided transposed convolution.

    ## Precondition
    No dilation.

    ## New weights
    A convolution of max(3, k − s + 1) taps whose impulse response behind the resize is nearest to the layer's. All its
    phases have one gain.

    ## Cost
    (s·k'/k)ᵈ times the multiplications; folded again (fold-nearest-resize), about the old number.

    ## Safety
    Unsafe: outputs change by the part of the weights that such a layer cannot have; the report gives it. Meant as a
    start for training further.

    ## References
    - Odena, Dumoulin, Olah: Deconvolution and checkerboard artifacts, Distill, 2016
    """

    name = "resize-convolution"
    summary = "transposed convolution → nearest resize + convolution, by least squares"
    purpose = "repair"
    safety = "unsafe"

    def find(self, view: View) -> Iterator[Proposal]:
        """Every strided transposed convolution."""
        for node in view.transposed():
            op = node.op
            assert isinstance(op, TransposedConvolution)
            if not is_strided(node) or not is_float(node):
                continue
            try:
                conv, fitted, lost = fit_resize_conv(op.spec, numbers(node))
            except NotRepresentable as e:
                yield self.refusal(title(node), str(e))
                continue
            yield self._fitted(view, node, conv, fitted.shape, f"{lost:.1%} of its weights, in norm, cannot be kept")

    def _fitted(self, view: View, node: Node, conv: Conv, shape: Shape, reason: str) -> Replacement:
        op, old = node.op, node.weights["weight"]
        assert isinstance(op, TransposedConvolution)
        spec = op.spec

        def load() -> Array:
            return fit_resize_conv(spec, numbers(node))[1]

        weights = {**node.weights, "weight": weight(f"{old.name}:fitted", shape, old.dtype, load)}
        make = Builder.around(view, node)
        large = make.repeat(node.inputs[0], tuple(a.stride for a in spec.per_axis(len(old.shape) - 2)))
        make.conv(large, conv, (op.in_channels, op.out_channels), weights, node.output)
        return self.replacement(title(node), [node], make.nodes, make.shapes, reason)
