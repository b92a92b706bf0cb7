"""Equal DC gains over the phases, by construction: a constant input can never become a checkerboard.

The parametrisation runs in training only; `torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")` bakes
the result into an ordinary weight, and inference pays nothing.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..errors import SpecError
from ..spec import Ints, is_int
from .layout import Layout, along, layout_of, resolve

_M = TypeVar("_M", bound=nn.Module)

_WHY = "so that their gain is 0 and can equal no other; take a kernel of at least the stride, and no common divisor"


class EqualPhaseGain(nn.Module):
    """A parametrisation: the nearest weight whose phases all have the same DC gain, for each pair of channels.

    With g_r = Σ w over the T_r taps of phase r, the least change (in the Euclidean norm) adds (γ − g_r)/T_r to each tap
    of phase r, with γ = Σ(g_r/T_r)/Σ(1/T_r): the mean gain where all phases have equally many taps. This is the
    orthogonal projection on a linear space: idempotent, differentiable, and its own right inverse there.

    Args:
        stride: of the transposed convolution, with weight (C_in, C_out/g, k…); or
        upscale_factor: of the pixel shuffle behind a convolution, with weight (C_out·∏s, C_in/g, k…).
        dilation, groups: the layer's.

    Padding does not matter: it changes what the phases are called. Raises `SpecError`, when it meets the weight, where
    a phase has no taps. `EqualPhaseGain.for_layer(layer)` takes the numbers from a layer, `equal_phase_gain(layer)`
    registers it too.
    """

    def __init__(
        self,
        stride: Ints | None = None,
        *,
        dilation: Ints = 1,
        groups: int = 1,
        upscale_factor: Ints | None = None,
    ) -> None:
        super().__init__()
        if (stride is None) == (upscale_factor is None):
            raise SpecError("EqualPhaseGain needs either a stride or the upscale_factor of a pixel shuffle")
        self.stride, self.upscale_factor = stride, upscale_factor
        self.dilation, self.groups = dilation, groups
        self._known: tuple[torch.Size, Layout] | None = None  # of the last weight, checked once

    @classmethod
    def for_layer(cls, layer: nn.Module, *, upscale_factor: Ints | None = None) -> EqualPhaseGain:
        """The parametrisation that fits a layer; arguments and errors as for the initialisers, and gaps raise here."""
        weight, layout = resolve(layer, upscale_factor=upscale_factor)
        stride, factor = (None, layout.stride) if layout.shuffled else (layout.stride, None)
        out = cls(stride, dilation=layout.dilation, groups=layout.groups, upscale_factor=factor)
        out._layout(weight)
        return out

    def forward(self, weight: Tensor) -> Tensor:
        """The projected weight, in the weight's own layout."""
        layout = self._layout(weight)
        canonical = layout.split(weight)
        members = layout.members(canonical)
        gain = along(canonical, members)
        share = _outer([1 / m.sum(dim=1) for m in members])  # 1/T_r
        axes = tuple(range(3, gain.ndim))
        common = (gain * share).sum(axes, keepdim=True) / share.sum()
        change = along((common - gain) * share, [m.T for m in members])
        return weight + layout.join(change)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weight itself: the projection changes nothing where the gains are equal already."""
        return weight

    def extra_repr(self) -> str:
        """The numbers it was made with."""
        factor = f"stride={self.stride}" if self.upscale_factor is None else f"upscale_factor={self.upscale_factor}"
        return f"{factor}, dilation={self.dilation}, groups={self.groups}"

    def _layout(self, weight: Tensor) -> Layout:
        if self._known is None or self._known[0] != weight.shape:
            factor = self.stride if self.stride is not None else self.upscale_factor
            assert factor is not None
            layout = layout_of(weight, factor, self.dilation, self.groups, shuffled=self.stride is None)
            layout.require_no_gaps(_WHY)
            self._known = weight.shape, layout
        return self._known[1]


class EqualPhaseBias(nn.Module):
    """A parametrisation of the bias of a convolution in front of a pixel shuffle: all phases get their mean.

    A transposed convolution has one bias a channel and needs none of it. `phases` is ∏s; the bias has the shape
    (C_out·∏s,). Raises `SpecError` for a bias that does not divide.
    """

    def __init__(self, phases: int) -> None:
        super().__init__()
        if not is_int(phases) or phases < 1:
            raise SpecError(f"phases must be at least 1, got {phases!r}")
        self.phases = phases

    def forward(self, bias: Tensor) -> Tensor:
        """The bias with each channel's mean at all its phases."""
        if bias.shape[0] % self.phases:
            raise SpecError(f"a bias of {bias.shape[0]} entries does not split into {self.phases} phases")
        return bias.reshape(-1, self.phases).mean(dim=1).repeat_interleave(self.phases)

    def right_inverse(self, bias: Tensor) -> Tensor:
        """The bias itself."""
        return bias

    def extra_repr(self) -> str:
        """The number of phases."""
        return f"phases={self.phases}"


def equal_phase_gain(layer: _M, *, upscale_factor: Ints | None = None) -> _M:
    """Keep all phases of `layer` at the same DC gain from now on; returns the layer.

    Registers `EqualPhaseGain` on its weight and, in front of a pixel shuffle, `EqualPhaseBias` on its bias, through
    `torch.nn.utils.parametrize`. The weight becomes the nearest one with equal gains. Arguments and errors as for the
    initialisers; gaps raise `SpecError` too.
    """
    _, layout = resolve(layer, upscale_factor=upscale_factor)
    project = EqualPhaseGain.for_layer(layer, upscale_factor=upscale_factor)
    parametrize.register_parametrization(layer, "weight", project)
    if layout.shuffled and isinstance(getattr(layer, "bias", None), Tensor):
        parametrize.register_parametrization(layer, "bias", EqualPhaseBias(math.prod(layout.stride)))
    return layer


def _outer(lines: list[Tensor]) -> Tensor:
    out = lines[0]
    for line in lines[1:]:
        out = out[..., None] * line
    return out
