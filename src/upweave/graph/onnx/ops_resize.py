"""Resize, Upsample, DepthToSpace and SpaceToDepth."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Literal, cast

import numpy as np

from ...errors import ModelError
from ..ir import Coordinates, PixelShuffle, PixelUnshuffle, Resize, Shape
from .order import title
from .registry import lowers
from .state import Call, NotUnderstood

_COORDINATES = ("half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric", "pytorch_half_pixel")
_NEAREST = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")


def plain_fraction(scale: float) -> Fraction:
    """The simplest fraction that is the same float32 (1/3, not 11184811/33554432)."""
    simple = Fraction(scale).limit_denominator(1024)
    return simple if np.float32(float(simple)) == np.float32(scale) else Fraction(scale)


@lowers("Upsample")
def upsample(call: Call) -> None:
    """Upsample, opsets 7 to 9: asymmetric coordinates, nearest rounds down."""
    scales = call.get("scales") if "scales" in call.attributes else _scales(call, 1)
    if scales is None:
        raise NotUnderstood("the scales of Upsample are computed at run time")
    mode = {"bilinear": "linear"}.get(call.get("mode", "nearest"), call.get("mode", "nearest"))
    _emit(call, _by_scales(call, call.shape(), [float(v) for v in scales]), mode, "asymmetric", "floor")


def _scales(call: Call, k: int) -> list[float] | None:
    numbers = call.numbers(k)
    return None if numbers is None else [float(v) for v in numbers.ravel()]


Plan = list[tuple[int, Fraction, int]]
"""(dimension, scale, output size) of every dimension that the node names."""


def _by_scales(call: Call, x: Shape, scales: list[float], axes: list[int] | None = None) -> Plan:
    axes = list(range(len(x))) if axes is None else axes
    if len(scales) != len(axes):
        raise ModelError(f"{title(call.node)}: {len(scales)} scales for {len(axes)} dimensions")
    plan: Plan = []
    for a, s in zip(axes, scales, strict=True):
        if not (s > 0 and math.isfinite(s)):
            raise ModelError(f"{title(call.node)}: the scale of dimension {a} is {s}")
        # Runtimes multiply in single precision; 0.6·5 must come out as they get it.
        plan.append((a, plain_fraction(s), math.floor(np.float32(x[a]) * np.float32(s))))
    return plan


def _by_sizes(call: Call, x: Shape, sizes: list[int], axes: list[int]) -> Plan:
    if len(sizes) != len(axes):
        raise ModelError(f"{title(call.node)}: {len(sizes)} sizes for {len(axes)} dimensions")
    if any(x[a] < 1 for a in axes):
        raise ModelError(f"{title(call.node)}: an input of {list(x)} cannot be resized to {sizes}")
    scales = [Fraction(n, x[a]) for n, a in zip(sizes, axes, strict=True)]
    policy = call.get("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        common = min(scales) if policy == "not_larger" else max(scales)
        return [(a, common, math.floor(common * x[a] + Fraction(1, 2))) for a in axes]
    return list(zip(axes, scales, sizes, strict=True))


@lowers("Resize")
def resize(call: Call) -> None:
    """Resize, opsets 10 to 19."""
    x = call.shape()
    if call.opset < 11:
        scales = _scales(call, 1)
        if scales is None:
            raise NotUnderstood("the scales of Resize are computed at run time")
        mode = call.get("mode", "nearest")
        # Opset 10 names no rounding; its own test data and ONNX Runtime round down to enlarge and up to shrink.
        shrinks = any(s < 1 for s in scales)
        if mode == "nearest" and shrinks and any(s > 1 for s in scales):
            raise NotUnderstood("a nearest Resize of opset 10 that enlarges one axis and shrinks another")
        _emit(call, _by_scales(call, x, scales), mode, "asymmetric", "ceil" if shrinks else "floor")
        return
    coordinates = call.get("coordinate_transformation_mode", "half_pixel")
    mode, nearest = call.get("mode", "nearest"), call.get("nearest_mode", "round_prefer_floor")
    if coordinates == "tf_half_pixel_for_nn":  # opset 11 alone: (n + ½)/scale, without the −½
        if (mode, nearest) != ("nearest", "floor"):
            raise NotUnderstood(f"Resize with tf_half_pixel_for_nn coordinates, {mode} and {nearest}")
        coordinates, nearest = "half_pixel", "round_prefer_ceil"  # ⌊y⌋ is y − ½ rounded, half-way up
    if coordinates not in _COORDINATES:
        raise NotUnderstood(f"Resize with {coordinates} coordinates reads a region of interest, not the whole input")
    axes = [int(a) % len(x) for a in call.get("axes") or range(len(x))]
    scales, sizes = _scales(call, 2), call.numbers(3)
    by_size = not scales
    if scales:
        plan = _by_scales(call, x, scales, axes)
    elif sizes is not None and sizes.size:
        plan = _by_sizes(call, x, [int(n) for n in sizes.ravel()], axes)
    else:
        raise NotUnderstood("the sizes of Resize are computed at run time")
    _emit(call, plan, mode, coordinates, nearest, by_size)


def _emit(call: Call, plan: Plan, mode: str, coordinates: str, nearest: str, by_size: bool = False) -> None:
    x = call.shape()
    if mode not in ("nearest", "linear", "cubic") or nearest not in _NEAREST:
        raise ModelError(f"{title(call.node)}: mode {mode!r}, nearest_mode {nearest!r}")
    moved = {a for a, scale, n in plan if scale != 1 or n != x[a]}
    spatial = set(range(2, len(x))) or set(range(len(x)))
    dims = moved if moved - spatial else spatial
    plan = sorted(p for p in plan if p[0] in dims)
    shape = list(x)
    for a, _, n in plan:
        if n < 1:
            raise ModelError(f"{title(call.node)}: dimension {a} of {list(x)} would be resized to {n}")
        shape[a] = n
    op = Resize(
        cast(Any, mode),
        cast(Coordinates, coordinates),
        tuple(a for a, _, _ in plan),
        tuple(s for _, s, _ in plan),
        tuple(n for _, _, n in plan),
        by_size,
        bool(call.get("antialias", 0)),
        float(call.get("cubic_coeff_a", -0.75)),
        cast(Any, nearest),
        bool(call.get("exclude_outside", 0)),
    )
    call.emit(op, [call.input(0).name], tuple(shape))


@lowers("DepthToSpace")
def depth_to_space(call: Call) -> None:
    """A pixel shuffle, channels in DCR (default) or CRD order."""
    x, b = call.shape(), int(call.get("blocksize", 0))
    if len(x) != 4 or b < 1 or x[1] % (b * b):
        raise ModelError(f"{title(call.node)}: blocksize {b} does not fit an input of shape {list(x)}")
    order: Literal["CRD", "DCR"] = "CRD" if call.get("mode", "DCR") == "CRD" else "DCR"
    call.emit(PixelShuffle((b, b), order), [call.input(0).name], (x[0], x[1] // (b * b), x[2] * b, x[3] * b))


@lowers("SpaceToDepth")
def space_to_depth(call: Call) -> None:
    """The inverse of DepthToSpace in DCR order."""
    x, b = call.shape(), int(call.get("blocksize", 0))
    if len(x) != 4 or b < 1 or x[2] % b or x[3] % b:
        raise ModelError(f"{title(call.node)}: blocksize {b} does not fit an input of shape {list(x)}")
    order: Literal["CRD", "DCR"] = "CRD" if call.get("mode", "DCR") == "CRD" else "DCR"
    call.emit(PixelUnshuffle((b, b), order), [call.input(0).name], (x[0], x[1] * b * b, x[2] // b, x[3] // b))
