"""Pictures, arrays and sound from files, for the score."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bank import Array
from ..errors import UpweaveError
from ..spec import Ints
from .measure import score
from .result import ArtifactScore

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm"}
SUFFIXES = PICTURES | {".npy", ".wav"}
"""What is taken from a folder. A file that is named is tried as a picture, whatever its suffix."""

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")  # decoders in Pillow itself; none starts a program

MOST = 100_000_000
"""Pixels or samples of one file; what claims more is not decoded."""


class FileError(UpweaveError):
    """A file cannot be scored; the message is the reason, without the file's name."""


@dataclass(frozen=True, eq=False)
class Signal:
    """What a file holds: samples of shape (channels, *size), and the number of sampled axes."""

    samples: Array
    dims: int


def score_file(
    path: str | os.PathLike[str],
    stride: Ints,
    *,
    dims: int | None = None,
    confidence: float = 0.99,
    most: int = MOST,
) -> ArtifactScore:
    """The score of a picture, a `.npy` array or a `.wav` sound.

    Pictures have two sampled axes and colours for channels (the first frame, transparency left out), sounds have one;
    arrays have `dims`, or else 2, or 1 if that is all, and everything before counts as channels. Raises `FileError`
    where the file cannot be read or has more than `most` pixels, and `SpecError` as `score` does.
    """
    signal = read(path, dims=dims, most=most)
    return score(signal.samples, stride, dims=signal.dims, confidence=confidence)


def read(path: str | os.PathLike[str], *, dims: int | None = None, most: int = MOST) -> Signal:
    """The samples of a file; arguments and errors as for `score_file`."""
    path = Path(path)
    suffix = path.suffix.lower()
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileError("not a plain file")
        if suffix == ".npy":
            return _array(path, dims, most)
        found = _sound(path, most) if suffix == ".wav" else _picture(path, most)
    except UpweaveError:
        raise
    except MemoryError as e:
        raise FileError("too large for the memory there is") from e
    except Exception as e:  # decoders raise what they like: OSError, ValueError, SyntaxError, struct.error, …
        said = (e.strerror if isinstance(e, OSError) and e.strerror else str(e)) or type(e).__name__
        raise FileError(" ".join(said.split())) from e
    if dims not in (None, found.dims):
        raise FileError(f"has {found.dims} sampled axes, not {dims}")
    return found


def files(names: tuple[str, ...], *, recursive: bool = False) -> Iterator[Path]:
    """The files to score, in order: those named, and of folders those with a known suffix.

    Links that are named are followed. Links inside folders are not, to files or to folders, so that nothing is read
    outside what was named, and no loop is entered.
    """
    for name in names:
        if os.path.isdir(name):
            yield from _inside(Path(name), recursive)
        else:
            yield Path(name)


def _inside(folder: Path, recursive: bool) -> Iterator[Path]:
    for root, below, here in os.walk(folder, followlinks=False):
        below.sort()
        if not recursive:
            below.clear()
        for name in sorted(here):
            path = Path(root, name)
            if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink():
                yield path


def _array(path: Path, dims: int | None, most: int) -> Signal:
    array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    if not array.ndim:
        raise FileError("a single number, not a signal")
    if array.size > most:
        raise FileError(f"{array.size} samples, more than {most}")
    d = dims if dims is not None else min(2, array.ndim)
    if array.ndim < d:
        raise FileError(f"{array.ndim} axes, fewer than {d}")
    return Signal(array.reshape(-1, *array.shape[array.ndim - d :]), d)


def _sound(path: Path, most: int) -> Signal:
    from scipy.io import wavfile

    if path.stat().st_size > 8 * most:
        raise FileError(f"{path.stat().st_size} bytes, more than {8 * most}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks of other programs
        _, samples = wavfile.read(path)
    if samples.size > most:
        raise FileError(f"{samples.size} samples, more than {most}")
    return Signal(samples[None] if samples.ndim == 1 else samples.T, 1)


def _picture(path: Path, most: int) -> Signal:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as e:
        raise FileError("pictures need Pillow: pip install 'upweave[images]'") from e
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size is checked here, and odd metadata does not matter
        try:
            image = Image.open(path, formats=_FORMATS)
        except UnidentifiedImageError as e:
            raise FileError("no picture that is known here") from e
        except Image.DecompressionBombError as e:
            raise FileError(f"more than {most} pixels") from e
        with image:
            if image.width * image.height > most:
                raise FileError(f"{image.width}×{image.height} pixels, more than {most}")
            samples = np.asarray(_plain(image))
    return Signal(samples[None] if samples.ndim == 2 else np.moveaxis(samples, -1, 0), 2)


def _plain(image: Any) -> Any:
    """Grey or red, green and blue, as numbers: no palette and no transparency."""
    mode = image.mode
    if mode in ("L", "RGB", "I", "F") or mode.startswith("I;16"):
        return image
    return image.convert("L" if mode in ("1", "LA", "La") else "RGB")
