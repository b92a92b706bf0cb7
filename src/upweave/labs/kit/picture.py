"""Grey pictures in a drawing, and what there is to see on them: made-up scenes, the same for everyone."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode

import numpy as np
import numpy.typing as npt

from ...errors import UpweaveError
from .figure import Panel

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
    bytes_ = np.rint(255 * np.clip((grey - low) / span, 0, 1)).astype(np.uint8)
    href = "data:image/png;base64," + b64encode(png(bytes_)).decode()
    panel.image(x, y, side * grey.shape[1], side * grey.shape[0], href, name=name)


def png(grey: npt.NDArray[np.uint8]) -> bytes:
    """A grey picture (H, W) of bytes as a PNG file. Raises `UpweaveError` for another shape or type."""
    if grey.ndim != 2 or grey.dtype != np.uint8 or 0 in grey.shape:
        raise UpweaveError(f"a grey picture is (H, W) bytes, got {grey.dtype} of shape {grey.shape}")
    rows = np.pad(grey, ((0, 0), (1, 0)))  # each row begins with its filter: none

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
        + chunk(b"IEND", b"")
    )


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
