"""The interpolation kernels that everybody compares with, on one axis, and where the images of a tone go."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ...convert import impulse_response
from ...spec import ConvTranspose, ResizeConv
from ...theory.gain import dc_gain
from ...theory.spectrum import dtft, sinc_kernel

Array = npt.NDArray[np.float64]
NAMES = ("nearest", "linear", "cubic", "sinc", "equal", "random")


@dataclass(frozen=True, eq=False)
class Kernel:
    """A transposed convolution of one channel on one axis, and its weights, shape (k,)."""

    spec: ConvTranspose
    weight: Array


def kernel(name: str, stride: int) -> Kernel:
    """The kernel of that name for a stride: "nearest", "linear" and "cubic" are the half-pixel resizes, "sinc" the ideal
    filter in a Kaiser window of 6s taps, "equal" 2s − 1 equal weights and "random" 2s drawn ones."""
    s = stride
    if name in ("nearest", "linear", "cubic"):
        resize: Any = name
        h = impulse_response(ResizeConv(1, s, mode=resize))
        return Kernel(ConvTranspose(h.h.shape[-1], s, -h.low[0]), np.asarray(h.h, dtype=np.float64).reshape(-1))
    if name == "sinc":
        k = 6 * s
        spec = ConvTranspose(k, s, (k - s) // 2)
        w = sinc_kernel(s, np.arange(k) - (k - 1) / 2) * np.kaiser(k, 3.0)
        gains = dc_gain(spec, w.reshape(1, 1, k)).reshape(-1)
        return Kernel(spec, w / gains[(np.arange(k) - spec.per_axis()[0].begin) % s])
    if name == "equal":
        return Kernel(ConvTranspose(2 * s - 1, s, (s - 1) // 2), np.full(2 * s - 1, s / (2 * s - 1)))
    if name == "random":
        w = np.round(np.random.default_rng(3).standard_normal(2 * s), 2)
        return Kernel(ConvTranspose(2 * s, s, s // 2), w)
    raise KeyError(name)


@dataclass(frozen=True)
class Line:
    """One line of an upsampled tone's spectrum, in multiples of π on the output grid; `band` 0 is the tone itself."""

    band: int
    at: Fraction
    level: float


def lines(layer: Kernel, tone: Fraction) -> list[Line]:
    """The lines of a tone cos(π·tone·n), 0 ≤ tone < 1, behind a layer: the tone at tone/s and its images at
    |2m ± tone|/s, each with |H| there. By zero insertion all have the same size before the kernel."""
    (s,) = (int(a.stride) for a in layer.spec.per_axis())
    h = impulse_response(layer.spec, layer.weight.reshape(1, 1, -1))
    places: dict[Fraction, int] = {tone / s: 0}
    for m in range(1, s // 2 + 1):
        for at in ((2 * m - tone) / s, (2 * m + tone) / s):
            if at <= 1:
                places.setdefault(at, m)
    return [
        Line(m, at, float(np.abs(dtft(h.h.reshape(-1), np.pi * float(at), h.low[0]))))
        for at, m in sorted(places.items())
    ]


def decibels(level: float, base: float) -> float:
    """`level` over `base` in dB; −inf for nothing."""
    with np.errstate(divide="ignore"):
        return float(20 * np.log10(np.float64(level) / base)) if level > 1e-12 * base else float("-inf")
