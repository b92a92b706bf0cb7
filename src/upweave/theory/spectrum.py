"""The frequency view: zero insertion makes images of the spectrum, and the kernel is the filter that removes them.

|X(e^{jω})|       ▁▃█▃▁                          one base band
after insertion   █▁▃▁█▁▃▁█   X(e^{jsω})         s−1 images, at 2πm/s
ideal filter      ▔▔▏          gain s up to π/s, then nothing
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bank import Array, PhaseBank
from ..convert.forward import impulse_response
from ..convert.impulse import Impulse
from ..errors import SpecError
from ..spec import Spec, is_int


@dataclass(frozen=True, eq=False)
class ImageRejection:
    """Base-band power over image power for a white input, in dB; inf where there are no images.

    Attributes:
        typical: over all channels together (Frobenius norm).
        worst: the mean base-band power of an input direction over the greatest image power of any (spectral norm);
            never more than `typical`, and equal to it for a single channel.
        per_pair: shape (C_out, C_in/g), each channel pair alone; nan for a pair of zeros.
    """

    typical: float
    worst: float
    per_pair: Array


def frequency_response(what: Spec | PhaseBank, weight: Any = None, *, n: int = 64) -> Array:
    """The transform of the impulse response, H(e^{jω}) = Σ_u h[u]·e^{−jωu}, sampled at ω = 2πm/n on each axis.

    Complex, shape (C_out, C_in/g, n…), in FFT order (m = 0…n−1; `numpy.fft.fftshift` centres it); ω is in radians a
    sample of the output grid, so that images stand at 2πm/s. It takes
    16·C_out·C_in/g·n^d bytes. Arguments and errors as for `phase_bank`.
    Source: the article, zero insertion and signal reconstruction.
    """
    if not is_int(n) or n < 1:
        raise SpecError(f"a frequency response needs a whole number of points, at least one, got n = {n!r}")
    impulse = impulse_response(what, weight)
    out = impulse.h.astype(np.complex128)
    omega = 2 * np.pi * np.arange(n) / n
    for a in range(impulse.rank):
        waves = np.exp(-1j * np.outer(omega, impulse.positions(a)))
        out = np.moveaxis(np.tensordot(waves, out, axes=(1, 2 + a)), 0, 2 + a)
    return out


def images(what: Spec | PhaseBank, weight: Any = None) -> Array:
    """The power that a white input has in each band of width 2π/s: shape (s₁…s_d), band m around 2πm/s.

    Band 0 is the base band, the others are images. Σ over channel pairs of (1/2π)∫|H|² over the band, in closed form:
    (1/2π)∫e^{jωv} over a band is sinc(v/s)/s·e^{2πjmv/s}. The bands add up to Σ|h|².
    Arguments and errors as for `phase_bank`.
    """
    impulse = impulse_response(what, weight)
    flat = impulse.h.reshape(-1, *impulse.h.shape[2:]).astype(np.float64)
    out = np.empty(impulse.stride)
    for m in np.ndindex(*impulse.stride):
        filtered = flat
        for a, band in enumerate(m):
            filtered = np.moveaxis(np.tensordot(_band(impulse, a, band), filtered, axes=(1, 1 + a)), 0, 1 + a)
        out[m] = float((flat * filtered).sum())
    return np.maximum(out, 0.0)


def image_rejection(what: Spec | PhaseBank, weight: Any = None) -> ImageRejection:
    """How well a layer suppresses the images of the spectrum: base-band over image power for a white input, in dB.

    A nearest resize by 2 has 6.5 dB on an axis, zero insertion alone 0 dB. Powers under 1e-12 of the whole are none.
    Arguments and errors as for `phase_bank`. Source: the article, zero insertion and signal reconstruction.
    """
    impulse = impulse_response(what, weight)
    h = impulse.h.astype(np.float64)
    c_out, c_in = h.shape[:2]
    size = int(np.prod(h.shape[2:]))
    # The base band is a product over axes, so its quadratic form is diagonal in the product of the axes' eigenvectors:
    # axis by axis that costs Σ k³, where the form over all taps would cost (Π k)³.
    turned, share = h, np.ones(())
    for axis in range(impulse.rank):
        values, vectors = np.linalg.eigh(_band(impulse, axis, 0))
        turned = np.moveaxis(np.tensordot(turned, vectors, axes=(2 + axis, 0)), -1, 2 + axis)
        share = np.multiply.outer(share, values)
    flat, kept = turned.reshape(c_out, c_in, size), np.clip(share.reshape(size), 0.0, 1.0)
    whole, low = (h * h).reshape(c_out, c_in, size).sum(axis=-1), (flat * flat * kept).sum(axis=-1)
    total = float(whole.sum())
    # image power of an input direction v is ‖A v‖², A the channels filtered by a square root of 1 − base
    root = np.sqrt(1.0 - kept)
    g = impulse.groups
    a = (flat * root).reshape(g, c_out // g, c_in, size).swapaxes(2, 3).reshape(g, -1, c_in)
    greatest = float(np.linalg.eigvalsh(a.swapaxes(1, 2) @ a).max())
    mean = float(low.sum()) / (c_in * g)
    return ImageRejection(
        _ratio(float(low.sum()), total - float(low.sum()), total),
        _ratio(mean, greatest, total / (c_in * g)),
        np.vectorize(_ratio, otypes=[float])(low, whole - low, whole),
    )


def ideal_lowpass(stride: int, n: int) -> npt.NDArray[np.float64]:
    """The ideal interpolation filter on `frequency_response`'s grid: gain s for |ω| ≤ π/s, else 0; shape (n,)."""
    m = np.arange(n)
    return np.where(2 * stride * np.minimum(m, n - m) <= n, float(stride), 0.0)


def sinc_kernel(stride: int, at: Any) -> npt.NDArray[np.float64]:
    """The ideal filter's impulse response h[n] = sin(πn/L)/(πn/L), L = stride, at the integers `at`."""
    return np.sinc(np.asarray(at, dtype=np.float64) / stride)


def zero_insert(x: Any, stride: int) -> Array:
    """x_↑L[n] = x[n/L] where L divides n, else 0, along the last axis: length L·N. Its transform is X(e^{jLω})."""
    x = np.asarray(x)
    out = np.zeros((*x.shape[:-1], stride * x.shape[-1]), dtype=x.dtype)
    out[..., ::stride] = x
    return out


def dtft(x: Any, omega: Any, start: int = 0) -> npt.NDArray[np.complex128]:
    """The discrete-time Fourier transform Σ_n x[n]·e^{−jωn} of a line whose first sample is n = `start`."""
    x = np.asarray(x)
    n = np.arange(start, start + len(x))
    return np.asarray(np.exp(-1j * np.multiply.outer(np.asarray(omega, dtype=np.float64), n)) @ x)


def _band(impulse: Impulse, axis: int, band: int) -> Array:
    """The matrix that keeps band `band` of an axis, in the quadratic form Σ h[u]·B[u−v]·h[v]."""
    s, u = impulse.stride[axis], impulse.positions(axis)
    v = u[:, None] - u[None, :]
    return np.sinc(v / s) / s * np.cos(2 * np.pi * band * v / s)


def _ratio(above: float, below: float, whole: float) -> float:
    if whole <= 0:
        return float("nan")
    if below <= 1e-12 * whole:
        return float("inf")
    return float(10 * np.log10(above / below)) if above > 1e-12 * whole else float("-inf")
