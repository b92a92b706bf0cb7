"""What PyTorch's functions do to a deferred resize: one rule for each kind of function.

    POINTWISE    f(repeat(x)) = repeat(f(x))
    per channel  the same for scales, shifts and slopes with one number a channel; batch normalisation in eval mode
    statistics   mean and variance over the positions are those of the small tensor: group and instance normalisation
    padding      by replication, reflection or around the end: of the small tensor, cropped; by zeros: the convolution's
    cat          along the channels: parts
    convolution  `consume`

A function without a rule, or a call that its rule does not cover, gets the resized tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from types import FunctionType
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from .consume import convolve
from .deferred import Deferred, Part, is_deferred, is_open, made

Rule: TypeAlias = Callable[..., Any]

RULES: dict[Any, Rule] = {}
"""The rule of each function; it returns NotImplemented for a call that it does not cover."""


def apply(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """`func(*args, **kwargs)`, of which some argument is a Deferred."""
    rule = RULES.get(func)
    if rule is not None:
        found = rule(func, *args, **kwargs)
        if found is not NotImplemented:
            return found
    name = getattr(func, "__name__", str(func))
    return func(*(made(a, name) for a in args), **{key: made(v, name) for key, v in kwargs.items()})


def _register(rule: Rule, *functions: Any) -> None:
    for function in functions:
        RULES[function] = rule


def _on_parts(x: Deferred, f: Callable[[Tensor], Tensor]) -> Deferred:
    parts = [part.replaced(f(part.small)) for part in x.parts]
    if all(p._small is q._small for p, q in zip(parts, x.parts, strict=True)):
        return x  # as float() of a float tensor is that tensor
    return Deferred(tuple(parts), x.how)


def _fits(x: Any) -> bool:
    """True for an open value without zero padding, which no function but the identity leaves alone."""
    return is_open(x) and all(b >= 0 and e >= 0 for part in x.parts for b, e in part.trim)


# -- point-wise ---------------------------------------------------------------------------------------------------


def _pointwise(func: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    if not _fits(x) or any(map(_is_tensor, (*args, *kwargs.values()))):
        return NotImplemented
    inplace, at = kwargs.pop("inplace", False), _INPLACE_AT.get(func, len(args))
    if at < len(args):
        inplace, args = args[at], args[:at]
    # Out of place on the small tensor, whose other readers know nothing of this value.
    y = _on_parts(x, lambda t: func(t, *args, **kwargs))
    return x.become(y) if inplace else y


def _pointwise_in_place(func: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    if not _fits(x) or any(map(_is_tensor, (*args, *kwargs.values()))):
        return NotImplemented
    return x.become(_on_parts(x, lambda t: func(t.clone(), *args, **kwargs)))


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) or is_deferred(value)


ALIKE = (
    "relu sigmoid tanh exp abs neg square sqrt rsqrt sin cos erf log1p expm1 clamp clamp_min clamp_max clip pow float "
    "double half bfloat16"
)
for _name in ALIKE.split():
    for _home in (torch, torch.Tensor):
        if (_f := getattr(_home, _name, None)) is not None:
            RULES[_f] = _pointwise
        if (_f := getattr(_home, f"{_name}_", None)) is not None:
            RULES[_f] = _pointwise_in_place
_FUNCTIONAL = (
    "relu relu6 leaky_relu silu gelu elu selu celu sigmoid tanh hardtanh hardswish hardsigmoid mish softplus softsign "
    "logsigmoid threshold"
)
_INPLACE_AT: dict[Any, int] = {}
"""Where a function of `torch.nn.functional` has its `inplace`, counted behind the input."""
for _name in _FUNCTIONAL.split():
    _f = getattr(F, _name)
    RULES[_f] = _pointwise
    if isinstance(_f, FunctionType) and "inplace" in (_names := list(signature(_f).parameters)):
        _INPLACE_AT[_f] = _names.index("inplace") - 1
    if (_f := getattr(F, f"{_name}_", None)) is not None:
        RULES[_f] = _pointwise_in_place
_register(_pointwise, torch.celu, torch.selu, torch.rsub)


def _number(func: Any, x: Any, other: Any, *args: Any, **kwargs: Any) -> Any:
    """x ∘ number, or x ∘ tensor where the tensor has one element a channel or is repeated like x."""
    left = is_deferred(x)
    value, rest = (x, other) if left else (other, x)
    if not _fits(value) or kwargs.get("out") is not None:
        return NotImplemented

    def call(a: Any, b: Any) -> Tensor:
        return func(a, b, *args, **kwargs) if left else func(b, a, *args, **kwargs)  # type: ignore[no-any-return]

    if isinstance(rest, (int, float)):
        return _on_parts(value, lambda t: call(t, rest))
    if is_deferred(rest):
        return _both(value, rest, call)
    if not isinstance(rest, Tensor) or rest.dtype != value.dtype:
        return NotImplemented
    if rest.dim() == 0:
        return _on_parts(value, lambda t: call(t, rest))
    if not _is_per_channel(rest, value):
        return NotImplemented
    rank = value.dim() - 2
    if rest.shape[-rank - 1] == 1:
        each = [rest] * len(value.parts)
    else:
        each = _slices(value, rest, -rank - 1)
    parts = tuple(p.replaced(call(p.small, w)) for p, w in zip(value.parts, each, strict=True))
    return Deferred(parts, value.how)


def _is_per_channel(rest: Tensor, value: Deferred) -> bool:
    """True for a shape (…, C or 1, 1…), which broadcasts over the positions and adds no axes."""
    rank = value.dim() - 2
    if not rank + 1 <= rest.dim() <= rank + 2 or any(n != 1 for n in rest.shape[-rank:]):
        return False
    if rest.dim() == rank + 2 and rest.shape[0] not in (1, value.shape[0]):
        return False
    return rest.shape[-rank - 1] in (1, value.shape[1])


def _slices(value: Deferred, rest: Tensor, axis: int) -> list[Tensor]:
    """What belongs to each part's channels."""
    if len(value.parts) == 1:
        return [rest]
    return list(rest.split([p.channels for p in value.parts], axis))


def _both(a: Deferred, b: Deferred, call: Callable[[Tensor, Tensor], Tensor]) -> Any:
    """Two values that are repeated alike."""
    if not _fits(b) or len(a.parts) != len(b.parts):
        return NotImplemented
    pairs = list(zip(a.parts, b.parts, strict=True))
    if any(p.factors != q.factors or p.trim != q.trim or p._small.shape != q._small.shape for p, q in pairs):
        return NotImplemented
    return Deferred(tuple(p.replaced(call(p.small, q.small)) for p, q in pairs), a.how)


BINARY = ["add", "sub", "mul", "div", "true_divide", "multiply", "subtract", "divide", "maximum", "minimum"]
for _name in BINARY:
    for _home in (torch, torch.Tensor):
        if (_f := getattr(_home, _name, None)) is not None:
            RULES[_f] = _number


def _prelu(func: Any, x: Any, weight: Any) -> Any:
    if not _fits(x) or is_deferred(weight):
        return NotImplemented
    weights = _slices(x, weight, 0) if weight.numel() > 1 else [weight] * len(x.parts)
    parts = tuple(p.replaced(func(p.small, w)) for p, w in zip(x.parts, weights, strict=True))
    return Deferred(parts, x.how)


_register(_prelu, F.prelu, torch.prelu)


def _dropout(func: Any, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return x if is_open(x) and not training else NotImplemented


_register(_dropout, F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout)


def _itself(func: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    return x if is_open(x) else NotImplemented


def _copy(func: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    return Deferred(x.parts, x.how) if is_open(x) else NotImplemented


def _to(func: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    if not is_open(x) or any(map(_is_tensor, (*args, *kwargs.values()))):
        return NotImplemented
    return _on_parts(x, lambda t: func(t, *args, **kwargs))


_register(_itself, torch.Tensor.contiguous)
_register(_copy, torch.Tensor.clone, torch.clone)
_register(_to, torch.Tensor.to)


# -- normalisation ------------------------------------------------------------------------------------------------


def _batch_norm(
    func: Any, x: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    # In training the running variance is corrected by n/(n − 1), which depends on how many samples there are.
    if not _fits(x) or training or running_mean is None:
        return NotImplemented
    each = [[None] * len(x.parts) if t is None else _slices(x, t, 0) for t in (running_mean, running_var, weight, bias)]
    parts = tuple(
        p.replaced(func(p.small, *numbers, training, momentum, eps)) for p, *numbers in zip(x.parts, *each, strict=True)
    )
    return Deferred(parts, x.how)


def _has_statistics(x: Any) -> bool:
    """True for one part, uncropped, with more than one position: each is repeated equally often, so that mean and
    variance are the same; of one position alone PyTorch refuses to take them."""
    if not is_open(x) or len(x.parts) != 1 or x.parts[0].is_trimmed:
        return False
    return bool(x.parts[0]._small.shape[2:].numel() > 1)


def _group_norm(func: Any, x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    if not _has_statistics(x) or is_deferred(weight) or is_deferred(bias):
        return NotImplemented
    return _on_parts(x, lambda t: func(t, num_groups, weight, bias, eps))


def _instance_norm(
    func: Any, x: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    if not _has_statistics(x) or is_deferred(weight) or is_deferred(bias):
        return NotImplemented
    if use_input_stats and running_mean is not None:
        return NotImplemented  # the running variance is corrected by n/(n − 1), as above
    return _on_parts(x, lambda t: func(t, running_mean, running_var, weight, bias, use_input_stats, momentum, eps))


def _layer_norm(
    func: Any, x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Over channels and positions, without weights, which would have one number a position."""
    if not _has_statistics(x) or weight is not None or bias is not None:
        return NotImplemented
    if tuple(normalized_shape) != tuple(x.shape[1:]):
        return NotImplemented
    return _on_parts(x, lambda t: func(t, t.shape[1:], None, None, eps))


_register(_batch_norm, F.batch_norm)
_register(_group_norm, F.group_norm)
_register(_instance_norm, F.instance_norm)
_register(_layer_norm, F.layer_norm)


# -- shapes -------------------------------------------------------------------------------------------------------


def _cat(func: Any, tensors: Any, dim: int = 0, *, out: Any = None) -> Any:
    first = tensors[0]
    if out is not None or dim not in (1, 1 - first.dim()) or len({t.dtype for t in tensors}) > 1:
        return NotImplemented
    parts: list[Part] = []
    rank = first.dim() - 2
    how = None
    for t in tensors:
        if is_deferred(t):
            how = how or t.how
            parts.extend(t.parts)
        else:
            parts.append(Part(t, (1,) * rank, ((0, 0),) * rank))
    if any(part.size != parts[0].size for part in parts):
        return NotImplemented  # the error is PyTorch's to raise
    return Deferred(tuple(parts), how)  # type: ignore[arg-type]


_register(_cat, torch.cat, torch.concat, torch.concatenate)


def _pad(func: Any, x: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    if not is_open(x) or len(pad) % 2 or len(pad) // 2 > x.dim() - 2:
        return NotImplemented
    rank = x.dim() - 2
    pairs = [(0, 0)] * (rank - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    if not all(type(n) is int for pair in pairs for n in pair):
        return NotImplemented
    padded = [_pad_part(part, pairs, mode, value) for part in x.parts]
    if any(p is None for p in padded):
        return NotImplemented
    return Deferred(tuple(padded), x.how)  # type: ignore[arg-type]


def _pad_part(part: Part, pairs: Sequence[tuple[int, int]], mode: str, value: float | None) -> Part | None:
    """The part with more samples at its ends; None where they are not what `trim` and a longer input can say."""
    ends = list(zip(pairs, part.trim, part.factors, strict=True))
    if mode == "constant":
        # Zeros behind a crop would be other samples; crops behind zeros are fewer zeros.
        if value or any(more > 0 and cut > 0 for pad, trim, _ in ends for more, cut in zip(pad, trim, strict=True)):
            return None
        trim = tuple((b - p, e - q) for (p, q), (b, e), _ in ends)
        return Part(part.small, part.factors, trim, part.site)
    if part.is_whole:
        return part.replaced(F.pad(part.small, [n for pair in reversed(pairs) for n in pair], mode=mode))
    if any(b or e for _, (b, e), _ in ends) or min(n for pair in pairs for n in pair) < 0:
        return None
    if mode == "reflect":
        # The reflection leaves out the edge sample and meets, up to s − 1, copies of it alone.
        if any(max(pad) > s - 1 for pad, _, s in ends):
            return None
        mode = "replicate"
    if mode not in ("replicate", "circular"):
        return None
    extend = [(-(-p // s), -(-q // s)) for (p, q), _, s in ends]
    small = F.pad(part.small, [n for pair in reversed(extend) for n in pair], mode=mode)
    trim = tuple((a * s - p, b * s - q) for (a, b), ((p, q), _, s) in zip(extend, ends, strict=True))
    return Part(small, part.factors, trim, part.site)


_register(_pad, F.pad)


# -- convolutions -------------------------------------------------------------------------------------------------


def _convolution(
    func: Any, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    if not is_open(x) or is_deferred(weight) or is_deferred(bias):
        return NotImplemented
    return convolve(func, x, weight, bias, stride, padding, dilation, groups)


_register(_convolution, F.conv1d, F.conv2d, F.conv3d)
