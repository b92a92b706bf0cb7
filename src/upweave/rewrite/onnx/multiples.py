"""Is a resize to a computed size a resize by a whole factor, whatever the sizes of the file's dynamic axes are?"""

from __future__ import annotations

from fractions import Fraction

import onnx

from ...graph.ir import Node, Resize
from .extents import Extent, Extents
from .sizes import Symbols, Term


def resized(symbols: Symbols, node: Node, own: onnx.NodeProto) -> Extents | None:
    """The output of a resize whose size the file computes, as far as it can be followed."""
    x = symbols.extents.get(node.inputs[0])
    wanted = _wanted(symbols, own)
    if x is None or wanted is None:
        return None
    return tuple(_extent(symbols, wanted[d]) if d in wanted else n for d, n in enumerate(x))


def why_not_multiple(symbols: Symbols, node: Node, own: onnx.NodeProto) -> str:
    """Why a resize to a computed size is none by the factors that it has at the recorded size, or ""."""
    op = node.op
    assert isinstance(op, Resize)
    wanted = _wanted(symbols, own)
    if wanted is None:
        return "its size is computed at run time in a way that is no whole multiple for every size"
    source = symbols.origin(own.input[0])
    known = symbols.extents.get(node.inputs[0], ())
    scale = dict(zip(op.dims, op.scale, strict=True))
    for dim, term in wanted.items():
        factor = scale.get(dim, Fraction(1))
        if (term.value, term.dim, term.factor) == (source, dim, factor):
            continue
        goal, x = _extent(symbols, term), known[dim] if dim < len(known) else None
        if goal is not None and x is not None and goal.ratio(x) == factor:
            continue
        if not term.value:
            return f"it asks for a fixed size on axis {dim}, which is no fixed factor"
        said = f"its size on axis {dim} is that of '{term.value}', not a whole multiple of its input's for every size"
        if factor.denominator == 1:
            said += f"; where the file's axes are fixed, or declared as multiples (2*h), it is ×{factor}"
        return said
    return ""


def _wanted(symbols: Symbols, own: onnx.NodeProto) -> dict[int, Term] | None:
    """The computed size by dimension; None where it cannot be followed."""
    if own.op_type != "Resize" or len(own.input) < 4 or not own.input[3]:
        return None
    terms = symbols.terms(own.input[3])
    if terms is None:
        return None
    axes = next((list(a.ints) for a in own.attribute if a.name == "axes"), None)
    rank = symbols.ranks.get(own.input[0], len(terms))
    dims = range(rank) if axes is None else [a % rank for a in axes]
    return dict(zip(dims, terms, strict=True)) if len(dims) == len(terms) else None


def _extent(symbols: Symbols, term: Term) -> Extent | None:
    """A term as an extent; None where the size of what it names is not known."""
    if not term.value:
        return Extent(0, "", int(term.factor)) if term.factor.denominator == 1 else None
    known = symbols.extents.get(term.value, ())
    of = known[term.dim] if term.dim < len(known) else None
    return None if of is None else of.times(term.factor.numerator).over(term.factor.denominator)
