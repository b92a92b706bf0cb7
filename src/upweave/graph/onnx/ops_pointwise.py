"""Functions of each element, normalisations, and element-wise functions of several tensors."""

from __future__ import annotations

import math
import re

import numpy as np

from ...errors import ModelError
from ..ir import Merge, Pointwise, Shape, Weight, is_positional
from .order import title
from .registry import lowers
from .state import Call, NotUnderstood, Value

LINEAR = ("Identity", "Dropout", "Cast", "CastLike", "BatchNormalization", "Neg", "DequantizeLinear")
NONLINEAR = (
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Clip", "Cos", "Cosh", "Elu", "Erf"),
    *("Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "IsInf", "IsNaN", "LeakyRelu", "Log", "Mish", "Not"),
    *("Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign"),
    *("Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu", "BitwiseNot", "QuantizeLinear", "DynamicQuantizeLinear"),
    *("Softmax", "LogSoftmax", "Hardmax", "LRN", "LpNormalization", "MeanVarianceNormalization"),
    *("InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization", "PRelu"),
)
SEVERAL = (
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Mean", "Where", "And", "Or", "Xor"),
    *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
    *("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"),
)


def snake(name: str) -> str:
    """LayerNormalization → layer_normalization."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def broadcast(call: Call, shapes: list[Shape]) -> Shape:
    """NumPy's broadcasting; raises `ModelError` where it does not work."""
    rank = max((len(s) for s in shapes), default=0)
    out: list[int] = []
    for dims in zip(*((1,) * (rank - len(s)) + s for s in shapes), strict=True):
        wide = {d for d in dims if d != 1}
        if len(wide) > 1:
            raise ModelError(
                f"{title(call.node)}: shapes {' and '.join(str(list(s)) for s in shapes)} do not broadcast"
            )
        out.append(wide.pop() if wide else 1)
    return tuple(out)


@lowers(*LINEAR, *NONLINEAR)
def pointwise(call: Call) -> None:
    """One activation in, the same layout out; parameters of the function are constants or ignored."""
    if call.is_constant(0):
        raise NotUnderstood(f"{call.op} of a constant with inputs computed at run time")
    x = call.shape()
    op = Pointwise(snake(call.op), call.op not in LINEAR, _over(call, len(x)))
    call.emit(op, [call.input(0).name], x, weights={**_batch_statistics(call), **_parameters(call)})


def _over(call: Call, rank: int) -> tuple[int, ...] | None:
    """The dimensions of a normalisation's statistics, where an attribute names them."""
    if call.op == "MeanVarianceNormalization":
        return tuple(a % rank for a in call.get("axes", [0, 2, 3])) if rank else None
    if call.op == "LRN":
        return (1,)
    if call.op not in _AXIS or not rank:
        return None
    flattens = call.op in ("Softmax", "LogSoftmax", "Hardmax") and call.opset < 13
    axis = int(call.get("axis", 1 if flattens else -1)) % rank
    to_the_end = flattens or call.op in ("LayerNormalization", "RMSNormalization")
    return tuple(range(axis, rank)) if to_the_end else (axis,)


_AXIS = ("LayerNormalization", "RMSNormalization", "Softmax", "LogSoftmax", "Hardmax", "LpNormalization")
_ROLES = {"PRelu": ("slope",), "LayerNormalization": ("scale", "bias"), "RMSNormalization": ("scale",)}


def _parameters(call: Call) -> dict[str, Weight]:
    """The constant parameters that have a shape of their own."""
    found = {r: call.input(k).weight for k, r in enumerate(_ROLES.get(call.op, ()), 1) if call.has(k)}
    return {r: w for r, w in found.items() if w is not None}


def _batch_statistics(call: Call) -> dict[str, Weight]:
    """What batch normalisation at inference scales and shifts with, where all of it is constant; {} for others."""
    roles = ("scale", "bias", "mean", "variance")
    if call.op != "BatchNormalization" or call.get("training_mode", 0) or call.get("spatial", 1) != 1:
        return {}
    found = {r: call.input(k).weight if call.has(k) else None for k, r in enumerate(roles, 1)}
    weights = {r: w for r, w in found.items() if w is not None}
    if len(weights) < len(roles):
        return {}
    epsilon = np.array(call.get("epsilon", 1e-5), np.float64)
    return {**weights, "epsilon": Weight(f"{call.node.output[0]}:epsilon", (), "float64", lambda: epsilon)}


def _per_channel(v: Value, rank: int) -> bool:
    """A constant that is one number, or one a channel."""
    assert v.shape is not None
    if math.prod(v.shape) == 1:
        return True
    padded = (1,) * (rank - len(v.shape)) + v.shape
    return all(d == 1 for a, d in enumerate(padded) if a != 1)


def _in_front(call: Call, weights: dict[str, Weight]) -> dict[str, Weight]:
    """The constant operand, unless the activation is the second one of a difference: that turns its sign."""
    return {} if call.op == "Sub" and call.is_constant(0) else weights


@lowers(*SEVERAL)
def several(call: Call) -> None:
    """With one activation a `Pointwise`, with more a `Merge`; constants that widen or are positional take part."""
    values = [v for v in call.inputs if v is not None]
    shapes = [call.shape(k) for k in range(len(call.inputs)) if call.has(k)]
    out = broadcast(call, shapes)
    moving = [v for v in values if v.weight is None]
    constant = [v for v in values if v.weight is not None]
    positional = any(is_positional(v.shape or ()) for v in constant)
    if len(moving) == 1 and moving[0].shape == out and not positional:
        linear = call.op in ("Add", "Sub", "Mul", "Sum", "Mean") or (call.op == "Div" and values[0] is moving[0])
        linear = linear and all(_per_channel(v, len(out)) for v in constant)
        operand = constant[0].weight if len(values) == 2 else None
        weights = {"operand": operand} if linear and operand is not None and call.op != "Mean" else {}
        if not linear and operand is not None:
            weights = {"right" if values[0] is moving[0] else "left": operand}
        call.emit(Pointwise(snake(call.op), not linear), [moving[0].name], out, weights=_in_front(call, weights))
        return
    enough = not positional and broadcast(call, [v.shape or () for v in moving]) == out
    taking_part = moving if enough else values
    call.emit(Merge(snake(call.op)), [v.name for v in taking_part], out)
