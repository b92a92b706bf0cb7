"""Lab 1 in the browser: sliders moved, values read back and compared with the library, exercises answered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("marimo")

import upweave
from tests.labs.browsing import OVERFLOW, LabPage, eventually
from upweave.labs.kit import show
from upweave.theory.adjoint import adjoint

pytestmark = pytest.mark.browser


def test_sliders_move_what_the_library_computes(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("matrix")
    w = np.array([2.0, -1.0, 3.0]).reshape(1, 1, 3)
    assert lab.texts("x[0-9]+") == ["1", "2", "3", "4", "5"]
    assert lab.texts("y[0-9]+") == [show(v) for v in upweave.matrix(upweave.Conv(3, 2, 1), 5, w) @ np.arange(1.0, 6)]
    lab.wait_for_paint(lambda: lab.move("s", 3))
    lab.wait_for_paint(lambda: lab.move("N", 8))
    lab.wait_for_paint(lambda: lab.move("w", [1, 4, 2, -2]))
    conv, w = upweave.Conv(4, 3, 1), np.array([1.0, 4, 2, -2]).reshape(1, 1, 4)
    y = upweave.matrix(conv, 8, w) @ np.arange(1.0, 9)
    assert lab.texts("y[0-9]+") == [show(v) for v in y]
    up = adjoint(conv, 8)
    z = upweave.matrix(up, len(y), w) @ np.arange(1.0, len(y) + 1)
    lab.page.wait_for_timeout(300)
    assert lab.texts("z[0-9]+", figure=1) == [show(v) for v in z]
    assert show(upweave.matrix(up, len(y), w).shape) in lab.numbers("upweave.matrix")
    lab.page.get_by_role("tab", name="PyTorch").click()
    assert "kernel_size=4" in lab.page.locator(".code pre").inner_text()


def test_pointing_lights_up_the_same_products(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("matrix")
    lab.mark("C1,2").hover()
    assert lab.lit() == {"C1,2", "w1", "x2", "y1"}
    assert lab.tip() == "C[1, 2] = w[1] = −1"
    lab.mark("y1").hover()
    assert lab.lit() == {"y1", "C1,1", "C1,2", "C1,3", "w0", "w1", "w2", "x1", "x2", "x3"}
    lab.mark("w0", figure=1).hover()
    assert lab.lit(1) == {"w0", "T1,1", "T3,2", "y1", "y2", "z1", "z3"}
    svg = lab.page.locator(".figure").nth(0).locator("svg").nth(1)
    svg.focus()
    lab.page.mouse.move(2, 2)  # focusing scrolls, and a mark under the pointer would light up
    eventually(lambda: "w0" in lab.lit(1), False)
    lab.page.keyboard.press("ArrowRight")
    lab.page.keyboard.press("ArrowRight")
    eventually(lambda: "x1" in lab.lit(), True)
    assert "x0" not in lab.lit()
    lab.page.keyboard.press("Escape")
    assert lab.lit() == set()


def test_a_layer_without_output_says_so(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("matrix")
    lab.move("p", 0)
    lab.move("N", 2)
    lab.wait_for_text("An input of length 2 leaves no output here")
    lab.move("N", 6)
    lab.page.wait_for_function("() => !document.body.innerText.includes('leaves no output')")


def test_exercises_right_and_wrong_in_both_languages(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("matrix", lang="zh", width=390, scheme="dark")
    assert lab.language == "zh"
    assert lab.page.evaluate(OVERFLOW) <= 0
    assert not lab.answer("shape", "8 16")
    assert "正好反过来" in lab.verdict("shape")
    assert lab.answer("shape", "(16, 8)")
    assert not lab.answer("row", "2 3 0")
    assert lab.answer("row", "0 3 2")
    assert not lab.answer("inverse", "inverse")
    lab.page.locator("h1").click()
    lab.switch_language()
    assert lab.language == "en"
    assert "Computed: the first row" in lab.verdict("inverse")
    assert lab.answer("inverse", "shape")
    assert not lab.answer("cut", "6")
    assert lab.answer("cut", "8")
    assert lab.page.locator("h1").inner_text() == "1 · The matrix and its transpose"
    assert lab.page.evaluate(OVERFLOW) <= 0
