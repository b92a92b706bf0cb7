"""What a transposed convolution layer does with its numbers: size, border, operator, cut."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..errors import SpecError
from ..ops.torch import conv_transpose
from .window import Window, extend, same, window

_Ints = tuple[int, ...]


def run_layer(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints | str, output_padding: _Ints, groups: int, dilation: _Ints,
    padding_mode: str, activation: str, slope: float, output_size: Sequence[int] | None = None,
) -> torch.Tensor:  # fmt: skip
    """The layer `upweave.nn.ConvTransposeNd` as a function of its tensors and numbers.

    x (N, C_in, *size) or (C_in, *size), and the output likewise; one entry an axis in every tuple. `padding` may be
    "same". Raises `SpecError` for an input with another number of axes, and for an `output_size` that is not possible.
    """
    rank = len(stride)
    if x.dim() != rank + 2:
        if x.dim() != rank + 1:
            raise SpecError(
                f"a {rank}-D layer takes an input of {rank + 2} axes, or {rank + 1} without a batch, "
                f"got shape {tuple(x.shape)}"
            )
        if output_size is not None and len(output_size) == rank + 1:
            output_size = output_size[1:]
        y = run_layer(
            x.unsqueeze(0), weight, bias, stride, padding, output_padding, groups, dilation, padding_mode,
            activation, slope, output_size,
        )  # fmt: skip
        return y.squeeze(0)
    kernel: _Ints = weight.shape[2:]
    if output_size is not None:
        output_padding = _output_padding(x.shape[2:], tuple(output_size), kernel, stride, padding, dilation)
    if not isinstance(padding, str) and padding_mode == "zeros":
        return conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope)
    windows = _windows(kernel, stride, padding, output_padding, dilation, padding_mode)
    x = extend(x, tuple(w.extend for w in windows), padding_mode)
    padding, output_padding = tuple(w.padding for w in windows), tuple(w.output_padding for w in windows)
    y = conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope)
    if not any(w.cut for w in windows):
        return y
    for axis, w in enumerate(windows, start=2):
        y = y.narrow(axis, 0, y.shape[axis] - w.cut)
    return y.contiguous()  # as every convolution's output is: what follows may ask for a view


def _windows(
    kernel: _Ints, stride: _Ints, padding: _Ints | str, output_padding: _Ints, dilation: _Ints, mode: str
) -> list[Window]:
    found = []
    for a, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True)):
        begin, surplus = same(k, s, d) if isinstance(padding, str) else (padding[a], output_padding[a])
        found.append(window(k, s, d, begin, surplus, zeros=mode == "zeros"))
    return found


def _output_padding(
    size: _Ints, wanted: _Ints, kernel: _Ints, stride: _Ints, padding: _Ints | str, dilation: _Ints
) -> _Ints:
    """The output padding for an output of size `wanted`, which may name batch and channels as well."""
    rank = len(size)
    if len(wanted) == rank + 2:
        wanted = wanted[2:]
    if len(wanted) != rank:
        raise SpecError(
            f"output_size {wanted} has {len(wanted)} entries; {rank}, or {rank + 2} with batch and channels, fit"
        )
    if isinstance(padding, str):
        only = tuple(s * n for s, n in zip(stride, size, strict=True))
        if wanted != only:
            raise SpecError(f'padding "same" makes an output of size {only}; output_size {wanted} is not possible')
        return (0,) * rank
    least = tuple(
        s * (n - 1) - 2 * p + d * (k - 1) + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    most = tuple(n + s - 1 for n, s in zip(least, stride, strict=True))
    if any(not low <= n <= high for low, n, high in zip(least, wanted, most, strict=True)):
        raise SpecError(f"output_size {wanted} is not possible: an input of size {tuple(size)} gives {least} to {most}")
    return tuple(n - low for n, low in zip(wanted, least, strict=True))
