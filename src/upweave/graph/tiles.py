"""A tensor that is cut into pieces, worked on piece by piece, and joined again (chunked normalisations)."""

from __future__ import annotations

from collections.abc import Mapping

from .ir import Concat, Node, Pointwise, Shape, Slice


def tiled_source(node: Node, producers: Mapping[str, Node], shapes: Mapping[str, Shape]) -> str | None:
    """The value whose pieces, side by side and complete, a concatenation joins again; None if it joins anything else.

    Between the cut and the join may lie element-wise functions and normalisations.
    """
    op = node.op
    if not isinstance(op, Concat) or len(node.inputs) < 2:
        return None
    source, at = "", 0
    for value in node.inputs:
        piece = producers.get(value)
        while piece is not None and isinstance(piece.op, Pointwise) and len(piece.inputs) == 1:
            piece = producers.get(piece.inputs[0])
        if piece is None or not isinstance(piece.op, Slice) or (piece.op.dim, piece.op.step) != (op.dim, 1):
            return None
        if piece.op.start != at or piece.inputs[0] != (source or piece.inputs[0]):
            return None
        source, at = piece.inputs[0], piece.op.stop
    return source if at == shapes[source][op.dim] else None
