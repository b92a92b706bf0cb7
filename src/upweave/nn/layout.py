"""Which weight of an upsampling layer belongs to which phase: what every remedy has to know, worked out once.

Weights land on the impulse response h[u], u = n − s·i (`convert/axis.py`). Phase and place in it are u's remainder and
quotient by s, with u counted from the first weight, so that padding does not matter here:

    ConvTranspose, k = 4, s = 2      t       0 1 2 3        u = d·t
                                     phase   0 1 0 1        u mod s
                                     place   0 0 1 1        ⌊u/s⌋

    Conv + PixelShuffle, k = 3       r, t    kernel of phase r lands on u = r + s·d·(k−1−t)

Remedies work on the *canonical* weight (g, C_out/g, C_in/g, K…), which both layers have: K = k for a transposed
convolution, and K = s·k, all phases' kernels behind each other, for a pixel shuffle.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..errors import SpecError
from ..spec import ConvPixelShuffle, ConvTranspose, Ints, is_int

Target: TypeAlias = nn.Module | Tensor
"""What a remedy works on: a layer, or a weight with the numbers of its layer beside it."""

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_ORDINARY = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class Layout:
    """Where the weights of one layer lie: its numbers, one entry an axis, and what follows from them.

    `shuffled` is True for a convolution in front of a pixel shuffle, False for a transposed convolution. Padding does
    not matter: it changes which phase is called 0, and nothing else about the phases.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    shuffled: bool

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.kernel)

    @property
    def spec(self) -> ConvTranspose | ConvPixelShuffle:
        """The same numbers as a spec, without padding."""
        if self.shuffled:
            return ConvPixelShuffle(self.kernel, self.stride, 0, self.dilation, self.groups)
        return ConvTranspose(self.kernel, self.stride, dilation=self.dilation, groups=self.groups)

    def positions(self, device: torch.device | None = None) -> list[Tensor]:
        """u of each canonical weight, K integers an axis; the least is 0."""
        out = []
        for k, s, d in zip(self.kernel, self.stride, self.dilation, strict=True):
            u = torch.arange(k, device=device)
            if self.shuffled:  # the convolution correlates: its last weight reads the newest input
                u = (torch.arange(s, device=device)[:, None] + s * d * (k - 1 - u)).reshape(-1)
            else:
                u = d * u
            out.append(u)
        return out

    def members(self, like: Tensor) -> list[Tensor]:
        """Which canonical weight belongs to which phase: an (s, K) matrix of ones and zeros an axis."""
        found = []
        for u, s in zip(self.positions(like.device), self.stride, strict=True):
            found.append((u % s == torch.arange(s, device=like.device)[:, None]).to(like.dtype))
        return found

    def channels(self, weight: Tensor) -> tuple[int, int]:
        """(C_in, C_out) of the layer."""
        lead, other = int(weight.shape[0]), int(weight.shape[1]) * self.groups
        return (other, lead // math.prod(self.stride)) if self.shuffled else (lead, other)

    def split(self, weight: Tensor) -> Tensor:
        """The weight in canonical form, (g, C_out/g, C_in/g, K…); differentiable."""
        g, d = self.groups, self.rank
        if not self.shuffled:
            return weight.reshape(g, -1, *weight.shape[1:]).transpose(1, 2)
        c_out = self._whole_channels(weight)
        apart = weight.reshape(g, c_out // g, *self.stride, *weight.shape[1:])
        order = (0, 1, 2 + d, *(x for a in range(d) for x in (2 + a, 3 + d + a)))
        merged = (s * k for s, k in zip(self.stride, weight.shape[2:], strict=True))
        return apart.permute(order).reshape(g, c_out // g, weight.shape[1], *merged)

    def join(self, canonical: Tensor) -> Tensor:
        """The weight in the layer's own layout: the inverse of `split`."""
        g, d = self.groups, self.rank
        if not self.shuffled:
            return canonical.transpose(1, 2).reshape(-1, canonical.shape[1], *canonical.shape[3:])
        c_out, c_in, kernel = canonical.shape[1] * g, canonical.shape[2], self.kernel
        pairs = (x for pair in zip(self.stride, kernel, strict=True) for x in pair)
        apart = canonical.reshape(g, canonical.shape[1], c_in, *pairs)
        order = (0, 1, *(3 + 2 * a for a in range(d)), 2, *(4 + 2 * a for a in range(d)))
        return apart.permute(order).reshape(c_out * math.prod(self.stride), c_in, *kernel)

    def require_no_gaps(self, why: str) -> None:
        """Raise `SpecError` where a phase has no taps; `why` says what that makes impossible."""
        for a, (k, s, d) in enumerate(zip(self.kernel, self.stride, self.dilation, strict=True)):
            # d·t mod s runs through s/gcd(d, s) residues before it repeats
            live = s if self.shuffled else min(k, s // math.gcd(d, s))
            if live < s:
                raise SpecError(
                    f"axis {a}: {s - live} of the {s} phases have no taps (kernel {k}, stride {s}, dilation {d}), {why}"
                )

    def phases(self, canonical: Tensor) -> Tensor:
        """The filter of each phase by place, (…, s₁…s_d, T₁…T_d), zeros where a phase has no tap; differentiable."""
        lead, d, device = canonical.shape[:3], self.rank, canonical.device
        matrices, split = [], []
        numbers = zip(self.kernel, self.stride, self.dilation, strict=True)
        for u, (k, s, gap) in zip(self.positions(device), numbers, strict=True):
            places = gap * (k - 1) + 1 if self.shuffled else gap * (k - 1) // s + 1
            at = u % s * places + u // s
            matrices.append((at == torch.arange(s * places, device=device)[:, None]).to(canonical.dtype))
            split += [s, places]
        out = along(canonical, matrices).reshape(*lead, *split)
        return out.permute(0, 1, 2, *(3 + 2 * a for a in range(d)), *(4 + 2 * a for a in range(d)))

    def _whole_channels(self, weight: Tensor) -> int:
        c_out = weight.shape[0] // math.prod(self.stride)
        if c_out % self.groups:
            raise SpecError(
                f"{c_out} output channels do not split into {self.groups} groups: the phases of one channel would "
                "read different inputs"
            )
        return c_out


def along(x: Tensor, matrices: list[Tensor]) -> Tensor:
    """Each of the last d axes multiplied by its own matrix: entry a by `matrices[a]`, of shape (new, old).

    Autocast is off meanwhile: sums of weights in half precision would make gains equal to three digits only.
    """
    d, kind = len(matrices), x.device.type
    with torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext():
        for a, m in enumerate(matrices):
            x = torch.movedim(torch.tensordot(x, m, dims=([x.ndim - d + a], [1])), -1, x.ndim - d + a)
    return x


def resolve(
    what: Target,
    stride: Ints | None = None,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> tuple[Tensor, Layout]:
    """The weight of a layer and its layout.

    A layer is a transposed convolution of torch, a `SubPixelConv`, or an ordinary convolution whose pixel shuffle's
    `upscale_factor` is given; it knows the other numbers. A weight needs its `stride` (layout (C_in, C_out/g, k…)) or
    its `upscale_factor` (layout (C_out·∏s, C_in/g, k…)), and `dilation` and `groups` where they are not 1.
    Raises `SpecError` for anything else, and where the numbers do not fit.
    """
    if isinstance(what, nn.Module):
        if any(v is not None for v in (stride, dilation, groups)):
            raise SpecError(
                f"{type(what).__name__} knows its stride, dilation and groups; give them with a weight only"
            )
        return _of_layer(what, upscale_factor)
    if not isinstance(what, Tensor):
        raise SpecError(f"expected a layer or a weight, got {type(what).__name__}")
    if (stride is None) == (upscale_factor is None):
        raise SpecError(
            "a weight needs either the stride of its transposed convolution or the upscale_factor of its pixel shuffle"
        )
    factor = stride if stride is not None else upscale_factor
    assert factor is not None
    one = 1 if dilation is None else dilation
    return what, layout_of(what, factor, one, 1 if groups is None else groups, shuffled=stride is None)


def _of_layer(layer: nn.Module, upscale_factor: Ints | None) -> tuple[Tensor, Layout]:
    weight = getattr(layer, "weight", None)
    spec = getattr(layer, "spec", None)
    name = type(layer).__name__
    if isinstance(layer, _ORDINARY):
        if upscale_factor is None:
            raise SpecError(f"{name} is no upsampling layer by itself; give the upscale_factor of its pixel shuffle")
        if any(s != 1 for s in layer.stride):
            raise SpecError(f"a convolution in front of a pixel shuffle needs stride 1, this one has {layer.stride}")
        return layer.weight, layout_of(layer.weight, upscale_factor, layer.dilation, layer.groups, shuffled=True)
    if upscale_factor is not None:
        raise SpecError(f"upscale_factor {upscale_factor} belongs to an ordinary convolution, not to a {name}")
    if isinstance(layer, _TRANSPOSED):
        return layer.weight, layout_of(layer.weight, layer.stride, layer.dilation, layer.groups, shuffled=False)
    if isinstance(weight, Tensor) and isinstance(spec, ConvPixelShuffle):
        return weight, layout_of(weight, spec.stride, spec.dilation, spec.groups, shuffled=True)
    raise SpecError(f"expected a transposed convolution, or a convolution with an upscale_factor, got a {name}")


def layout_of(weight: Tensor, factor: Ints, dilation: Ints, groups: int, *, shuffled: bool) -> Layout:
    """The layout of a weight whose numbers are given; `SpecError` where they do not fit."""
    if nn.parameter.is_lazy(weight):
        raise SpecError("the layer has no weight yet: run it once, so that its channels are known")
    rank = weight.ndim - 2
    if rank < 1 or 0 in weight.shape:
        raise SpecError(
            f"a weight of shape {tuple(weight.shape)} cannot be an upsampling layer's: it needs two axes of channels, "
            "and at least one of the kernel, none of them empty"
        )
    kernel = tuple(int(k) for k in weight.shape[2:])
    every = {"upscale_factor" if shuffled else "stride": factor, "dilation": dilation}
    for key, value in every.items():
        if not is_int(value) and (not isinstance(value, (tuple, list)) or len(value) != rank):
            raise SpecError(f"{key} {value!r} does not fit a kernel of {rank} axes")
    s, d = (tuple(v) if isinstance(v, (tuple, list)) else (v,) * rank for v in (factor, dilation))
    found = Layout(kernel, s, d, groups, shuffled)
    found.spec  # noqa: B018  raises where a number is out of range
    if shuffled and weight.shape[0] % math.prod(s):
        raise SpecError(f"{weight.shape[0]} channels do not fill the {math.prod(s)} phases of upscale_factor {s}")
    if weight.shape[0] % groups:
        raise SpecError(f"{weight.shape[0]} channels do not split into {groups} groups")
    return found
