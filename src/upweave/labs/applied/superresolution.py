"""Photographs twice as large: the best weight that a transposed convolution can have, by least squares.

The small picture is the large one's means over 2×2 squares. A layer's output is linear in its weight, so that the
weight with the least squared error is the solution of k² linear equations: no training, no learning rate, no luck. It
is found on all photographs but the one that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from ...bank import PhaseBank
from ...convert.forward import phase_bank
from ...ops.conv_transpose import conv_transpose
from ...ops.upsample import upsample
from ...spec import ConvTranspose, ResizeConv
from .data import PHOTOGRAPHS, photograph

Array = npt.NDArray[np.float64]

LAYERS: Mapping[str, ConvTranspose] = {
    "k2": ConvTranspose(2, 2),
    "k3": ConvTranspose(3, 2, 1, 1),
    "k4": ConvTranspose(4, 2, 1),
    "k5": ConvTranspose(5, 2, 2, 1),
    "k6": ConvTranspose(6, 2, 2),
    "k8": ConvTranspose(8, 2, 3),
    "k9": ConvTranspose(9, 2, 4, 1),
}
"""Layers that make an input of any length exactly twice as long; k9 s2 p4 o1 is FSRCNN's."""

FIXED: Mapping[str, ResizeConv] = {m: ResizeConv(1, 2, mode=m) for m in ("nearest", "linear", "cubic")}
"""Resizes with nothing to learn."""

BORDER = 12  # pixels that are not compared: there the layers read zeros


def reduced(picture: Array) -> Array:
    """Means over 2×2 squares."""
    h, w = picture.shape
    return np.asarray(picture.reshape(h // 2, 2, w // 2, 2).mean(axis=(1, 3)))


def enlarged(small: Array, spec: ConvTranspose, weight: Array, channel: int | slice = 0) -> Array:
    """The layer's output for one picture: its first channel, or several."""
    a = spec.per_axis(1)[0]
    out = conv_transpose(
        np.ascontiguousarray(small)[None, None], weight, stride=2, padding=a.begin, output_padding=int(a.output_padding)
    )
    return np.asarray(out[0, channel])


@cache
def equations(layer: str, name: str) -> tuple[Array, Array]:
    """(AᵀA, Aᵀb) of one photograph: row t of Aᵀ is what tap t alone makes of the small picture, b the large one."""
    spec, picture = LAYERS[layer], photograph(name)
    k = int(spec.per_axis(1)[0].kernel)
    alone = enlarged(reduced(picture), spec, np.eye(k * k).reshape(1, k * k, k, k), channel=slice(None))
    inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    rows = alone[inner].reshape(k * k, -1)
    return rows @ rows.T, rows @ picture[inner].ravel()


@cache
def best_weight(layer: str, without: str) -> Array:
    """The weight (1, 1, k, k) with the least squared error over all photographs but one."""
    parts = [equations(layer, name) for name in PHOTOGRAPHS if name != without]
    normal, right = sum(p[0] for p in parts), sum(p[1] for p in parts)
    k = int(LAYERS[layer].per_axis(1)[0].kernel)
    return np.asarray(np.linalg.solve(np.asarray(normal), np.asarray(right))).reshape(1, 1, k, k)


def bank_of(mode: str) -> PhaseBank:
    """The phase bank of a fixed resize of pictures."""
    return phase_bank(FIXED[mode], np.ones((1, 1, 1, 1)))


def resized(small: Array, mode: str) -> Array:
    """A fixed resize of one picture, with zeros outside."""
    return np.asarray(upsample(np.ascontiguousarray(small)[None, None], bank_of(mode))[0, 0])


def psnr(found: Array, truth: Array) -> float:
    """Peak signal-to-noise ratio in dB, for pictures in [0, 1], without their borders."""
    inner = (slice(BORDER, -BORDER),) * 2
    return float(-10 * np.log10(np.mean((found[inner] - truth[inner]) ** 2)))
