"""Differentiable penalties on a weight, 0 where there is nothing unwanted.

    phase_gain_variance      what a constant input turns into a checkerboard, as a power
    phase_gain_imbalance     the same as a share of the gains' power
    image_rejection_loss     what a white input leaves in the images of its spectrum, as a share
    phase_similarity         how far the phases' filters are apart, as a share
    phase_response_similarity   the same for what they do to each frequency, whatever their delays

They take a layer, or a weight with its numbers, as the initialisers do; half precision is computed in single. They
raise `SpecError` for what is no upsampling layer.

Shares lie in [0, 1] and ignore the scale of the weight; a weight of zeros has 0. Alone, those of quadratic forms (all
but the last) have no bad minima: every local one is global. Beside a loss they can trap it. Such a share has no limit
at 0, and its slope grows as 1/‖g‖. Where the loss wants gains of the other sign, they have to pass by 0, and there a
difference of one step's size is all there is: a share of 1, which pushes the mean gain back. It happens with few
channels, since all gains have to be small at once. `phase_gain_variance` is a convex quadratic form and has no slope in
the mean gain: beside a convex loss every stationary point is a global minimum.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ..errors import SpecError
from ..spec import ConvPixelShuffle, Ints
from .layout import Layout, Target, along, resolve


def phase_gain_variance(
    what: Target,
    stride: Ints | None = None,
    *,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """The variance between phases that a constant input gets in the output: Σ‖g_r − ḡ‖²/(∏s·C_out), a scalar.

    The mean over output channels, for constants that are independent between input channels, of mean 0 and variance 1.
    Independent weights of variance 1/fan-in (`he_normal_` with gain 1) have 1 − 1/∏s on average, whatever their numbers
    of taps and channels. By Parseval it is Σ_{m≠0}|H(2πm/s)|²/(∏s²·C_out).

    It is a convex quadratic form of the weight, 0 iff the gains are equal, and the same for w and for w + b where b has
    equal gains; c·w has c² times as much. So it pulls at differences alone, whatever the mean gain is. It is evaded by
    a weight that shrinks while layers behind it make up for that, as a normalisation does; the share,
    `phase_gain_imbalance`, is not.
    """
    x, layout = _canonical(what, stride, dilation, groups, upscale_factor)
    gain = along(x, layout.members(x))
    channels = gain.shape[0] * gain.shape[1]
    return gain.var(dim=_phase_axes(layout), correction=0).sum() / channels


def phase_gain_imbalance(
    what: Target,
    stride: Ints | None = None,
    *,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """The share of the DC gains' power that differs between phases: Σ‖g_r − ḡ‖²/Σ‖g_r‖², a scalar.

    The square of `upweave.gain_imbalance(...).deviation`, and by Parseval the power of the kernel's transform at the
    images of a constant, Σ_{m≠0}|H(2πm/s)|²/Σ_m|H(2πm/s)|². Zero iff a constant input makes no checkerboard.
    """
    x, layout = _canonical(what, stride, dilation, groups, upscale_factor)
    gain = along(x, layout.members(x))
    apart = gain - gain.mean(dim=_phase_axes(layout), keepdim=True)
    return _share(apart.square().sum(), gain.square().sum())


def image_rejection_loss(
    what: Target,
    stride: Ints | None = None,
    *,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """The share of a white input's output power that lies in images, outside |ω| ≤ π/s: a scalar.

    L = 1 − ΣhᵀBh/Σ‖h‖² over channel pairs, B[u, v] = sinc((u−v)/s)/s on each axis, and
    `upweave.image_rejection(...).typical` is 10·log₁₀((1−L)/L) dB: 0 dB is 1/2, and 20 dB about 1/100. It is 0 only for
    stride 1, since no finite kernel removes the images wholly; zero insertion alone has 1 − 1/∏s.
    Source: the article, zero insertion and signal reconstruction.
    """
    x, layout = _canonical(what, stride, dilation, groups, upscale_factor)
    bands = []
    for u, s in zip(layout.positions(x.device), layout.stride, strict=True):
        v = (u[:, None] - u[None, :]).to(x.dtype)
        bands.append(torch.special.sinc(v / s) / s)
    total = x.square().sum()
    base = (x * along(x, bands)).sum()
    return _share((total - base).clamp_min(0), total)


def phase_similarity(
    what: Target,
    stride: Ints | None = None,
    *,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """The share of the weight's power that differs between the phases' filters: Σ‖f_r − f̄‖²/Σ‖f_r‖², a scalar.

    Taps are compared at the same place ⌊u/s⌋ of the kernel, and a missing one counts as 0. Zero iff all phases have one
    filter, as after `icnr_`: a convolution, then a nearest resize. It is stricter than a checkerboard needs, and a
    triangle does not pass; to allow the phases their delays take `phase_response_similarity`.
    """
    x, layout = _canonical(what, stride, dilation, groups, upscale_factor)
    f = layout.phases(x)
    apart = f - f.mean(dim=_phase_axes(layout), keepdim=True)
    return _share(apart.square().sum(), f.square().sum())


def phase_response_similarity(
    what: Target,
    stride: Ints | None = None,
    *,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """The share of the phases' power spectra that differs, Σ∫(P_r − P̄)²/Σ∫P_r² with P_r = |F_r(ω)|²: a scalar.

    Zero iff, for each pair of channels, all phases treat the size of every frequency alike, whatever their delays and
    signs: so are the phases of the ideal filter, and those of linear interpolation by 2. The integrals over ω are
    exact: P_r is a trigonometric polynomial, sampled at 2T − 1 points an axis.
    """
    x, layout = _canonical(what, stride, dilation, groups, upscale_factor)
    f = layout.phases(x)
    axes = tuple(range(f.ndim - layout.rank, f.ndim))
    transform = torch.fft.fftn(f, s=[2 * f.shape[a] - 1 for a in axes], dim=axes)
    power = transform.real.square() + transform.imag.square()
    apart = power - power.mean(dim=_phase_axes(layout), keepdim=True)
    return _share(apart.square().sum(), power.square().sum())


def upsampling_layers(model: nn.Module) -> Iterator[tuple[str, nn.Module, Ints | None]]:
    """The layers of a model that the remedies are for, each once: (name, layer, upscale_factor).

    Transposed convolutions with a stride, `SubPixelConv` layers, and stride-1 convolutions directly in front of a pixel
    shuffle in an `nn.Sequential`; the factor is None for all but the last.
    """
    factors: dict[int, Ints] = {}
    for module in model.modules():
        if isinstance(module, nn.Sequential):
            for first, then in itertools.pairwise(module):
                if isinstance(then, nn.PixelShuffle) and isinstance(first, nn.Conv2d) and first.stride == (1, 1):
                    factors[id(first)] = then.upscale_factor
    for name, module in model.named_modules():
        if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
            if any(s > 1 for s in module.stride):
                yield name, module, None
        elif isinstance(getattr(module, "spec", None), ConvPixelShuffle):
            yield name, module, None
        elif id(module) in factors:
            yield name, module, factors[id(module)]


def regularisation(model: nn.Module, penalty: Callable[..., Tensor] = phase_gain_variance) -> Tensor:
    """The sum of a penalty of this module over `upsampling_layers(model)`, to add to a loss: a scalar.

    It is called as `penalty(layer, upscale_factor=…)`.

    Raises `SpecError` for a model without such a layer, since a penalty that can never act is a mistake.
    """
    total: Tensor | None = None
    for _, layer, factor in upsampling_layers(model):
        value = penalty(layer, upscale_factor=factor)
        total = value if total is None else total + value.to(total.device)
    if total is None:
        raise SpecError(
            f"{type(model).__name__} has no transposed convolution with a stride and no sub-pixel convolution"
        )
    return total


def _canonical(
    what: Target, stride: Ints | None, dilation: Ints | None, groups: int | None, upscale_factor: Ints | None
) -> tuple[Tensor, Layout]:
    weight, layout = resolve(what, stride, dilation, groups, upscale_factor)
    return layout.split(weight.to(torch.promote_types(weight.dtype, torch.float32))), layout


def _phase_axes(layout: Layout) -> tuple[int, ...]:
    return tuple(range(3, 3 + layout.rank))


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """part/whole, and 0 with a gradient of 0 where there is nothing at all."""
    return part / whole.clamp_min(torch.finfo(whole.dtype).tiny)
