"""Initialisers for upsampling layers, in place and named as in `torch.nn.init`.

They know what PyTorch's do not: a transposed convolution's weight is (C_in, C_out/g, k…), its outputs sum over k/s taps
and not k, and its outputs come in phases.

Every initialiser takes a layer, or a weight with its layer's numbers:

    he_normal_(nn.ConvTranspose2d(64, 32, 4, 2, 1))
    icnr_(nn.Conv2d(64, 128, 3, padding=1), upscale_factor=2)      the pixel shuffle behind it has the factor
    he_normal_(weight, stride=2, groups=4)

`dilation` and `groups` are 1 where they are not given with a weight. Each returns the weight. A weight with a
parametrisation is set through it. All raise `SpecError` for a layer that is no upsampling layer and for numbers that do
not fit. Draws come from `generator`, or torch's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..errors import SpecError
from ..spec import Ints
from ..theory.fans import fans
from . import filters
from .filters import Window
from .layout import Layout, Target, along, resolve

Mode: TypeAlias = Literal["fan_in", "fan_out"]

_NONLINEARITIES = ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu")


def he_normal_(
    what: Target,
    *,
    mode: Mode = "fan_in",
    nonlinearity: str = "relu",
    a: float = 0.0,
    per_phase: bool = False,
    generator: torch.Generator | None = None,
    stride: Ints | None = None,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """Normal draws of variance gain²/fan, which keeps signals in size forwards ("fan_in") or backwards ("fan_out").

    Fan-in is (C_in/g)·∏k/s, the mean over phases, and fan-out (C_out/g)·∏k. Where s does not divide k, phases have
    different numbers of taps T_r; `per_phase` draws phase r with the variance times (∏k/s)/T_r, which gives all phases
    the same output variance and leaves the input gradient's as it was. `a` is the slope of "leaky_relu".
    Source: He et al., Delving Deep into Rectifiers, ICCV 2015, section 2.2; fans as in `upweave.fans`.
    """
    weight, layout = resolve(what, stride, dilation, groups, upscale_factor)
    std = _he_std(weight, layout, mode, nonlinearity, a)
    return _draw(what, weight, layout, std, per_phase, generator, uniform=False)


def he_uniform_(
    what: Target,
    *,
    mode: Mode = "fan_in",
    nonlinearity: str = "relu",
    a: float = 0.0,
    per_phase: bool = False,
    generator: torch.Generator | None = None,
    stride: Ints | None = None,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """Uniform draws with the variance of `he_normal_`: within ±gain·√(3/fan)."""
    weight, layout = resolve(what, stride, dilation, groups, upscale_factor)
    std = _he_std(weight, layout, mode, nonlinearity, a)
    return _draw(what, weight, layout, std, per_phase, generator, uniform=True)


def glorot_normal_(
    what: Target,
    *,
    gain: float = 1.0,
    per_phase: bool = False,
    generator: torch.Generator | None = None,
    stride: Ints | None = None,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """Normal draws of variance gain²·2/(fan-in + fan-out), a compromise between the two directions of `he_normal_`.

    `per_phase` as there. Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural
    networks, AISTATS 2010, equation 12.
    """
    weight, layout = resolve(what, stride, dilation, groups, upscale_factor)
    std = gain * math.sqrt(2 / sum(fans(layout.spec, *layout.channels(weight))))
    return _draw(what, weight, layout, std, per_phase, generator, uniform=False)


def glorot_uniform_(
    what: Target,
    *,
    gain: float = 1.0,
    per_phase: bool = False,
    generator: torch.Generator | None = None,
    stride: Ints | None = None,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """Uniform draws with the variance of `glorot_normal_`: within ±gain·√(6/(fan-in + fan-out)) (equation 16 there)."""
    weight, layout = resolve(what, stride, dilation, groups, upscale_factor)
    std = gain * math.sqrt(2 / sum(fans(layout.spec, *layout.channels(weight))))
    return _draw(what, weight, layout, std, per_phase, generator, uniform=True)


def orthogonal_(
    what: Target,
    *,
    gain: float = 1.0,
    generator: torch.Generator | None = None,
    stride: Ints | None = None,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """A random semi-orthogonal filter matrix for each phase, of C_out/g rows and (C_in/g)·T_r columns, group by group.

    With m rows and n columns, m ≤ n, the rows are orthonormal, and each output has the variance of a white input. With
    m > n the columns are orthogonal with norm √(m/n), and outputs have that variance in the mean. Both times gain.
    Raises `SpecError` where a phase has no taps. Source: Saxe et al., Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks, 2013, for one matrix.
    """
    weight, layout = resolve(what, stride, dilation, groups, upscale_factor)
    layout.require_no_gaps("so that there is no filter to make orthogonal")
    canonical = layout.split(_blank(weight)).contiguous()
    g, rows, per = canonical.shape[:3]
    flat = canonical.reshape(g, rows, per, -1)
    label = _phase_labels(layout)
    for r in range(math.prod(layout.stride)):
        taps = (label == r).nonzero()[:, 0]
        n = per * len(taps)
        for group in range(g):
            matrix = torch.empty(rows, n, dtype=flat.dtype, device=flat.device)
            nn.init.orthogonal_(matrix, gain * math.sqrt(max(1.0, rows / n)), generator=generator)
            flat[group].index_copy_(2, taps.to(flat.device), matrix.reshape(rows, per, len(taps)))
    return _write(what, weight, layout.join(flat.reshape(canonical.shape)))


def triangular_(
    what: Target,
    *,
    stride: Ints | None = None,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """Linear interpolation: a triangle of half-width s along each axis, channel i of a group to its channel i alone.

    w[u] = ∏ max(0, 1 − |u − c|/s), c the middle of the kernel, each phase scaled to the sum 1, so that a constant stays
    a constant for every k ≥ s. From k = 2s−1 on nothing is cut off and ramps stay ramps too; k = 2s, p = s/2 is exact
    half-pixel interpolation (bilinear in the plane), but for the border, where the layer reads zeros. Shorter kernels
    cannot hold the triangle: their phases with a single tap repeat the nearest sample.
    Raises `SpecError` where a phase has no tap under the triangle, or C_in ≠ C_out.
    Source: Long et al., Fully convolutional networks for semantic segmentation, CVPR 2015.
    """
    weight, layout = resolve(what, stride, dilation, groups, upscale_factor)
    lines = [filters.triangle(u, s) for u, s in zip(layout.positions(), layout.stride, strict=True)]
    return _write(what, weight, _on_own_channel(weight, layout, lines))


bilinear_ = triangular_  # the name that everybody looks for; the same in every number of axes


def windowed_sinc_(
    what: Target,
    *,
    window: Window = "kaiser",
    beta: float = 3.0,
    stride: Ints | None = None,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """The ideal low-pass, cut at π/s with gain s and made finite by a window; channel i of a group to channel i alone.

    w[u] = ∏ sinc((u − c)/s)·window, c the middle of the kernel, each phase scaled to the sum 1. The longer the kernel,
    the better the images are removed, from k = 6s on better than by a triangle. `beta` shapes the Kaiser window: the
    greater, the less ripple and the wider the transition (0 is no window, 5 what long resampling filters take). Raises
    `SpecError` for another window, a beta below 0, a phase that has no tap or cannot be scaled, or C_in ≠ C_out.
    Source: the article, zero insertion and signal reconstruction; Kaiser's window.
    """
    weight, layout = resolve(what, stride, dilation, groups, upscale_factor)
    if window not in ("kaiser", "hann"):
        raise SpecError(f"window must be 'kaiser' or 'hann', got {window!r}")
    if not 0 <= beta < math.inf:
        raise SpecError(f"beta must be a number from 0 on, got {beta}")
    at = zip(layout.positions(), layout.stride, strict=True)
    lines = [filters.windowed_sinc(u, s, window, beta) for u, s in at]
    return _write(what, weight, _on_own_channel(weight, layout, lines))


def icnr_(
    what: Target,
    init: Callable[[Tensor], Any] | None = None,
    *,
    generator: torch.Generator | None = None,
    stride: Ints | None = None,
    dilation: Ints | None = None,
    groups: int | None = None,
    upscale_factor: Ints | None = None,
) -> Tensor:
    """One filter for all phases (ICNR): the layer starts as an ordinary convolution, then a nearest resize.

    `init` fills, in place, that convolution's weight of shape (C_out, C_in/g, k…); the default is He's normal draw for
    ReLU. Behind a pixel shuffle all ∏s phases of a channel get the same kernel, and the bias of a layer is made equal
    over the phases (their mean), since unequal ones make a checkerboard too. A transposed convolution becomes
    w[t] = f[⌊t/s⌋] for a filter f of ⌊k/s⌋ taps, which computes the full convolution of the input with f, repeats each
    sample s times, and crops `padding`. Where s does not divide k the k mod s weights left over start as zeros, half of
    them in front: the layer is the same resize, and training may use them.
    Raises `SpecError` for gaps (k < s) and for a transposed convolution with dilation and stride > 1, whose taps of a
    phase lie too far apart for a resize. Source: Aitken et al., Checkerboard artifact free sub-pixel convolution, 2017.
    """
    weight, layout = resolve(what, stride, dilation, groups, upscale_factor)
    layout.require_no_gaps("so that not all phases can start with one filter")
    _, c_out = layout.channels(weight)
    per = layout.split(weight).shape[2]
    whole = layout.kernel
    if not layout.shuffled:
        for s, d in zip(layout.stride, layout.dilation, strict=True):
            if s > 1 and d > 1:
                raise SpecError(f"with stride {s} and dilation {d} the taps of a phase are no neighbours: no resize")
        whole = tuple(k // s for k, s in zip(layout.kernel, layout.stride, strict=True))
    blank = _blank(weight)
    kernel = torch.empty(c_out, per, *whole, dtype=blank.dtype, device=blank.device)
    with torch.no_grad():
        if init is None:
            nn.init.kaiming_normal_(kernel, nonlinearity="relu", generator=generator)
        else:
            init(kernel)
    if layout.shuffled:
        _tie_bias(what, layout)
        return _write(what, weight, kernel.repeat_interleave(math.prod(layout.stride), dim=0))
    # a convolution correlates and a transposed one scatters: the taps come in opposite order
    kernel = kernel.flip(*range(2, kernel.ndim))
    spread = []
    for k, s in zip(layout.kernel, layout.stride, strict=True):
        front = k % s // 2
        t = torch.arange(k) - front
        spread.append((t.div(s, rounding_mode="floor")[:, None] == torch.arange(k // s)).to(kernel))
    canonical = along(kernel.reshape(layout.groups, -1, *kernel.shape[1:]), spread)
    return _write(what, weight, layout.join(canonical))


def _he_std(weight: Tensor, layout: Layout, mode: Mode, nonlinearity: str, a: float) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise SpecError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    if nonlinearity not in _NONLINEARITIES:
        raise SpecError(f"nonlinearity must be one of {', '.join(_NONLINEARITIES)}, got {nonlinearity!r}")
    fan = fans(layout.spec, *layout.channels(weight))[mode == "fan_out"]
    return nn.init.calculate_gain(nonlinearity, a) / math.sqrt(fan)  # type: ignore[arg-type]


def _draw(
    what: Target, weight: Tensor, layout: Layout, std: float, per_phase: bool, generator: Any, *, uniform: bool
) -> Tensor:
    values = _blank(weight)
    if uniform:
        values.uniform_(-math.sqrt(3), math.sqrt(3), generator=generator)
    else:
        values.normal_(generator=generator)
    if per_phase and not layout.shuffled:  # the phases of a pixel shuffle have equally many taps
        layout.require_no_gaps("so that they have no fan-in of their own")
        for a, member in enumerate(layout.members(values)):
            taps = member.sum(dim=1) @ member  # of each tap's phase
            ratio = (layout.kernel[a] / layout.stride[a] / taps).sqrt()
            values *= ratio.reshape(-1, *(1,) * (layout.rank - 1 - a))
    return _write(what, weight, values * std)


def _on_own_channel(weight: Tensor, layout: Layout, lines: list[Tensor]) -> Tensor:
    """The weight that runs a separable filter on each channel by itself."""
    rows, per = layout.split(weight).shape[1:3]
    if rows != per:
        raise SpecError(
            f"interpolation keeps its channels, but a group has {per} in and {rows} out; take groups=C_in=C_out, or "
            "equal numbers"
        )
    kernel = filters.separable(layout, lines)
    one = torch.eye(rows, dtype=kernel.dtype).reshape(1, rows, rows, *(1,) * layout.rank)
    return layout.join((one * kernel).expand(layout.groups, *(-1,) * (2 + layout.rank)))


def _phase_labels(layout: Layout) -> Tensor:
    """The phase of each canonical weight, row-major over the axes, flattened."""
    label = torch.zeros((), dtype=torch.int64)
    for u, s in zip(layout.positions(), layout.stride, strict=True):
        label = label[..., None] * s + u % s
    return label.reshape(-1)


def _tie_bias(what: Target, layout: Layout) -> None:
    bias = getattr(what, "bias", None) if isinstance(what, nn.Module) else None
    if isinstance(bias, Tensor):
        phases = math.prod(layout.stride)
        mean = bias.detach().reshape(-1, phases).mean(dim=1)
        _write(what, bias, mean.repeat_interleave(phases), "bias")


def _blank(weight: Tensor) -> Tensor:
    """Room for new values, in at least single precision: half precision would round what is drawn."""
    dtype = torch.promote_types(weight.dtype, torch.float32)
    return torch.empty(weight.shape, dtype=dtype, device=weight.device)


def _write(what: Target, weight: Tensor, values: Tensor, name: str = "weight") -> Tensor:
    with torch.no_grad():
        if isinstance(what, nn.Module) and parametrize.is_parametrized(what, name):
            setattr(what, name, values.to(weight))
            return getattr(what, name)  # type: ignore[no-any-return]
        return weight.copy_(values)
