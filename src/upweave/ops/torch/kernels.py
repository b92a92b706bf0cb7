"""The operators on real memory: addresses and shapes to the native core, or the tensors to ATen.

The native core reads dense tensors of one dtype; what is not dense is copied here. Where there is no core, or the
dtypes are none of its own, ATen runs and raises whatever it raises. The result's memory format is that of the input
(for the weight's gradient: contiguous) whoever ran, as `fake` promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch

from .. import native
from ..problem import Problem, problem
from . import aten
from .layout import as_format, empty, is_channels_last
from .packed import PACKED

DTYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float64: "float64"}
"""The native core's element types."""

_Ints = Sequence[int]


@lru_cache(maxsize=4096)
def problem_of(
    x: tuple[int, ...], weight: tuple[int, ...], bias: tuple[int, ...] | None,
    stride: tuple[int, ...], padding: tuple[int, ...], output_padding: tuple[int, ...], groups: int,
    dilation: tuple[int, ...],
) -> Problem:  # fmt: skip
    """The problem of the operators' arguments: the dispatcher delivers plain ints, so that one look-up is enough."""
    return problem(
        tuple(x), tuple(weight), None if bias is None else tuple(bias), stride=stride, padding=padding,
        output_padding=output_padding, groups=groups, dilation=dilation,
    )  # fmt: skip


def forward(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints, activation: str, slope: float,
    precise: bool = True,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose` on the CPU; `precise` as in `native.choice`."""
    dtype = x.dtype
    name = DTYPES.get(dtype)
    if (
        name is None or weight.dtype is not dtype or (bias is not None and bias.dtype is not dtype)
        or not native.available()
    ):  # fmt: skip
        return forward_anywhere(
            x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope
        )  # fmt: skip
    p = problem_of(
        x.shape, weight.shape, None if bias is None else bias.shape,
        tuple(stride), tuple(padding), tuple(output_padding), groups, tuple(dilation),
    )  # fmt: skip
    channels_last = is_channels_last(x)
    y = empty(x, p.output_shape, channels_last)
    _compute(y, x, weight, bias, p, name, channels_last, activation, slope, precise)
    return y


def forward_fast(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints, activation: str, slope: float,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose_fast` on the CPU."""
    return forward(x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope, False)


def forward_into(
    out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints, activation: str, slope: float,
) -> None:  # fmt: skip
    """The same by the native core, which must be there, into `out`: dense in either order, all of one of its dtypes."""
    p = problem_of(
        x.shape, weight.shape, None if bias is None else bias.shape,
        tuple(stride), tuple(padding), tuple(output_padding), groups, tuple(dilation),
    )  # fmt: skip
    channels_last = is_channels_last(out)
    _compute(out, as_format(x, channels_last), weight, bias, p, DTYPES[x.dtype], channels_last, activation, slope)


def _compute(
    y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    p: Problem, dtype: str, channels_last: bool, activation: str, slope: float, precise: bool = True,
) -> None:  # fmt: skip
    if not p.batch:
        return
    if not channels_last:
        x = x.contiguous()
    # In the forward pass of a training step grad mode is on (see autograd.in_training); the weight will change, so its
    # packed form is not worth keeping.
    frozen = not (weight.requires_grad and torch.is_grad_enabled())
    packed = PACKED.get(weight, p, dtype, channels_last, precise) if frozen else None
    at_bias = 0
    if bias is not None:
        bias = bias.contiguous()
        at_bias = bias.data_ptr()
    arguments = (at_bias, y.data_ptr(), activation, slope, 0, packed, precise)
    # Beside a packed form of finite numbers the weight is hardly ever read, and not worth a copy.
    known = packed is not None and packed.finite and not weight.is_contiguous()
    if known and native.forward(p, dtype, channels_last, x.data_ptr(), 0, *arguments):
        return
    weight = weight.contiguous()
    native.forward(p, dtype, channels_last, x.data_ptr(), weight.data_ptr(), *arguments)


def forward_anywhere(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints, activation: str, slope: float,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose` on any device, by ATen."""
    y = aten.forward(x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope)
    return as_format(y, is_channels_last(x))


def grad_input(
    gy: torch.Tensor, weight: torch.Tensor, size: _Ints,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose_grad_input` on the CPU."""
    name = DTYPES.get(gy.dtype)
    if name is None or weight.dtype is not gy.dtype or not native.available():
        return grad_input_anywhere(gy, weight, size, stride, padding, output_padding, groups, dilation)
    p = problem_of(
        (gy.shape[0], weight.shape[0], *size), weight.shape, None,
        tuple(stride), tuple(padding), tuple(output_padding), groups, tuple(dilation),
    )  # fmt: skip
    gx = gy.new_empty(p.input_shape)
    if p.batch:
        dense, weight = gy.contiguous(), weight.contiguous()
        native.grad_input(p, name, dense.data_ptr(), weight.data_ptr(), gx.data_ptr())
    return as_format(gx, is_channels_last(gy))


def grad_input_anywhere(
    gy: torch.Tensor, weight: torch.Tensor, size: _Ints,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose_grad_input` on any device, by ATen."""
    gx = aten.grad_input(gy, weight, size, stride, padding, output_padding, groups, dilation)
    return as_format(gx, is_channels_last(gy))


def grad_weight(
    x: torch.Tensor, gy: torch.Tensor, kernel: _Ints,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose_grad_weight` on the CPU."""
    name = DTYPES.get(x.dtype)
    if name is None or gy.dtype is not x.dtype or not native.available():
        return grad_weight_anywhere(x, gy, kernel, stride, padding, output_padding, groups, dilation)
    p = problem_of(
        x.shape, (x.shape[1], gy.shape[1] // groups, *kernel), None,
        tuple(stride), tuple(padding), tuple(output_padding), groups, tuple(dilation),
    )  # fmt: skip
    if not p.batch:
        return x.new_zeros(p.weight_shape)
    gw = x.new_empty(p.weight_shape)
    x, gy = x.contiguous(), gy.contiguous()
    native.grad_weight(p, name, x.data_ptr(), gy.data_ptr(), gw.data_ptr())
    return gw


def grad_weight_anywhere(
    x: torch.Tensor, gy: torch.Tensor, kernel: _Ints,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose_grad_weight` on any device, by ATen."""
    return aten.grad_weight(x, gy, kernel, stride, padding, output_padding, groups, dilation).contiguous()
