"""Element-wise functions, casts and normalisations: what keeps the layout, and what merges activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ir import Expand, Merge, Pointwise, Reduce, Shape, is_positional
from .constants import shape_of
from .registry import Unsupported, lowers
from .values import Const, Value, flat, operator_name

if TYPE_CHECKING:
    from .walk import Walker

_LINEAR = {"add", "sub", "rsub", "mul", "neg", "negative", "positive", "real", "multiply", "subtract"}
_LINEAR_IN_FIRST = {"div", "divide", "true_divide", "lerp"}


def elementwise(walker: Walker, node: Any, args: dict[str, Any], kind: str) -> Any:
    """One activation: `Pointwise`. Several, or with a constant that widens it or is positional: `Merge`."""
    tensors = [v for v in flat(args) if isinstance(v, (Value, Const))]
    activations = [v for v in tensors if isinstance(v, Value)]
    if isinstance(node.meta["val"], (list, tuple)):
        raise Unsupported("it returns several tensors")
    shape = shape_of(node.meta["val"])
    distinct = list(dict.fromkeys(activations))
    positional = any(isinstance(v, Const) and is_positional(v.shape) for v in tensors)
    if len(distinct) == 1 and distinct[0].shape == shape and not positional:
        repeated = len(activations) > 1 and kind not in ("add", "sub")
        linear = kind in _LINEAR or (kind in _LINEAR_IN_FIRST and tensors[0] is distinct[0])
        return walker.emit(Pointwise(kind, nonlinear=repeated or not linear), distinct, shape)
    if len(distinct) == 1:
        return walker.emit(Merge(kind), list(dict.fromkeys(tensors)), shape)
    needed = positional or _broadcast([v.shape for v in distinct]) != shape
    return walker.emit(Merge(kind), list(dict.fromkeys(tensors)) if needed else distinct, shape)


def _broadcast(shapes: list[Shape]) -> Shape:
    rank = max(len(s) for s in shapes)
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    return tuple(next((e for e in extents if e != 1), 1) for extents in zip(*padded, strict=True))


@lowers(
    "where",
    "__and__",
    "__or__",
    "__xor__",
    "__iand__",
    "__ior__",
    "masked_fill",
    "lerp",
    "addcmul",
    "addcdiv",
    "clamp",
    "isin",
)
def _merge(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    return elementwise(walker, node, args, operator_name(node.target))


@lowers(
    "detach",
    "alias",
    "contiguous",
    "clone",
    "lift_fresh",
    "lift_fresh_copy",
    "dropout",
    "feature_dropout",
    "alpha_dropout",
    "feature_alpha_dropout",
    "native_dropout",
    "resolve_conj",
    "resolve_neg",
    "identity",
    "requires_grad",
    "detach_copy",
    "alias_copy",
)
def _same(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """The same numbers at inference: no node."""
    value = args.get("self", args.get("input"))
    return [value, value] if isinstance(node.meta["val"], (list, tuple)) else value


@lowers(
    "to",
    "_to_copy",
    "type_as",
    "float",
    "half",
    "double",
    "int",
    "long",
    "_autocast_to_full_precision",
    "_autocast_to_reduced_precision",
    "bernoulli",
)
def _cast(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """A cast between floating types is no operation of the network; one to integers is."""
    value, val = args["self"], node.meta["val"]
    if isinstance(value, Const):  # x.to(constant's dtype): only `other` is an activation
        return Const(node, shape_of(val))
    if val.is_floating_point():
        return value
    return walker.emit(Pointwise("cast"), [value], shape_of(val))


@lowers(
    "batch_norm",
    "native_batch_norm",
    "_native_batch_norm_legit_no_training",
    "cudnn_batch_norm",
    "_batch_norm_with_update",
    "_native_batch_norm_legit",
)
def _batch_norm(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    return _norm(walker, node, args, "batch_norm", nonlinear=bool(args.get("training") or args.get("train")))


@lowers(
    "layer_norm",
    "native_layer_norm",
    "group_norm",
    "native_group_norm",
    "instance_norm",
    "rms_norm",
    "_fused_rms_norm",
    "local_response_norm",
    "softmax",
    "_softmax",
    "log_softmax",
    "_log_softmax",
    "_safe_softmax",
    "cumsum",
    "cumprod",
    "logcumsumexp",
    "tril",
    "triu",
    "fake_quantize_per_tensor_affine",
    "renorm",
    "_weight_norm",
    "nan_to_num",
    "celu",
    "glu_jvp",
    "rrelu",
    "_prelu_kernel",
    "prelu",
    "relu6",
    "selu",
    "logit",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "threshold",
    "softplus",
    "polar",
)
def _normalisation(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """Normalisations and activations along or across positions: every sample stays where it is."""
    return _norm(walker, node, args, operator_name(node.target).strip("_"), nonlinear=True)


def _norm(walker: Walker, node: Any, args: dict[str, Any], kind: str, *, nonlinear: bool) -> Any:
    value = args.get("self", args.get("input"))
    if not isinstance(value, Value):
        raise Unsupported("its first argument is a constant")
    val = node.meta["val"]
    if not isinstance(val, (list, tuple)):
        return walker.emit(Pointwise(kind, nonlinear=nonlinear), [value], shape_of(val))
    first = walker.emit(Pointwise(kind, nonlinear=nonlinear), [value], shape_of(val[0]))
    return [first, *(None for _ in val[1:])]  # statistics, read by the backward pass only


@lowers("roll")
def _roll(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """A cyclic shift keeps step and extent; models use it in pairs (shifted windows) and shift back."""
    return walker.emit(Pointwise("roll", nonlinear=False), [args["self"]], shape_of(node.meta["val"]))


@lowers(
    "mean",
    "sum",
    "amax",
    "amin",
    "max",
    "min",
    "prod",
    "var",
    "std",
    "var_mean",
    "std_mean",
    "norm",
    "all",
    "any",
    "linalg_vector_norm",
    "logsumexp",
    "argmax",
    "argmin",
    "median",
    "nanmean",
    "nansum",
    "count_nonzero",
    "aminmax",
)
def _reduce(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    kind, val = operator_name(node.target), node.meta["val"]
    if isinstance(args.get("other"), (Value, Const)):
        return elementwise(walker, node, args, kind)  # max(x, y)
    value = args["self"]
    rank = len(value.shape)
    dims = args.get("dim")
    dims = list(range(rank)) if dims is None or dims == [] else [dims] if isinstance(dims, int) else dims
    keep = bool(args.get("keepdim", False))
    vals = val if isinstance(val, (list, tuple)) else [val]
    op = Reduce(tuple(sorted(d % rank for d in dims)) if rank else (), keep, kind)
    return walker.emit(op, [value], *(shape_of(v) for v in vals))


@lowers(
    "zeros_like",
    "ones_like",
    "full_like",
    "empty_like",
    "rand_like",
    "randn_like",
    "new_zeros",
    "new_ones",
    "new_full",
    "new_empty",
    "new_tensor",
    "new_empty_strided",
    "fill",
    "zero",
    "normal",
    "uniform",
    "randint_like",
)
def _like(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """Only the shape of the activation is read."""
    return Const(node, shape_of(node.meta["val"]))


@lowers("copy")
def _copy(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """x.copy_(y): y, broadcast to x."""
    source, shape = args["src"], shape_of(node.meta["val"])
    if isinstance(source, Const):
        return Const(node, shape)
    return source if source.shape == shape else walker.emit(Expand(shape), [source], shape)


@lowers("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits")
def _loss(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """An element-wise distance, then its mean."""
    tensors = [v for v in (args["self"], args["target"]) if isinstance(v, Value)]
    each = (
        tensors[0] if len(tensors) == 1 else walker.emit(Merge("loss"), tensors, _broadcast([v.shape for v in tensors]))
    )
    shape = shape_of(node.meta["val"])
    return (
        each
        if shape == each.shape
        else walker.emit(Reduce(tuple(range(len(each.shape))), False, "mean"), [each], shape)
    )


@lowers("_is_all_true", "_is_any_true", "equal", "is_nonzero")
def _whole(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value = args["self"]
    return walker.emit(Reduce(tuple(range(len(value.shape))), False, "all"), [value], shape_of(node.meta["val"]))


@lowers("lstm", "gru", "rnn_tanh", "rnn_relu", "mkldnn_rnn_layer", "_thnn_fused_lstm_cell")
def _recurrent(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """A recurrent layer mixes along its sequence and leaves every position where it is; its final states have none."""
    value, vals = args["input"], node.meta["val"]
    if not isinstance(value, Value) or not isinstance(vals, (list, tuple)) or value.shape != shape_of(vals[0]):
        raise Unsupported("it is a recurrent layer that changes the number of features")
    return [walker.emit(Pointwise("recurrent"), [value], value.shape), *(None for _ in vals[1:])]
