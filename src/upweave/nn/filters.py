"""Interpolation filters along one axis of a weight: a shape, sampled, and scaled so that every phase adds up to 1.

    triangle        max(0, 1 − |u − c|/s)                    linear interpolation
    windowed sinc   sinc((u − c)/s) · window                  the ideal low-pass, cut at π/s with gain s, made finite

u is the weight's place in the impulse response and c the middle of the kernel, so that the filter is centred on the
kernel whatever the layer's padding is.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from ..errors import SpecError
from .layout import Layout, along

Window: TypeAlias = Literal["kaiser", "hann"]


def triangle(u: Tensor, stride: int) -> Tensor:
    """Linear interpolation at the positions u, before its phases are scaled."""
    return (1 - _from_centre(u).abs() / stride).clamp_min(0)


def windowed_sinc(u: Tensor, stride: int, window: Window, beta: float) -> Tensor:
    """The ideal low-pass for `stride` at the positions u times a window over the kernel, before its phases are scaled.

    The Kaiser window is I₀(β√(1 − x²)), up to a factor, with x = ±1 at the kernel's ends; the Hann window reaches zero
    one step beyond them, so that no weight is wasted.
    """
    v = _from_centre(u)
    ideal: Tensor = torch.special.sinc(v / stride)
    reach = float(v.abs().max())
    if reach == 0:
        return ideal
    if window == "hann":
        step = float(v.sort().values.diff().min())
        return ideal * (math.pi / 2 * v / (reach + step)).cos().square()
    x = v / reach
    y = beta * (1 - x * x).clamp_min(0).sqrt()
    bell: Tensor = torch.special.i0e(y) * (y - beta).exp()  # I₀(y)·e^−β, which no β overflows
    return ideal * bell


def separable(layout: Layout, lines: list[Tensor]) -> Tensor:
    """The product of one line of K weights an axis, every phase scaled to the sum 1: shape (K…), float64.

    Raises `SpecError` where a phase has no tap, or adds up to nothing that could be scaled.
    """
    layout.require_no_gaps("so that no filter interpolates")
    out = torch.ones((), dtype=torch.float64)
    for a, (line, member) in enumerate(zip(lines, layout.members(lines[0]), strict=True)):
        sums = along(line, [member])
        if bool((sums <= 1e-3).any()):
            r = int(sums.argmin())
            raise SpecError(
                f"axis {a}: the filter has a sum of {float(sums[r]):.3g} on the phase of tap {_first(member[r])}, which"
                f" cannot be scaled to 1 (kernel {layout.kernel[a]}, stride {layout.stride[a]}, dilation "
                f"{layout.dilation[a]})"
            )
        out = out[..., None] * (line / (sums @ member))
    return out


def _from_centre(u: Tensor) -> Tensor:
    u = u.to(torch.float64)
    return u - (u.min() + u.max()) / 2


def _first(member: Tensor) -> int:
    return int(member.nonzero()[0])
