"""Lab 4 in the browser: sliders moved, values read back and compared with the library, exercises answered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("marimo")

import upweave
from tests.labs.browsing import OVERFLOW, LabPage, eventually
from upweave.labs.kit import show
from upweave.labs.networks import Network
from upweave.labs.pictures import SHAPES, overlap, reconstructed

pytestmark = pytest.mark.browser


def test_grids_follow_the_controls(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("alignment")
    top, net = (lab.page.locator(".controls").nth(i) for i in (0, 1))
    assert lab.numbers("upweave.alignment")[:2] == ["1/2", "0"]
    lab.wait_for_text("centred: on the half-pixel grid")
    lab.mark("i1").hover()
    assert {m for m in lab.lit() if m.startswith("n")} == {"n1", "n2", "n3", "n4"}
    lab.control("w", top).fill("3 1 0")
    lab.control("o", top).evaluate("e => { e.value = 1; e.dispatchEvent(new Event('input', {bubbles: true})); }")
    axis = upweave.alignment(upweave.ConvTranspose(3, 2, 1, 1), np.array([[[3.0, 1, 0]]])).axes[0]
    wanted = [show(v) for v in (axis.shift_point, axis.shift_half_pixel, axis.centroid_shift_half_pixel)]
    eventually(lambda: lab.numbers("upweave.alignment")[:3], wanted)
    assert axis.kind == "phase-0"
    lab.wait_for_text("phase 0: sample 0 on sample 0")

    assert lab.page.locator(".figure").nth(1).locator("circle.second").count() == 24
    lab.mark("d0:3", figure=1).hover()
    assert lab.tip(1) == "sample 3 of decoder 0 sits at 7/2"
    assert lab.lit(1) == {"d0:3", "e0:3"}
    lab.control("down", net).select_option("conv3")
    eventually(lambda: lab.page.locator(".figure").nth(1).locator("circle.second").count(), 0)
    truth = SHAPES["cells"].mask(64)
    score = show(float(overlap(truth, reconstructed(Network("conv3", "k3o1", 2), truth))))
    eventually(lambda: lab.numbers("upweave.matrix")[2:4], [score, score])  # nothing to gain: it is aligned
    lab.control("up", net).select_option("k4")
    off = show(float(overlap(truth, reconstructed(Network("conv3", "k4", 2), truth))))
    eventually(lambda: lab.numbers("upweave.matrix")[2:4], [off, score])


def test_exercises_in_both_languages(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("alignment", lang="zh", width=390, scheme="dark")
    assert lab.page.evaluate(OVERFLOW) <= 0
    assert not lab.answer("shift", "1/2")
    assert "符号反了" in lab.verdict("shift")
    assert lab.answer("shift", "−1/2")
    assert not lab.answer("centre", "7 2")
    assert lab.answer("centre", "8 2")
    assert lab.answer("centre", "12 4")
    assert not lab.answer("stack", "-1.5")
    assert lab.answer("stack", "-3.5")
    lab.page.locator("h1").click()
    lab.switch_language()
    assert not lab.answer("meet", "crop")
    assert lab.answer("meet", "k4")
    assert not lab.answer("padding", "zeros")
    assert "the first 9 rows" in lab.verdict("padding")
    assert lab.answer("padding", "end")
    assert lab.page.evaluate(OVERFLOW) <= 0
