"""Pictures of the labs: the PNG holds the samples, scenes are what they say, and weights fit them."""

from __future__ import annotations

import struct
import zlib
from base64 import b64decode

import numpy as np
import pytest

pytest.importorskip("marimo")

import upweave
from upweave.errors import UpweaveError
from upweave.labs.kit import Panel, enlarged, fitted, picture, same, scene, shrunk
from upweave.labs.kit.media import png
from upweave.labs.kit.words import unwrapped


def test_png_holds_the_samples() -> None:
    grey = np.arange(15, dtype=np.uint8).reshape(3, 5) * 17
    data = b64decode(png(grey / 255).removeprefix("data:image/png;base64,"))
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert (height, width) == grey.shape
    at = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[at - 4 : at])
    body = data[at + 4 : at + 4 + length]
    assert struct.unpack(">I", data[at + 4 + length : at + 8 + length]) == (zlib.crc32(b"IDAT" + body),)
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(3, 6)
    np.testing.assert_array_equal(rows[:, 1:], grey)
    with pytest.raises(UpweaveError, match="not \\(2,\\)"):
        png(np.zeros(2))


def test_pictures_clip_to_their_limits() -> None:
    panel = Panel(same("p"), 10, 10)
    picture(panel, 0, 0, [[-1.0, 0.5, 9.0]], 4, limits=(0, 1), name="p")
    (mark,) = panel.marks
    assert (mark["m"], mark["w"], mark["h"], mark["name"]) == ("image", 12, 4, "p")
    assert mark["href"].startswith("data:image/png;base64,")


def test_scenes() -> None:
    a = scene(32, 1)
    np.testing.assert_array_equal(a, scene(32, 1))
    assert np.abs(a - scene(32, 2)).mean() > 0.01
    assert 0 <= a.min() < a.max() <= 1
    assert shrunk(a, 4).shape == (8, 8)
    assert shrunk(a, 4).mean() == pytest.approx(a.mean())


def test_chinese_lines_are_joined_without_a_space() -> None:
    assert unwrapped("第一行，\n第二行\n**重要**。\n\n新段") == "第一行，第二行**重要**。\n\n新段"
    assert unwrapped("- 一，\n  二\n- 三") == "- 一，二\n- 三"
    assert unwrapped("one\ntwo\n- 三\n- 四") == "one\ntwo\n- 三\n- 四"


def test_fitted_weights_are_the_least_squares() -> None:
    """No small change of the weights comes nearer to the target, and a layer that made it is found again."""
    spec = upweave.ConvTranspose((4, 4), 2, 1)
    w = np.random.default_rng(0).standard_normal((4, 4))
    x = scene(12, 3)
    np.testing.assert_allclose(fitted(spec, [(x, enlarged(spec, w, x))], ridge=1e-12), w, atol=1e-5)
    assert enlarged(spec, w, x).ravel() == pytest.approx(upweave.matrix(spec, (12, 12), w) @ x.ravel())
