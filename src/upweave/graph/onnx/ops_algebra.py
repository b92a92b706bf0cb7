"""Matrix products, reductions and attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ModelError
from ..ir import Attention, Linear, MatMul, Merge, Permute, Reduce, Weight
from .ops_pointwise import broadcast, snake
from .order import title
from .registry import lowers
from .state import Call, NotUnderstood


def _view(weight: Weight, shape: tuple[int, ...], change: Any) -> Weight:
    """A weight whose numbers are changed when they are loaded."""

    def load() -> npt.NDArray[Any] | None:
        numbers = weight.load()
        return None if numbers is None else np.asarray(change(numbers))

    return Weight(weight.name, shape, weight.dtype, load)


@lowers("MatMul")
def matmul(call: Call) -> None:
    """A constant matrix on the right is a `Linear`; anything else a batched product."""
    x, w = call.shape(0), call.shape(1)
    right = call.input(1).weight
    if right is not None and len(w) == 2 and len(x) >= 1:
        if x[-1] != w[0]:
            raise ModelError(f"{title(call.node)}: shapes {list(x)} and {list(w)} do not multiply")
        weights = {"weight": _view(right, (w[1], w[0]), np.transpose)}
        call.emit(Linear(w[0], w[1]), [call.input(0).name], (*x[:-1], w[1]), weights=weights)
        return
    if not x or not w or x[-1] != w[max(-2, -len(w))]:
        raise ModelError(f"{title(call.node)}: shapes {list(x)} and {list(w)} do not multiply")
    batch = broadcast(call, [x[:-2], w[:-2]])
    out = (*batch, *x[-2:-1], *(w[-1:] if len(w) > 1 else ()))
    call.emit(MatMul(), [call.input(0).name, call.input(1).name], out)


@lowers("Gemm")
def gemm(call: Call) -> None:
    """α·A·B + β·C; with a constant B a `Linear`."""
    a, b = call.shape(0), call.shape(1)
    if len(a) != 2 or len(b) != 2:
        raise ModelError(f"{title(call.node)}: Gemm multiplies matrices, not {list(a)} and {list(b)}")
    alpha, beta = float(call.get("alpha", 1.0)), float(call.get("beta", 1.0))
    left, right = call.input(0).name, call.input(1).name
    if call.get("transA", 0):
        a = (a[1], a[0])
        left = call.emit(Permute((1, 0)), [left], a, None)
    turned = bool(call.get("transB", 0))
    inner, out = (b[1], b[0]) if turned else b
    if a[1] != inner:
        raise ModelError(f"{title(call.node)}: shapes {list(a)} and {[inner, out]} do not multiply")
    shape = (a[0], out)
    weight, bias = call.input(1).weight, call.input(2).weight if call.has(2) else None
    # A bias computed at run time is added by a node of its own.
    add = call.has(2) and (bias is None or bias.shape not in ((out,), (1, out)))
    if weight is None:
        if turned:
            right = call.emit(Permute((1, 0)), [right], (inner, out), None)
        add = call.has(2)
        product = call.emit(MatMul(), [left, right], shape, None if add else 0)
    else:
        weights = {"weight": _view(weight, (out, inner), lambda n: alpha * (n if turned else n.T))}
        if bias is not None and not add:
            weights["bias"] = _view(bias, (out,), lambda n: beta * n.reshape(-1))
        product = call.emit(Linear(inner, out), [left], shape, None if add else 0, weights)
    if add:
        call.emit(Merge("add"), [product, call.input(2).name], broadcast(call, [shape, call.shape(2)]))


@lowers("Einsum")
def einsum(call: Call) -> None:
    """Permutations and plain batched matrix products; any other equation is opaque."""
    equation = str(call.get("equation", "")).replace(" ", "")
    ins, _, out = equation.partition("->")
    terms = ins.split(",")
    if len(terms) == 1 and "." not in equation and len(set(out)) == len(out) and sorted(ins) == sorted(out):
        call.emit(Permute(tuple(ins.index(letter) for letter in out)), [call.input(0).name], call.known_shape())
        return
    if len(terms) == 2 and all(len(t) >= 2 for t in terms) and "." not in equation:
        a, b = terms
        batch = a[:-2]
        if (
            b[:-2] == batch
            and a[-1] == b[-2]
            and out == batch + a[-2] + b[-1]
            and len(set(out + a[-1])) == len(out) + 1
        ):
            call.emit(MatMul(), [call.input(0).name, call.input(1).name], call.known_shape())
            return
    raise NotUnderstood(f"Einsum with the equation {equation}")


@lowers("Attention")
def attention(call: Call) -> None:
    """softmax(q·kᵀ)·v without a cache; masks are ignored."""
    if any(call.has(k) for k in (4, 5)):
        raise NotUnderstood("Attention with a cache of earlier keys and values")
    call.emit(Attention(), [call.input(k).name for k in range(3)], call.known_shape())


_REDUCTIONS = {
    **{
        f"Reduce{k}": snake(k)
        for k in ("Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
    },
    "ArgMax": "argmax",
    "ArgMin": "argmin",
}


@lowers(*_REDUCTIONS)
def reduce(call: Call) -> None:
    """Mean, sum, max … over some dimensions, all by default."""
    x = call.shape()
    keep = bool(call.get("keepdims", 1))
    if call.op.startswith("Arg"):
        axes: list[int] | None = [int(call.get("axis", 0))]
    else:
        axes = call.parameter("axes", 1)
    if not axes and not call.get("noop_with_empty_axes", 0):
        axes = list(range(len(x)))
    dims = tuple(sorted({a + len(x) if a < 0 else a for a in axes or []}))
    if any(not 0 <= a < len(x) for a in dims):
        raise ModelError(f"{title(call.node)}: axes {axes} of {len(x)} dimensions")
    shape = tuple(1 if a in dims else d for a, d in enumerate(x) if keep or a not in dims)
    call.emit(Reduce(dims, keep, _REDUCTIONS[call.op]), [call.input(0).name], shape)


@lowers("If", "Loop", "Scan")
def control(call: Call) -> None:
    """Subgraphs are not followed."""
    raise NotUnderstood(f"{call.op} chooses or repeats a subgraph at run time; what happens inside is not followed")


@lowers("RNN", "LSTM", "GRU")
def recurrent(call: Call) -> None:
    """Recurrent layers mix all positions."""
    raise NotUnderstood(f"{call.op} is recurrent: every position depends on all earlier ones")
