"""A head of ellipsoids, and what the first layer of a decoder for volumes makes of tissue that is the same all over.

A decoder's features are constant where the tissue is: channel c has the value A[c, tissue], A ≥ 0 as behind a ReLU. A
layer of random weights makes of each constant one constant *a phase*; whatever varies inside the tissue is artifact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from ...convert.backward import to_conv_transpose
from ...convert.forward import boundary, phase_bank
from ...ops.conv_transpose import conv_transpose
from ...spec import ConvTranspose, ResizeConv
from ..text import Text
from .gains import equal_gains

Array = npt.NDArray[np.float64]

SIZE, CHANNELS = 64, 8
AIR, SKULL, GREY, WHITE, FLUID, LESION = range(6)

# tissue, centre (z, y, x), half axes, in units of half the volume; later ones lie over earlier ones
ELLIPSOIDS = (
    (SKULL, (0.0, 0.0, 0.0), (0.90, 0.92, 0.78)),
    (GREY, (0.0, 0.0, 0.0), (0.80, 0.82, 0.68)),
    (WHITE, (0.02, 0.0, 0.0), (0.66, 0.68, 0.54)),
    (FLUID, (0.05, -0.05, -0.13), (0.24, 0.30, 0.08)),
    (FLUID, (0.05, -0.05, 0.13), (0.24, 0.30, 0.08)),
    (LESION, (-0.20, 0.34, 0.10), (0.27, 0.25, 0.25)),
)

KINDS: Mapping[str, tuple[Text, int, int, int]] = {
    "k3": (Text("k3 p1 o1 (MONAI's U-Net)", "k3 p1 o1（MONAI 的 U-Net）"), 3, 1, 1),
    "k2": (Text("k2 p0 (U-Net's)", "k2 p0（U-Net 所用）"), 2, 0, 0),
    "k4": (Text("k4 p1", "k4 p1"), 4, 1, 0),
    "equal": (Text("k3 p1 o1, equal gains", "k3 p1 o1，各相位增益相等"), 3, 1, 1),
    "folded": (Text("nearest ×2 + 3×3×3, folded into k4", "最近邻 ×2 加 3×3×3，折叠成 k4"), 4, 1, 0),
}
"""Layers by name: title, kernel, padding, output padding on an axis of stride 2."""


@cache
def head() -> npt.NDArray[np.int64]:
    """The tissue of each of 64³ voxels."""
    at = (np.arange(SIZE) + 0.5) * 2 / SIZE - 1
    z, y, x = np.meshgrid(at, at, at, indexing="ij")
    out = np.zeros((SIZE,) * 3, dtype=np.int64)
    for tissue, (cz, cy, cx), (rz, ry, rx) in ELLIPSOIDS:
        out[((z - cz) / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1] = tissue
    out.flags.writeable = False
    return out


def features(stride: tuple[int, int, int], seed: int = 0) -> Array:
    """What an encoder hands to the decoder: shape (1, 8, *(64 / stride)), constant inside each tissue."""
    levels = np.abs(np.random.default_rng(seed).standard_normal((CHANNELS, 6)))
    levels[:, AIR] = 0
    levels[:, LESION] = 1.1 * levels[:, WHITE]  # a lesion of 10 % contrast in every channel
    fine = levels[:, head()]
    split = [n for s in stride for n in (SIZE // s, s)]
    return np.ascontiguousarray(fine.reshape(CHANNELS, *split).mean(axis=(2, 4, 6)))[None]


def layer(kind: str, stride: tuple[int, int, int]) -> ConvTranspose:
    """The layer: `KINDS` on axes of stride 2, and k3 p1 on an axis that is not enlarged."""
    _, k, p, o = KINDS[kind]
    per_axis = [(k, p, o) if s == 2 else (3, 1, 0) for s in stride]
    return ConvTranspose(
        tuple(a[0] for a in per_axis), stride, tuple(a[1] for a in per_axis), tuple(a[2] for a in per_axis)
    )


def weight(kind: str, stride: tuple[int, int, int], seed: int = 0) -> Array:
    """Random weights (8, 1, k, k, k), uniform as PyTorch's are; "equal" and "folded" as their names say."""
    spec = layer(kind, stride)
    k = tuple(int(a.kernel) for a in spec.per_axis(3))
    rng = np.random.default_rng(seed)
    if kind == "folded":
        resize = ResizeConv((3, 3, 3), stride, (1, 1, 1), mode="nearest")
        kernel = rng.uniform(-1, 1, (1, CHANNELS, 3, 3, 3))
        found, folded, _ = to_conv_transpose(phase_bank(resize, kernel), boundary(resize, 3))
        assert found.per_axis(3) == spec.per_axis(3), (found, spec)
        return np.asarray(folded)
    out = rng.uniform(-1, 1, (CHANNELS, 1, *k))
    if kind == "equal":
        out = equal_gains(out, stride)
    return np.asarray(out)


@dataclass(frozen=True, eq=False)
class Decoded:
    """A layer's output, (64, 64, 64), and what a radiologist's tools would read off it.

    Attributes:
        volume: scaled so that the root mean square of the white matter is 1, and its mean is not negative.
        variation: standard deviation of the white matter; 0 is flat, 1 is nothing but pattern.
        contrast: difference of the means of lesion and white matter over that standard deviation; inf for none.
        by_phase: the mean of the white matter at each phase of the output, shape = stride.
    """

    volume: Array
    variation: float
    contrast: float
    by_phase: Array


@cache
def decoded(kind: str, stride: tuple[int, int, int], seed: int = 0) -> Decoded:
    """Run the layer over the head's features."""
    spec = layer(kind, stride)
    axes = spec.per_axis(3)
    out = conv_transpose(
        features(stride, seed), weight(kind, stride, seed), stride=stride,
        padding=tuple(a.begin for a in axes), output_padding=tuple(int(a.output_padding) for a in axes),
    )[0, 0]  # fmt: skip
    white, lesion = inside(WHITE), inside(LESION)
    out = np.asarray(out) * (np.sign(out[white].mean()) or 1) / np.sqrt(np.mean(out[white] ** 2))
    deviation = float(out[white].std())
    difference = abs(float(out[lesion].mean() - out[white].mean()))
    phases = np.empty(stride)
    for r in np.ndindex(*stride):
        at = tuple(slice(a, None, s) for a, s in zip(r, stride, strict=True))
        phases[r] = out[at][white[at]].mean()
    contrast = difference / deviation if deviation > 1e-9 * difference else float("inf")
    return Decoded(np.asarray(out), deviation, contrast, phases)


@cache
def inside(tissue: int, depth: int = 3) -> npt.NDArray[np.bool_]:
    """The voxels whose whole neighbourhood of (2·depth + 1)³ voxels is of one tissue: all that these layers read."""
    out = head() == tissue
    for axis in range(3):
        out = np.logical_and.reduce([np.roll(out, step, axis=axis) for step in range(-depth, depth + 1)])
    return np.asarray(out)
