"""The photographs in the wheels of scikit-image and scikit-learn, as luminance; nothing is fetched."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Picture = npt.NDArray[np.float32]

TRAINING = (
    "skimage/data/brick.png", "skimage/data/cell.png", "skimage/data/coins.png", "skimage/data/grass.png",
    "skimage/data/gravel.png", "skimage/data/hubble_deep_field.jpg", "skimage/data/ihc.png", "skimage/data/moon.png",
    "skimage/data/retina.jpg", "skimage/data/rocket.jpg", "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
)  # fmt: skip
HELD_OUT = (
    "skimage/data/astronaut.png", "skimage/data/camera.png", "skimage/data/chelsea.png", "skimage/data/coffee.png",
    "skimage/data/motorcycle_left.png",
)  # fmt: skip

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


def read(name: str) -> Picture:
    """The luminance of one photograph in [0, 1], (H, W); `RuntimeError` if its package is not there."""
    from PIL import Image

    package, _, inside = name.partition("/")
    found = importlib.util.find_spec(package)  # not imported: only its pictures are wanted
    path = Path(found.origin).parent / inside if found and found.origin else None
    if path is None or not path.exists():
        raise RuntimeError(f"{name} is not installed; pip install 'upweave[bench]'")
    with Image.open(path) as picture:
        samples = np.asarray(picture if picture.mode == "L" else picture.convert("RGB"), dtype=np.float32) / 255
    grey = samples if samples.ndim == 2 else samples @ np.array(LUMA, dtype=np.float32)
    return np.asarray(grey, dtype=np.float32)


def training() -> dict[str, Picture]:
    """The photographs to train on, by name."""
    return {name: read(name) for name in TRAINING}


def held_out(side: int, multiple: int = 16) -> dict[str, Tensor]:
    """The others, by name: their middle, at most `side` samples an axis and a multiple of `multiple`: (1, 1, H, W)."""
    out = {}
    for name in HELD_OUT:
        picture = read(name)
        size = [min(side, n) // multiple * multiple for n in picture.shape]
        first = [(n - m) // 2 for n, m in zip(picture.shape, size, strict=True)]
        crop = picture[first[0] : first[0] + size[0], first[1] : first[1] + size[1]]
        out[Path(name).stem] = torch.from_numpy(np.ascontiguousarray(crop))[None, None]
    return out


class Patches:
    """Random patches of some pictures: each picture is as likely as the others, each place in it, each of the eight
    ways to turn and mirror it. The same seed gives the same patches."""

    def __init__(self, pictures: Mapping[str, Picture], size: int, seed: int) -> None:
        self.pictures, self.size = list(pictures.values()), size
        self.rng = np.random.default_rng(seed)

    def batch(self, count: int) -> Tensor:
        """`count` patches, (count, 1, size, size)."""
        return torch.from_numpy(np.stack([self._one() for _ in range(count)])[:, None])

    def _one(self) -> Picture:
        picture = self.pictures[int(self.rng.integers(len(self.pictures)))]
        top, left = (int(self.rng.integers(n - self.size + 1)) for n in picture.shape)
        patch = np.rot90(picture[top : top + self.size, left : left + self.size], int(self.rng.integers(4)))
        return patch.T if self.rng.integers(2) else patch
