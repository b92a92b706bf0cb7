"""What an interpolating resize does on one axis, as a matrix: every mode of ONNX's Resize and of PyTorch's interpolate.

    y[n] = Σ_i M[n, i]·x[i]

Output n looks at the input coordinate x(n) that `resize_coordinates` gives, and a kernel around that point weighs the
samples. A resize of several axes is the product over the axes (`scipy.sparse.kron`).

How PyTorch's names translate (its `scale` is the one the user gave, or out/in where a size was given):

    nearest          nearest, asymmetric, nearest="floor"
    nearest-exact    nearest, half_pixel, nearest="round_prefer_ceil"
    bilinear …       linear, half_pixel or align_corners
    bicubic          cubic, half_pixel or align_corners, cubic_a=−0.75
    antialias=True   antialias and exclude_outside; bicubic then has cubic_a=−0.5
    area             area (adaptive average pooling)
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..errors import SpecError
from ..interpolation import keys

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ResizeMode: TypeAlias = Literal["nearest", "linear", "cubic", "area"]
Coordinates: TypeAlias = Literal[
    "half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric", "pytorch_half_pixel"
]
Rounding: TypeAlias = Literal["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]


def resize_coordinates(
    size: int, out_size: int, coordinates: Coordinates = "half_pixel", scale: Fraction | float | None = None
) -> list[Fraction]:
    """The exact input coordinate of every output index.

    half_pixel (n + ½)/scale − ½ · asymmetric n/scale · align_corners n·(in − 1)/(scale·in − 1), which is
    n·(in − 1)/(out − 1) where the scale is out/in (the default) · pytorch_half_pixel the first, and 0 for one output
    alone · half_pixel_symmetric the first, moved so that the middles of input and output agree.

    Raises `SpecError` for sizes or scales that are not positive, or an unknown name. Source: ONNX, operator Resize-19.
    """
    if size < 1 or out_size < 1:
        raise SpecError(f"a resize needs at least 1 sample on each side, got {size} → {out_size}")
    s = Fraction(out_size, size) if scale is None else Fraction(scale)
    if s <= 0:
        raise SpecError(f"the scale of a resize must be positive, got {scale}")
    half = Fraction(1, 2)
    if coordinates == "align_corners":
        last = s * size - 1
        return [n * (size - 1) / last if last > 0 else Fraction(0) for n in range(out_size)]
    if coordinates == "asymmetric":
        return [n / s for n in range(out_size)]
    if coordinates == "pytorch_half_pixel" and out_size == 1:
        return [Fraction(0)]
    if coordinates in ("half_pixel", "pytorch_half_pixel"):
        return [(n + half) / s - half for n in range(out_size)]
    if coordinates == "half_pixel_symmetric":
        offset = Fraction(size, 2) * (1 - Fraction(out_size) / (s * size))
        return [offset + (n + half) / s - half for n in range(out_size)]
    raise SpecError(f"unknown coordinates {coordinates!r}")


def resize_matrix(
    size: int,
    out_size: int,
    mode: ResizeMode = "linear",
    coordinates: Coordinates = "half_pixel",
    scale: Fraction | float | None = None,
    nearest: Rounding = "round_prefer_floor",
    cubic_a: float = -0.75,
    antialias: bool = False,
    exclude_outside: bool = False,
) -> csr_array:
    """The matrix of a one-axis resize, a `scipy.sparse.csr_array` of shape (out_size, size).

    `nearest` rounds the coordinate in mode "nearest". `antialias` widens a linear or cubic kernel by 1/scale when the
    signal shrinks. Samples outside the signal repeat its edge, or with `exclude_outside` are left out and the rest is
    normalised to sum 1. Raises `SpecError` for a bad size, scale or name.
    """
    from scipy.sparse import csr_array

    if mode == "area":
        rows = [_window(n, size, out_size) for n in range(out_size)]
    else:
        s = Fraction(out_size, size) if scale is None else Fraction(scale)
        places = resize_coordinates(size, out_size, coordinates, scale)
        rows = [_taps(x, mode, nearest, cubic_a, min(float(s), 1.0) if antialias else 1.0) for x in places]
        if mode != "nearest" and exclude_outside:
            rows = [_inside(at, w, size) for at, w in rows]
    at = np.concatenate([np.clip(a, 0, size - 1) for a, _ in rows])
    row = np.repeat(np.arange(out_size), [len(a) for a, _ in rows])
    return csr_array((np.concatenate([w for _, w in rows]), (row, at)), shape=(out_size, size))


Row: TypeAlias = "tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.float64]]]"


def _taps(x: Fraction, mode: str, nearest: str, a: float, shrink: float) -> Row:
    """The samples that coordinate x reads, and their weights, as if the signal went on for ever."""
    if mode == "nearest":
        return np.array([_rounded(x, nearest)]), np.ones(1)
    if mode not in ("linear", "cubic"):
        raise SpecError(f"a resize's mode is nearest, linear, cubic or area, not {mode!r}")
    reach = (1 if mode == "linear" else 2) / shrink
    at = np.arange(math.floor(float(x) - reach) + 1, math.ceil(float(x) + reach))
    t = np.abs(at - float(x)) * shrink
    w = np.clip(1 - t, 0, None) if mode == "linear" else keys(t, a)
    return at, w / w.sum()


def _rounded(x: Fraction, nearest: str) -> int:
    half = Fraction(1, 2)
    if nearest == "floor":
        return math.floor(x)
    if nearest == "ceil":
        return math.ceil(x)
    if nearest == "round_prefer_floor":
        return math.ceil(x - half)
    if nearest == "round_prefer_ceil":
        return math.floor(x + half)
    raise SpecError(f"unknown rounding {nearest!r}")


def _inside(
    at: np.ndarray[tuple[int], np.dtype[np.int64]], w: np.ndarray[tuple[int], np.dtype[np.float64]], n: int
) -> Row:
    keep = (at >= 0) & (at < n)
    if not keep.any():
        return np.clip(at[:1], 0, n - 1), np.ones(1)
    return at[keep], w[keep] / w[keep].sum()


def _window(n: int, size: int, out_size: int) -> Row:
    low, high = n * size // out_size, -(-(n + 1) * size // out_size)
    return np.arange(low, high), np.full(high - low, 1 / (high - low))
