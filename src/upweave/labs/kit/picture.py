"""Grey pictures in a drawing, and what there is to see on them: made-up scenes, the same for everyone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .figure import Panel
from .media import png

Array = npt.NDArray[np.float64]


def picture(
    panel: Panel,
    x: float,
    y: float,
    values: npt.ArrayLike,
    side: float,
    *,
    limits: tuple[float, float] = (0.0, 1.0),
    name: str = "",
) -> None:
    """An array (H, W) as a picture whose samples are squares of `side`: black at the first limit, white at the second."""
    grey, (low, high) = np.asarray(values, dtype=np.float64), limits
    span = high - low or 1.0
    panel.image(x, y, side * grey.shape[1], side * grey.shape[0], png((grey - low) / span), name=name)


def scene(size: int, seed: int = 0) -> Array:
    """A made-up picture (size, size) with values in [0, 1]: shaded ground, discs and one straight edge, all soft by a
    sample, so that it has flat parts, ramps and edges as photographs do. The same seed gives the same picture."""
    draw = np.random.default_rng(seed)
    v, u = (np.mgrid[0:size, 0:size] + 0.5) / size
    sharp = size / 2  # an edge is two samples wide
    slope = draw.uniform(-0.25, 0.25, 2)
    out = 0.5 + slope[0] * (u - 0.5) + slope[1] * (v - 0.5)
    for _ in range(5):
        centre, radius, level = draw.uniform(0.1, 0.9, 2), draw.uniform(0.08, 0.28), draw.uniform(0.1, 0.9)
        inside = np.clip(0.5 + sharp * (radius - np.hypot(u - centre[0], v - centre[1])), 0, 1)
        out = out + inside * (level - out)
    angle = draw.uniform(0, np.pi)
    beyond = np.clip(0.5 + sharp * ((u - 0.5) * np.cos(angle) + (v - 0.8) * np.sin(angle)), 0, 1)
    return np.asarray(np.clip(out + 0.25 * beyond - 0.1, 0, 1))


def shrunk(values: Array, stride: int) -> Array:
    """The picture of means over squares of `stride` samples: what an upsampling layer by that stride should undo."""
    h, w = values.shape
    return np.asarray(values.reshape(h // stride, stride, w // stride, stride).mean(axis=(1, 3)))
