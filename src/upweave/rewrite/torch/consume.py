"""A convolution of a deferred resize: one transposed convolution for each repeated part, one convolution for the rest.

Part by part along the channels, conv(cat(up(a), b), [w_a | w_b]) = conv(up(a), w_a) + conv(b, w_b), and behind a resize
by s a convolution with kernel k and padding p is a transposed one with kernel k + s − 1, stride s and padding
k − 1 − p; what was cropped from the resized samples adds to that padding, and zeros that were padded to them subtract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...ops.torch.front import conv_transpose
from ...ops.torch.layout import CHANNELS_LAST, is_channels_last
from .deferred import Deferred, Part, repeat
from .derived import derive
from .fold import fold_nearest


@dataclass(frozen=True)
class Call:
    """The numbers of a stride-1 convolution: one (begin, end) pair of padding an axis."""

    kernel: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    groups: int

    def multiplies(self, weight_shape: Sequence[int], parts: Sequence[Part], folded: bool) -> int:
        """Multiplications of the convolution as it is written, or with its repeated parts folded."""
        total = 0
        c_out, groups = weight_shape[0], self.groups
        for part in parts:
            small = tuple(part._small.shape[2:])
            out = (n + b + e - k + 1 for n, (b, e), k in zip(part.size, self.padding, self.kernel, strict=True))
            one = all(k == 1 for k in self.kernel)
            if not folded or part.is_whole:
                positions, taps = prod(out), prod(self.kernel)
            else:
                positions, taps = prod(small), 1 if one else prod(
                    k + s - 1 for k, s in zip(self.kernel, part.factors, strict=True)
                )  # fmt: skip
            total += part._small.shape[0] * positions * taps * part.channels * c_out // groups
        return total


def convolve(
    func: Any, x: Deferred, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """`func(x, weight, bias, …)`, the convolution of `torch.nn.functional`; NotImplemented where resizing first is as
    good or the only way."""
    call = _call(x, weight, stride, padding, dilation, groups)
    if call is None or x.how.backend == "keep":
        return NotImplemented
    x.how.log.consumed(x, weight, call)
    if x.how.backend == "keep":  # the log may have its reasons
        return NotImplemented
    if all(k == 1 for k in call.kernel):
        return _one_by_one(func, x, weight, bias, call)
    y: Tensor | None = None
    first = 0
    for part in x.parts:
        last = first + part.channels
        # one tensor for the bias, so that it is added once
        own = bias if y is None else None
        more = _folded(part, weight, own, call, first, last, x) if max(part.factors) > 1 else _plain(
            func, part, weight, own, call, first, last
        )  # fmt: skip
        if y is None:
            y = more
        else:
            y = y + more if _wants_grad(y, more) else y.add_(more)
        first = last
    return y


def _call(x: Deferred, weight: Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> Call | None:
    """The numbers, if folding is possible and saves something."""
    rank = x.dim() - 2
    kernel = tuple(weight.shape[2:])
    if len(kernel) != rank or any(s != 1 for s in _each(stride, rank)) or weight.shape[1] * groups != x.shape[1]:
        return None
    if len(x.parts) > 1 and groups > 1:
        return None
    d = _each(dilation, rank)
    # With dilation the folded kernel is d(k − 1) + s long, dense where the convolution's was not.
    if any(k > 1 and n != 1 for k, n in zip(kernel, d, strict=True)):
        return None
    if padding == "same":
        pads = tuple(((k - 1) // 2, k - 1 - (k - 1) // 2) for k in kernel)
    elif padding == "valid":
        pads = ((0, 0),) * rank
    else:
        pads = tuple((p, p) for p in _each(padding, rank))
    for part in x.parts:
        if any(
            p > 0 and t > 0 for pad, trim in zip(pads, part.trim, strict=True) for p, t in zip(pad, trim, strict=True)
        ):
            return None  # zeros where something else was cropped
        ends = zip(kernel, pads, part.trim, strict=True)
        if max(part.factors) > 1 and any(max(pb - b, pe - e) > k - 1 for k, (pb, pe), (b, e) in ends):
            return None  # outputs that read zeros alone
    if all(k == 1 for k in kernel) and (any(n for pair in pads for n in pair) or any(p.is_trimmed for p in x.parts)):
        return None
    return Call(kernel, pads, groups)


def _each(value: Any, rank: int) -> tuple[int, ...]:
    if isinstance(value, (tuple, list)):
        return tuple(value) * rank if len(value) == 1 else tuple(value)
    return (value,) * rank


def _one_by_one(func: Any, x: Deferred, weight: Tensor, bias: Tensor | None, call: Call) -> Any:
    """A 1×1 convolution changes places with the resize."""
    one = (1,) * len(call.kernel)
    if len(x.parts) == 1:
        (part,) = x.parts
        y = func(part.small, weight, bias, one, 0, one, call.groups)
        return Deferred((part.replaced(y),), x.how)
    if len({part.factors for part in x.parts}) == 1:
        y = func(torch.cat([p.small for p in x.parts], 1), weight, bias, one, 0, one, 1)
        return Deferred((x.parts[0].replaced(y),), x.how)
    total: Tensor | None = None
    first = 0
    for part in x.parts:
        last = first + part.channels
        y = repeat(func(part.small, weight[:, first:last], bias if total is None else None), part.factors)
        total = y if total is None else total + y
        first = last
    return total


def _folded(part: Part, weight: Tensor, bias: Tensor | None, call: Call, first: int, last: int, x: Deferred) -> Tensor:
    """The convolution of a repeated part, on its small tensor."""
    s, k = part.factors, call.kernel
    small = part.small
    channels_last = is_channels_last(small) and x.how.backend == "torch"

    def make() -> tuple[Tensor, ...]:
        own = weight if last - first == weight.shape[1] * call.groups else weight[:, first:last]
        folded = fold_nearest(own, s, call.groups)
        return (folded.contiguous(memory_format=CHANNELS_LAST[folded.dim()]) if channels_last else folded,)

    (folded,) = derive(("nearest", s, call.groups, first, last, channels_last), (weight,), make)
    crop: list[int] = []
    padding, output_padding = [], []
    for a in range(len(k)):
        begin, end = (k[a] - 1 - p + t for p, t in zip(call.padding[a], part.trim[a], strict=True))
        # One padding for both ends: the end may be longer by less than a stride, what else is too much is cropped.
        if 0 <= begin - end < s[a]:
            padding.append(begin)
            output_padding.append(begin - end)
            crop = [0, 0, *crop]
        else:
            least = min(begin, end)
            padding.append(least)
            output_padding.append(0)
            crop = [least - begin, least - end, *crop]
    y = conv_transpose(
        small, folded, bias, s, tuple(padding), tuple(output_padding), call.groups, (1,) * len(k),
        backend=x.how.backend, precise=x.how.precise,
    )  # fmt: skip
    return F.pad(y, crop) if any(crop) else y


def _plain(func: Any, part: Part, weight: Tensor, bias: Tensor | None, call: Call, first: int, last: int) -> Tensor:
    """The convolution of a part that is there in full, with its share of the weights."""
    if last - first < weight.shape[1]:
        last_format = is_channels_last(part.small)

        def make() -> tuple[Tensor, ...]:
            own = weight[:, first:last]
            return (own.contiguous(memory_format=CHANNELS_LAST[own.dim()]) if last_format else own.contiguous(),)

        (weight,) = derive(("share", first, last, last_format), (weight,), make)
    ends = [(p - b, q - e) for (p, q), (b, e) in zip(call.padding, part.trim, strict=True)]
    one = (1,) * len(ends)
    if all(b == e and b >= 0 for b, e in ends):
        return func(part.small, weight, bias, one, tuple(b for b, _ in ends), one, call.groups)  # type: ignore[no-any-return]
    padded = F.pad(part.small, [n for pair in reversed(ends) for n in pair])
    return func(padded, weight, bias, one, 0, one, call.groups)  # type: ignore[no-any-return]


def _wants_grad(*tensors: Tensor) -> bool:
    return torch.compiler.is_compiling() or any(t.requires_grad for t in tensors)
