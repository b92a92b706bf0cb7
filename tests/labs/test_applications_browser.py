"""The labs on applications in the browser: controls moved, numbers compared with the library, exercises answered."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("marimo")
pytest.importorskip("torch")
pytest.importorskip("skimage")

import upweave
from tests.labs.browsing import OVERFLOW, LabPage
from upweave.labs.applied import decoder, multigrid, segmentation, superresolution, vocoder, volume
from upweave.labs.applied.data import silhouette
from upweave.labs.kit import show, wav

pytestmark = pytest.mark.browser


def until(lab: LabPage, source: str, number: str) -> None:
    """Wait until a visible number that links to `source` reads `number`."""
    pattern = re.compile(f"^{re.escape(number)}$")
    lab.page.locator(f"[data-number='{source}']:visible").filter(has_text=pattern).first.wait_for(timeout=20_000)


def test_faces(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("decoder")
    until(lab, "upweave.artifacts.score", show(decoder.decoded("k4", 0, 0).checkerboard[0]))
    lab.wait_for_paint(lambda: lab.move("kind", "k3"))
    until(lab, "upweave.artifacts.score", show(decoder.decoded("k3", 0, 0).checkerboard[0]))
    until(lab, "upweave.coverage", show(25.0))
    lab.wait_for_text("UW104 compounding-coverage")
    counts = decoder.path_counts("k3").ravel()
    assert lab.texts("c[0-9],[0-9]") == [show(v) for v in counts]
    assert lab.page.locator(".uw-media img").count() == 3
    assert not lab.answer("remedy", "k4")
    assert lab.answer("remedy", "equal")
    assert not lab.answer("paths", "8")
    assert lab.answer("paths", "5")


def test_segmentation_in_chinese_on_a_phone(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("segmentation", lang="zh", width=390, scheme="dark")
    assert lab.page.evaluate(OVERFLOW) <= 0
    lab.wait_for_paint(lambda: lab.move("s", 8))
    until(lab, "upweave.alignment", show(segmentation.shift(8, 0)))
    lab.move("p", 2)
    until(lab, "upweave.alignment", "centred")
    _, overlap, moved = segmentation.result(silhouette(), 8, 4)
    lab.wait_for_text(f"{show(moved)} 像素")
    lab.wait_for_text(f"重叠率 {show(overlap)}")
    assert not lab.answer("centred", "3")
    assert lab.answer("centred", "4")
    assert not lab.answer("stacked", "6")
    assert "放大" in lab.verdict("stacked")
    assert lab.answer("stacked", "28")
    assert not lab.answer("meets", "k4")
    assert lab.answer("meets", "k3")


def test_photographs(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("superresolution")
    lab.wait_for_paint(lambda: lab.move("layer", "k4"))
    spec, weight = superresolution.LAYERS["k4"], superresolution.best_weight("k4", "camera")
    until(lab, "upweave.image_rejection", show(upweave.image_rejection(spec, weight).typical))
    texts = lab.texts("w[0-9],[0-9]")
    assert texts == [show(float(f"{v:.3g}")) for v in np.round(weight[0, 0], 2).ravel()]
    lab.wait_for_text(re.compile("The audit of a small network"))
    assert not lab.answer("price", "much")
    assert lab.answer("price", "nothing")
    assert lab.answer("reads", "1 2 2 4")


def test_volumes(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("volume")
    assert lab.texts("c[01],[01],[01]") == ["1", "2", "2", "4", "2", "4", "4", "8"]
    lab.wait_for_paint(lambda: lab.move("seed", 3))
    found = volume.decoded("k3", (2, 2, 2), 3).by_phase.ravel()
    assert lab.texts("m[01],[01],[01]") == [show(float(f"{v:.3g}")) for v in found]
    lab.move("kind", "equal")
    lab.wait_for_text("∞")
    assert not lab.answer("thick", "444")
    assert "loses a slice" in lab.verdict("thick")
    assert lab.answer("thick", "344")
    assert lab.answer("saved", "27/8")


def test_physics(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("poisson", lang="zh")
    lab.wait_for_paint(lambda: lab.move("line", "linear"))
    until(lab, "upweave.labs.applied.multigrid.two_grid_factor", show(multigrid.two_grid_factor()))
    lab.wait_for_paint(lambda: lab.move("before", 2))
    until(lab, "upweave.labs.applied.multigrid.two_grid_factor", show(multigrid.two_grid_factor(2, 1)))
    assert not lab.answer("factor", "0.36")
    assert lab.answer("factor", "0.22")
    assert not lab.answer("grows", "ten")
    assert lab.answer("grows", "repeat")
    assert lab.answer("flat", "0.6")


def test_sound(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("vocoder")
    player = lab.page.locator("audio").first
    assert player.get_attribute("src") == wav(vocoder.rendered("trained", 0.5), vocoder.RATE)
    assert lab.page.evaluate("document.querySelector('audio').duration") == pytest.approx(2.39, abs=0.05)
    lab.wait_for_paint(lambda: lab.move("offset", 9))
    until(lab, "upweave.frequency_response", show(vocoder.whistles("trained", 0.9)))
    lab.wait_for_paint(lambda: lab.move("kind", "equal"))
    until(lab, "upweave.frequency_response", show(vocoder.whistles("equal", 0.9)))
    assert not lab.answer("pitch", "2756.25")
    assert lab.answer("pitch", "689")
    assert not lab.answer("images", "2440 4440")
    assert lab.answer("images", "1560 2440")
    lab.page.locator("h1").click()
    lab.switch_language()
    assert not lab.answer("silent", "trained")
    assert "啸叫" in lab.verdict("silent")
    assert lab.answer("silent", "nearest")
