"""widen-kernel."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import NotRepresentable
from ...graph.ir import Node, TransposedConvolution
from ...spec import ConvTranspose
from ..identity import Identity, Proposal, Replacement
from ..nodes import Builder, is_float, numbers, transposed_shape, weight
from ..view import View, title
from ..weights.widen import add_taps, widened


class WidenKernel(Identity):
    """A transposed convolution whose kernel is no multiple of its stride gets zero taps until it is.

    ## What it matches
    A kernel that the stride does not divide: uneven coverage.

    ## Precondition
    No dilation, and a share of the added taps that keeps the output padding below the stride.

    ## New weights
    Zeros in front and behind: k3 s2 p1 o1 becomes k4 s2 p1 o0.

    ## Cost
    (s·⌈k/s⌉/k)ᵈ times the multiplications. It is no gain in speed: training can now fill the added taps.

    ## Safety
    Safe: bit for bit the same outputs in exact arithmetic.

    ## References
    - docs/theory/identities.md, "Widening"
    """

    name = "widen-kernel"
    summary = "zero taps until the stride divides the kernel"
    purpose = "training"
    answers = ("UW101",)

    def find(self, view: View) -> Iterator[Proposal]:
        """Every transposed convolution with a kernel that its stride does not divide."""
        for node in view.transposed():
            assert isinstance(node.op, TransposedConvolution)
            rank = len(node.weights["weight"].shape) - 2
            if all(a.kernel % a.stride == 0 for a in node.op.spec.per_axis(rank)):
                continue
            if not is_float(node):
                yield self.refusal(title(node), f"its weights are {node.weights['weight'].dtype}")
                continue
            try:
                spec, before, after = widened(node.op.spec, rank)
            except NotRepresentable as e:
                yield self.refusal(title(node), str(e))
                continue
            yield with_taps(self, view, node, spec, before, after)


def with_taps(
    identity: Identity,
    view: View,
    node: Node,
    spec: ConvTranspose,
    before: tuple[int, ...],
    after: tuple[int, ...],
) -> Replacement:
    """The replacement of a transposed convolution by one with zero taps in front and behind."""
    op, old = node.op, node.weights["weight"]
    assert isinstance(op, TransposedConvolution)
    shape = transposed_shape(spec, op.in_channels, op.out_channels)
    weights = {
        **node.weights,
        "weight": weight(f"{old.name}:widened", shape, old.dtype, lambda: add_taps(numbers(node), before, after)),
    }
    make = Builder.around(view, node)
    make.transposed(node.inputs[0], spec, (op.in_channels, op.out_channels), weights, node.output)
    what = f"kernel {'×'.join(str(k) for k in old.shape[2:])} → {'×'.join(str(k) for k in shape[2:])}"
    return identity.replacement(title(node), [node], make.nodes, make.shapes, what)
