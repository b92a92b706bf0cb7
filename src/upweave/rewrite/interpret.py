"""A graph, or a piece of one, run on NumPy arrays: slow, plain, in whatever precision its input has.

Certificates use it to compare the two sides of a single rewrite in float64, where rounding hides nothing; the tests
use it as the meaning of a graph. Operators are computed by their definition, a tap at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UpweaveError
from ..graph.ir import (
    AdaptivePool,
    Concat,
    Constant,
    Convolution,
    Linear,
    Merge,
    Node,
    Op,
    Pad,
    Permute,
    PixelShuffle,
    PixelUnshuffle,
    Pointwise,
    Reduce,
    Resize,
    Slice,
    TransposedConvolution,
)
from .affine import affine

Array = npt.NDArray[Any]


class NotInterpreted(UpweaveError):
    """This operator is not computed here; the message names it."""


def run(nodes: Iterable[Node], values: Mapping[str, Array]) -> dict[str, Array]:
    """All values after the nodes have run, in their order. Raises `NotInterpreted` for what is not computed here."""
    found = dict(values)
    for node in nodes:
        found[node.output] = compute(node, [found[v] for v in node.inputs])
    return found


def compute(node: Node, inputs: list[Array]) -> Array:
    """The output of one node."""
    for kind, function in _TABLE.items():
        if isinstance(node.op, kind):
            return np.asarray(function(node, inputs))
    raise NotInterpreted(f"{type(node.op).__name__} is not computed on NumPy arrays")


def _convolution(node: Node, inputs: list[Array]) -> Array:
    op, (x,) = node.op, inputs
    assert isinstance(op, Convolution)
    w, g = _numbers(node, "weight", x), op.spec.groups
    rank = w.ndim - 2
    axes = op.spec.per_axis(rank)
    x = np.pad(x, [(0, 0)] * (x.ndim - rank) + [(a.begin, a.end) for a in axes])
    out = [(n - a.dilation * (a.kernel - 1) - 1) // a.stride + 1 for n, a in zip(x.shape[-rank:], axes, strict=True)]
    y: Array = np.zeros((x.shape[0], g, w.shape[0] // g, *out), x.dtype)
    x = x.reshape(x.shape[0], g, x.shape[1] // g, *x.shape[2:])
    w = w.reshape(g, w.shape[0] // g, *w.shape[1:])
    for t in np.ndindex(*w.shape[3:]):
        at: tuple[Any, ...] = tuple(
            slice(a.dilation * i, a.dilation * i + a.stride * (n - 1) + 1, a.stride)
            for a, i, n in zip(axes, t, out, strict=True)
        )
        y += _product(w[(..., *t)], x[(..., *at)])
    return _with_bias(node, y.reshape(y.shape[0], -1, *out))


def _product(w: Array, x: Array) -> Array:
    """(g, O, C) times (B, g, C, …), over C."""
    # A matrix whose rows are not adjacent is no matter for BLAS, and takes ten times as long.
    flat = np.matmul(np.ascontiguousarray(w), x.reshape(*x.shape[:3], -1))
    return np.asarray(flat.reshape(*flat.shape[:3], *x.shape[3:]))


def _transposed(node: Node, inputs: list[Array]) -> Array:
    op, (x,) = node.op, inputs
    assert isinstance(op, TransposedConvolution)
    w, g = _numbers(node, "weight", x), op.spec.groups
    rank = w.ndim - 2
    axes = op.spec.per_axis(rank)
    size = x.shape[-rank:]
    full = [
        a.stride * (n - 1) + a.dilation * (a.kernel - 1) + 1 + a.output_padding for n, a in zip(size, axes, strict=True)
    ]
    y: Array = np.zeros((x.shape[0], g, w.shape[1], *full), x.dtype)
    x = x.reshape(x.shape[0], g, x.shape[1] // g, *size)
    w = w.reshape(g, w.shape[0] // g, *w.shape[1:])
    for t in np.ndindex(*w.shape[3:]):
        at: tuple[Any, ...] = tuple(
            slice(a.dilation * i, a.dilation * i + a.stride * (n - 1) + 1, a.stride)
            for a, i, n in zip(axes, t, size, strict=True)
        )
        y[(..., *at)] += _product(np.swapaxes(w[(..., *t)], 1, 2), x)
    crop: tuple[Any, ...] = tuple(slice(a.begin, n - a.end) for n, a in zip(full, axes, strict=True))
    return _with_bias(node, y.reshape(y.shape[0], -1, *full)[(..., *crop)])


def _with_bias(node: Node, y: Array) -> Array:
    if "bias" not in node.weights:
        return y
    return y + _numbers(node, "bias", y).reshape(-1, *(1,) * (y.ndim - 2))


def _numbers(node: Node, role: str, like: Array) -> Array:
    found = node.weights[role].load() if role in node.weights else None
    if found is None:
        raise NotInterpreted(f"{node.name} has no numbers for its {role}")
    return found.astype(like.dtype)


def _resize(node: Node, inputs: list[Array]) -> Array:
    op, (x,) = node.op, inputs
    assert isinstance(op, Resize)
    if op.mode != "nearest" or any(s.denominator != 1 for s in op.scale):
        raise NotInterpreted(f"a {op.mode} resize by {', '.join(map(str, op.scale))} is not computed on NumPy arrays")
    for dim, s in zip(op.dims, op.scale, strict=True):
        x = np.repeat(x, int(s), axis=dim)
    return x


def _shuffle(node: Node, inputs: list[Array]) -> Array:
    op, (x,) = node.op, inputs
    assert isinstance(op, PixelShuffle)
    rank, f = len(op.factor), op.factor
    lead, size = x.shape[: -rank - 1], x.shape[-rank:]
    n, c = len(lead), x.shape[-rank - 1] // math.prod(f)
    if op.order == "CRD":
        split, phases, channel = x.reshape(*lead, c, *f, *size), range(n + 1, n + 1 + rank), n
    else:
        split, phases, channel = x.reshape(*lead, *f, c, *size), range(n, n + rank), n + rank
    pairs = [d for a, p in enumerate(phases) for d in (n + 1 + rank + a, p)]
    woven = split.transpose(*range(n), channel, *pairs)
    return woven.reshape(*lead, c, *(s * k for s, k in zip(size, f, strict=True)))


def _unshuffle(node: Node, inputs: list[Array]) -> Array:
    op, (x,) = node.op, inputs
    assert isinstance(op, PixelUnshuffle)
    rank, f = len(op.factor), op.factor
    lead, size = x.shape[: -rank - 1], x.shape[-rank:]
    n = len(lead)
    split = x.reshape(*lead, x.shape[-rank - 1], *(d for s, k in zip(size, f, strict=True) for d in (s // k, k)))
    small = [n + 1 + 2 * a for a in range(rank)]
    phases = [n + 2 + 2 * a for a in range(rank)]
    order = (n, *phases) if op.order == "CRD" else (*phases, n)
    return split.transpose(*range(n), *order, *small).reshape(
        *lead, -1, *(s // k for s, k in zip(size, f, strict=True))
    )


_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _pad(node: Node, inputs: list[Array]) -> Array:
    op, (x,) = node.op, inputs
    assert isinstance(op, Pad)
    if op.mode not in _MODES:
        raise NotInterpreted(f"padding by {op.mode} is not computed on NumPy arrays")
    more = [(max(0, b), max(0, e)) for b, e in op.pads]
    padded = np.pad(x, more, _MODES[op.mode])  # type: ignore[call-overload]
    cut = tuple(slice(max(0, -b), n - max(0, -e)) for n, (b, e) in zip(padded.shape, op.pads, strict=True))
    return np.asarray(padded[cut])


def _slice(node: Node, inputs: list[Array]) -> Array:
    op, (x,) = node.op, inputs
    assert isinstance(op, Slice)
    stop = None if op.step < 0 and op.stop < 0 else op.stop
    return np.asarray(x[(slice(None),) * op.dim + (slice(op.start, stop, op.step),)])


def _concat(node: Node, inputs: list[Array]) -> Array:
    assert isinstance(node.op, Concat)
    return np.concatenate(inputs, axis=node.op.dim)


_MERGES: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "sum": np.add,
    "min": np.minimum,
    "max": np.maximum,
    "div": np.divide,
    "pow": lambda x, y: np.power(np.abs(x), y),  # as for sqrt
}


def _merge(node: Node, inputs: list[Array]) -> Array:
    assert isinstance(node.op, Merge)
    if node.op.kind not in _MERGES:
        raise NotInterpreted(f"{node.op.kind} of several tensors is not computed on NumPy arrays")
    total = inputs[0]
    for x in inputs[1:]:
        total = np.asarray(_MERGES[node.op.kind](total, x))
    return total


def _sigmoid(x: Array) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _instance(x: Array) -> Any:
    return _standard(x, tuple(range(2, x.ndim)))


def _group(x: Array) -> Any:
    return _standard(x, tuple(range(1, x.ndim)))


_FUNCTIONS: dict[str, Callable[[Array], Any]] = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "abs": np.abs,
    "neg": np.negative,
    "sin": np.sin,
    "exp": np.exp,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "identity": lambda x: x,
    "dropout": lambda x: x,
    "softsign": lambda x: x / (1 + np.abs(x)),
    # Of negative numbers there is no root; a number, unlike a NaN, still shows whether the operator was moved rightly.
    "sqrt": lambda x: np.sqrt(np.abs(x)),
    # The parameters of the following are not in the graph. Any values show whether an operator was moved rightly: they
    # are the same on both sides.
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "clip": lambda x: np.clip(x, -1, 1),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "gelu": lambda x: x * _sigmoid(1.702 * x),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "instance_normalization": _instance,
    "group_normalization": _group,
}


def _pointwise(node: Node, inputs: list[Array]) -> Array:
    op, (x,) = node.op, inputs
    assert isinstance(op, Pointwise)
    if (found := affine(node)) is not None:
        column = (-1,) + (1,) * (x.ndim - 2)
        scale, shift = (v.astype(x.dtype).reshape(column) for v in (found.scale, found.shift))
        return np.asarray(x * scale + shift)
    if op.kind == "prelu" and "slope" in node.weights:
        return np.where(x > 0, x, x * _numbers(node, "slope", x))
    if op.over is not None and op.kind in _OVER:
        return _scaled(node, np.asarray(_OVER[op.kind](x, op.over)))
    for role in ("left", "right"):
        if role in node.weights and op.kind in _MERGES:
            pair = [_numbers(node, role, x), x] if role == "left" else [x, _numbers(node, role, x)]
            return np.asarray(_MERGES[op.kind](*pair))
    if op.kind not in _FUNCTIONS:
        raise NotInterpreted(f"{op.kind} is not computed on NumPy arrays")
    return np.asarray(_FUNCTIONS[op.kind](x))


def _scaled(node: Node, x: Array) -> Array:
    """Times the scale and plus the bias of a normalisation, where it has them."""
    for role, apply in (("scale", np.multiply), ("bias", np.add)):
        if role in node.weights:
            x = np.asarray(apply(x, _numbers(node, role, x)))
    return x


def _standard(x: Array, dims: tuple[int, ...]) -> Any:
    return (x - x.mean(dims, keepdims=True)) / np.sqrt(x.var(dims, keepdims=True) + 1e-5)


def _softmax(x: Array, dims: tuple[int, ...]) -> Any:
    e = np.exp(x - x.max(dims, keepdims=True))
    return e / e.sum(dims, keepdims=True)


_OVER: dict[str, Callable[[Array, tuple[int, ...]], Any]] = {
    "layer_normalization": _standard,
    "mean_variance_normalization": _standard,
    "rmsnormalization": lambda x, dims: x / np.sqrt((x * x).mean(dims, keepdims=True) + 1e-5),
    "softmax": _softmax,
}
"""Normalisations whose dimensions are known."""


def _reduce(node: Node, inputs: list[Array]) -> Array:
    op, (x,) = node.op, inputs
    assert isinstance(op, Reduce)
    if op.kind not in ("mean", "sum", "max", "min"):
        raise NotInterpreted(f"{op.kind} over dimensions is not computed on NumPy arrays")
    return np.asarray(getattr(np, op.kind)(x, axis=op.dims, keepdims=op.keepdim))


def _pool(node: Node, inputs: list[Array]) -> Array:
    op, (x,) = node.op, inputs
    assert isinstance(op, AdaptivePool)
    if any(n != 1 for n in op.out_size):
        raise NotInterpreted("pooling to more than one sample is not computed on NumPy arrays")
    dims = tuple(range(x.ndim - len(op.out_size), x.ndim))
    return np.asarray(x.max(dims, keepdims=True) if op.kind == "max" else x.mean(dims, keepdims=True))


def _permute(node: Node, inputs: list[Array]) -> Array:
    assert isinstance(node.op, Permute)
    return inputs[0].transpose(node.op.order)


def _linear(node: Node, inputs: list[Array]) -> Array:
    (x,) = inputs
    y = x @ _numbers(node, "weight", x).T
    return y + _numbers(node, "bias", x) if "bias" in node.weights else y


def _constant(node: Node, inputs: list[Array]) -> Array:
    found = node.weights["value"].load() if "value" in node.weights else None
    if found is None:
        raise NotInterpreted(f"the constant {node.name} has no numbers")
    return np.asarray(found)


_TABLE: dict[type[Op], Callable[[Node, list[Array]], Array]] = {
    Convolution: _convolution,
    TransposedConvolution: _transposed,
    Resize: _resize,
    PixelShuffle: _shuffle,
    PixelUnshuffle: _unshuffle,
    Pad: _pad,
    Slice: _slice,
    Concat: _concat,
    Merge: _merge,
    Pointwise: _pointwise,
    Reduce: _reduce,
    AdaptivePool: _pool,
    Permute: _permute,
    Linear: _linear,
    Constant: _constant,
}
