"""`upweave score`: lines, JSON, exit codes, and files that are not what they seem."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.artifacts.signals import pattern, tiled
from tests.cli.conftest import Upweave

Image = pytest.importorskip("PIL.Image")

NOISE = np.random.default_rng(0).normal(128, 20, (96, 80, 3))
CHECKED = NOISE + 10 * tiled(pattern((2, 2)), (96, 80))[..., None]


def save(path: Path, samples: np.ndarray, mode: str | None = None) -> Path:  # type: ignore[type-arg]
    image = Image.fromarray(samples.clip(0, 255).astype(np.uint8))
    (image.convert(mode) if mode else image).save(path)
    return path


@pytest.fixture
def pictures(folder: Path) -> Path:
    """A folder with a clean picture, a checkered one in a folder below, and things that are no pictures."""
    (folder / "in" / "below").mkdir(parents=True)
    save(folder / "in" / "clean.png", NOISE)
    save(folder / "in" / "below" / "checked.png", CHECKED)
    (folder / "in" / "notes.txt").write_text("not looked at")
    return folder / "in"


def test_exit_codes_and_lines(upweave: Upweave, pictures: Path) -> None:
    clean = upweave("score", pictures, "--stride", 2)
    assert (clean.code, clean.err) == (0, "")
    assert clean.out == f"    clean  {pictures}/clean.png\n"
    both = upweave("score", "in", "--stride", 2, "--recursive")
    assert both.code == 1
    assert "    clean  in/clean.png" in both.out
    assert " dB  in/below/checked.png" in both.out
    assert both.err == "2 scored, 1 at -40 dB or above, 0 skipped\n"
    assert upweave("score", "in", "--stride", 2, "-r", "--fail-above", 0).code == 0


def test_json_lines(upweave: Upweave, pictures: Path) -> None:
    ran = upweave("score", pictures, "--stride", "2x2", "-r", "--json")
    clean, checked = map(json.loads, ran.out.splitlines())
    assert clean["file"].endswith("clean.png")
    assert (clean["found"], clean["decibels"], clean["fraction"], clean["low"]) == (False, None, 0, 0)
    assert checked["found"]
    assert checked["amplitude"] == pytest.approx(10, rel=0.05)
    assert checked["low"] < checked["fraction"] < checked["high"]
    assert 10 * np.log10(checked["fraction"]) == pytest.approx(checked["decibels"])
    assert checked["stride"] == [2, 2]


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.png", "L"), ("a.png", "RGBA"), ("a.png", "LA"), ("a.webp", None), ("a.tif", "CMYK"), ("a.bmp", None),
     ("a.ppm", None), ("a.tif", "I"), ("a.jpg", None)],
)  # fmt: skip
def test_kinds_of_pictures(upweave: Upweave, folder: Path, name: str, mode: str | None) -> None:
    save(folder / name, NOISE + 60 * tiled(pattern((2, 2)), (96, 80))[..., None], mode)
    ran = upweave("score", name, "--stride", 2)
    assert (ran.code, ran.err) == (1, "")


def test_arrays_and_sounds(upweave: Upweave, folder: Path) -> None:
    from scipy.io import wavfile

    rng = np.random.default_rng(0)
    np.save(folder / "volume.npy", rng.normal(size=(2, 40, 40, 40)) + tiled(pattern((2, 2, 2)), (40, 40, 40)))
    sound = 1000 * (rng.normal(size=(8000, 2)) + tiled(pattern((4,)), (8000,))[:, None])
    wavfile.write(folder / "a.wav", 16000, sound.astype(np.int16))
    ran = upweave("score", "a.wav", "--stride", 4, "--json")
    assert json.loads(ran.out)["amplitude"] == pytest.approx(1000, rel=0.05)
    ran = upweave("score", "volume.npy", "--stride", 2, "--dims", 3, "--json")
    assert json.loads(ran.out)["amplitude"] == pytest.approx(1, rel=0.05)
    assert "1 sampled axes, not 3" in upweave("score", "a.wav", "--stride", 4, "--dims", 3).err


def test_bad_files_are_said_and_skipped(upweave: Upweave, pictures: Path) -> None:
    whole = save(pictures / "cut.png", NOISE).read_bytes()
    (pictures / "cut.png").write_bytes(whole[:2000])
    (pictures / "junk.jpg").write_bytes(b"no picture")
    (pictures / "empty.wav").write_bytes(b"")
    (pictures / "junk.npy").write_bytes(b"\x93NUMPY junk")
    save(pictures / "tiny.png", NOISE[:31])
    np.save(pictures / "nan.npy", np.full((64, 64), np.nan))
    np.save(pictures / "objects.npy", np.array([{}, None], object), allow_pickle=True)
    ran = upweave("score", pictures, "--stride", 2)
    assert ran.code == 2
    assert ran.out == f"    clean  {pictures}/clean.png\n"
    *lines, last = ran.err.splitlines()
    assert last == "1 scored, 0 at -40 dB or above, 7 skipped"
    said = {Path(line.split(": ")[1]).name: line.split(": ", 2)[2] for line in lines}
    assert said.keys() == {"cut.png", "junk.jpg", "empty.wav", "junk.npy", "tiny.png", "nan.npy", "objects.npy"}
    assert "at least 32" in said["tiny.png"]
    assert "NaN" in said["nan.npy"]
    assert "no picture" in said["junk.jpg"]
    assert "internal" not in ran.err
    ran = upweave("score", pictures, "--stride", 2, "-r")
    assert ran.code == 1  # what was found counts more


def test_nothing_outside_is_read_and_loops_end(upweave: Upweave, pictures: Path) -> None:
    outside = save(pictures.parent / "outside.png", CHECKED)
    (pictures / "link.png").symlink_to(outside)
    (pictures / "loop").symlink_to(pictures, target_is_directory=True)
    (pictures / "below" / "up").symlink_to(pictures.parent, target_is_directory=True)
    ran = upweave("score", pictures, "--stride", 2, "-r")
    assert len(ran.out.splitlines()) == 2
    assert "link" not in ran.out
    assert "outside.png" not in ran.out
    assert upweave("score", pictures / "link.png", "--stride", 2).code == 1  # it was named


def test_sizes_are_bounded(upweave: Upweave, pictures: Path) -> None:
    ran = upweave("score", pictures / "clean.png", "--stride", 2, "--max-pixels", 7000)
    assert ran.code == 2
    assert "80×96 pixels, more than 7000" in ran.err
    np.save(pictures / "big.npy", np.zeros((100, 100)))
    ran = upweave("score", pictures / "big.npy", "--stride", 2, "--max-pixels", 7000)
    assert "10000 samples, more than 7000" in ran.err


def test_special_files_are_not_opened(upweave: Upweave, folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    for name, says in (("pipe.png", "not a plain file"), ("/dev/zero", "not a plain file"), ("no.png", "No such file")):
        ran = upweave("score", name, "--stride", 2)
        assert ran.code == 2
        assert says in ran.err
    assert upweave("score", folder, "--stride", 2).error.startswith("error: there is no picture")


def test_names_stay_on_their_line(upweave: Upweave, folder: Path) -> None:
    save(folder / "a\nb\x1b[31m.png", NOISE)
    ran = upweave("score", ".", "--stride", 2)
    assert ran.out == "    clean  a\\x0ab\\x1b[31m.png\n"


@pytest.mark.parametrize(
    "args",
    [(), ("in",), ("in", "--stride", "0"), ("in", "--stride", "x"), ("in", "--stride", "1"), ("--stride", "2"),
     ("in", "--stride", "2", "--confidence", "1"), ("in", "--stride", "2", "--fail-above", "nan")],
)  # fmt: skip
def test_wrong_usage(upweave: Upweave, pictures: Path, args: tuple[str, ...]) -> None:
    assert upweave("score", *args).error
