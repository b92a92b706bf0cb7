"""Signals whose artifacts are known."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[np.float64]


def pattern(stride: tuple[int, ...], seed: int = 0) -> Array:
    """One period of a random pattern with mean 0 and variance 1."""
    p = np.random.default_rng(seed).standard_normal(stride)
    p -= p.mean()
    return np.asarray(p / p.std())


def tiled(p: Array, size: tuple[int, ...]) -> Array:
    """p(n mod s) over a size that need not be a multiple of s."""
    at = np.ix_(*(np.arange(n) % s for n, s in zip(size, p.shape, strict=True)))
    return np.asarray(p[at])


def smooth(size: tuple[int, ...], seed: int = 0) -> Array:
    """A picture without noise and without detail: a ramp, a bowl, and slow waves that fit no block."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.arange(n) / 64 for n in size), indexing="ij")
    out = sum(float(rng.normal()) * a + float(rng.normal()) * a * a / 10 for a in axes)
    for _ in range(4):
        wave = sum(float(rng.uniform(0.3, 1.5)) * a for a in axes) + rng.uniform(0, 6)
        out = out + rng.normal() * np.cos(2 * np.pi * wave)
    return np.asarray(out)


def pink(size: tuple[int, ...], seed: int = 0, fall: float = 1.0) -> Array:
    """Noise whose amplitude falls as 1/f^fall, as that of natural pictures does; variance 1."""
    noise = np.random.default_rng(seed).standard_normal(size)
    f = np.sqrt(sum(a * a for a in np.meshgrid(*(np.fft.fftfreq(n) for n in size), indexing="ij")))
    f.flat[0] = np.inf
    out = np.fft.ifftn(np.fft.fftn(noise) / f**fall).real
    return np.asarray(out / out.std())


PNG = ("astronaut", "brick", "camera", "cell", "chelsea", "coffee", "coins", "grass", "gravel", "ihc", "moon")
JPG = ("hubble_deep_field", "retina", "rocket")
SKIMAGE = (*(f"{n}.png" for n in (*PNG, "motorcycle_left")), *(f"{n}.jpg" for n in JPG))
SKLEARN = ("china.jpg", "flower.jpg")


def photographs() -> dict[str, npt.NDArray[np.uint8]]:
    """The photographs in the wheels of scikit-image and scikit-learn, (H, W) or (C, H, W); nothing is fetched."""
    image = pytest.importorskip("PIL.Image")
    paths = [_package("skimage") / "data" / name for name in SKIMAGE]
    paths += [_package("sklearn") / "datasets" / "images" / name for name in SKLEARN]
    out = {}
    for path in paths:
        if path.exists():
            with image.open(path) as picture:
                samples = np.asarray(picture if picture.mode == "L" else picture.convert("RGB"))
            out[path.name] = samples if samples.ndim == 2 else np.moveaxis(samples, -1, 0)
    assert len(out) >= 12, f"photographs are missing: {sorted(out)}"
    return out


def _package(name: str) -> Path:
    """The folder of a package, which is not imported: only its pictures are wanted."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        pytest.skip(f"{name} is not installed")
    return Path(spec.origin).parent
