"""Pictures and sounds in the page, written into it as data: nothing is stored beside it, nothing is fetched."""

from __future__ import annotations

import base64
import io
import struct
import wave
import zlib
from dataclasses import dataclass
from typing import Any

import marimo as mo
import numpy as np
import numpy.typing as npt

from ...errors import UpweaveError
from ..text import Text


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels in [0, 1], (H, W) or (H, W, 3), with a title and a line below; `width` in CSS pixels."""

    title: Text
    pixels: Any
    note: Text | None = None
    width: int = 220


def pictures(*items: Picture) -> mo.Html:
    """Pictures side by side, below each other on a phone; their pixels are not smoothed."""
    return mo.Html(f'<div class="uw-text uw-media"><div>{"".join(map(_figure, items))}</div></div>')


def sound(title: Text, samples: Any, rate: int, note: Text | None = None) -> mo.Html:
    """A line of samples in [−1, 1] that the reader can play."""
    return mo.Html(
        f'<div class="uw-text uw-media"><div><figure style="--w: 420px"><figcaption>{title.inline}</figcaption>'
        f'<audio controls preload="metadata" src="{wav(samples, rate)}"></audio>{_note(note)}</figure></div></div>'
    )


def png(pixels: Any) -> str:
    """A PNG of 8 bits a channel as a data address; values outside [0, 1] are clipped.

    Raises `UpweaveError` for another shape than (H, W) or (H, W, 3).
    """
    array = np.asarray(pixels, dtype=np.float64)
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)) or not array.size:
        raise UpweaveError(f"a picture is (H, W) or (H, W, 3), not {array.shape}")
    levels: npt.NDArray[np.uint8] = np.rint(255 * np.clip(array, 0, 1)).astype(np.uint8)
    height, width = levels.shape[:2]
    rows = levels.reshape(height, -1)
    plain = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()  # 0: no filter, each row
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if array.ndim == 3 else 0, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(plain, 6)) + _chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode("ascii")


def wav(samples: Any, rate: int) -> str:
    """A WAV of 16 bits, one channel, as a data address; values outside [−1, 1] are clipped.

    Raises `UpweaveError` for samples that are no line.
    """
    line = np.asarray(samples, dtype=np.float64)
    if line.ndim != 1:
        raise UpweaveError(f"a sound is one line of samples, not {line.shape}")
    out = io.BytesIO()
    with wave.open(out, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes(np.rint(32767 * np.clip(line, -1, 1)).astype("<i2").tobytes())
    return "data:audio/wav;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _figure(item: Picture) -> str:
    return (
        f'<figure style="--w: {item.width}px"><figcaption>{item.title.inline}</figcaption>'
        f'<img src="{png(item.pixels)}" alt="">{_note(item.note)}</figure>'
    )


def _note(note: Text | None) -> str:
    return f'<p class="note">{note.inline}</p>' if note is not None else ""
