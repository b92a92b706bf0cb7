"""Real pictures that other packages bring along, and what of them the labs take. Nothing is fetched.

faces         100 faces of 25×25 pixels, of Labeled Faces in the Wild (scikit-image)
photographs   in shades of grey, linear in the stored values (scikit-image)
silhouette    a horse against nothing (scikit-image)
"""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
import numpy.typing as npt

from ...errors import UpweaveError
from ..text import Text

Array = npt.NDArray[np.float64]

PHOTOGRAPHS = {
    "camera": Text("a man with a camera", "摄影师"),
    "astronaut": Text("an astronaut", "宇航员"),
    "chelsea": Text("a cat", "猫"),
    "coffee": Text("a cup of coffee", "一杯咖啡"),
    "brick": Text("a brick wall", "砖墙"),
}
"""Photographs by their name in `skimage.data`."""

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601

PACKAGES = {"skimage": "scikit-image", "torch": "upweave[torch]"}
"""Module → what to install for it."""


def missing(*modules: str) -> Text | None:
    """What to install where one of these modules (keys of `PACKAGES`) is missing, in a sentence; None if all are there."""
    lacking = [PACKAGES[m] for m in modules if importlib.util.find_spec(m) is None]
    if not lacking:
        return None
    command = f"pip install {' '.join(repr(p) for p in lacking)}"
    return Text(f"This part needs more than is installed: {command}", f"这一部分还需要安装：{command}")


@cache
def photograph(name: str, side: int = 192) -> Array:
    """The middle `side`×`side` pixels of a photograph, grey, in [0, 1]. Raises `UpweaveError` for an unknown name."""
    if name not in PHOTOGRAPHS:
        raise UpweaveError(f"no photograph is called {name!r}; there are {', '.join(PHOTOGRAPHS)}")
    import skimage.data

    picture = np.asarray(getattr(skimage.data, name)(), dtype=np.float64) / 255
    if picture.ndim == 3:
        picture = picture @ LUMA
    top, left = ((n - side) // 2 for n in picture.shape)
    if top < 0 or left < 0:
        raise UpweaveError(f"{name} has {picture.shape[0]}×{picture.shape[1]} pixels, fewer than {side}×{side}")
    out: Array = picture[top : top + side, left : left + side].copy()
    out.flags.writeable = False
    return out


@cache
def faces(side: int = 32) -> Array:
    """100 faces of `side`×`side` pixels, resized linearly: shape (100, side, side), in [0, 1]."""
    import skimage.data

    small = np.asarray(skimage.data.lfw_subset()[:100], dtype=np.float64)
    at = (np.arange(side) + 0.5) * small.shape[1] / side - 0.5
    grid = np.arange(small.shape[1])
    resize = np.stack([np.interp(at, grid, unit) for unit in np.eye(small.shape[1])], axis=1)
    out: Array = resize @ small @ resize.T
    out.flags.writeable = False
    return out


@cache
def silhouette() -> Array:
    """1 where the horse is, else 0: 320×384 pixels."""
    import skimage.data

    horse: Array = 1.0 - np.asarray(skimage.data.horse(), dtype=np.float64)
    out: Array = horse[4:324, 8:392].copy()
    out.flags.writeable = False
    return out
