"""explicit-padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...graph.ir import Convolution, TransposedConvolution
from ..identity import Identity, Proposal
from ..nodes import Builder
from ..view import View, title


class ExplicitPadding(Identity):
    """The padding that a file leaves to the runtime is written out.

    ## What it matches
    A convolution of an ONNX file with `auto_pad`, or a transposed one with `auto_pad` or `output_shape`.

    ## Precondition
    The paddings do not depend on the size. Those of `auto_pad` do on a strided convolution, and those of `output_shape`
    do, unless the axes are fixed.

    ## New weights
    None. `pads` holds what ONNX Runtime computes from the attributes.

    ## Cost
    None.

    ## Safety
    Safe for the reading that ONNX Runtime and the operators' texts since opset 11 share: other runtimes will now agree.

    ## References
    - docs/rules/implicit-padding.md
    """

    name = "explicit-padding"
    summary = "auto_pad and output_shape → pads"
    purpose = "portability"
    answers = ("UW601",)

    def find(self, view: View) -> Iterator[Proposal]:
        """Every convolution of either kind whose file left something open."""
        for node in (*view.convolutions(), *view.transposed()):
            assert isinstance(node.op, (Convolution, TransposedConvolution))
            if not node.op.implicit:
                continue
            make = Builder.around(view, node)
            op = replace(node.op, implicit={})
            make.add(op, node.inputs, view.shape(node.output), node.output, node.weights, "explicit")
            said = ", ".join(
                f"{k} = {node.op.implicit[k]}" for k in ("auto_pad", "output_shape") if k in node.op.implicit
            )
            yield self.replacement(title(node), [node], make.nodes, make.shapes, f"instead of {said}")
