"""Lab 6 in the browser: phases and spectrum read back and compared with the library, exercises answered."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("marimo")

import upweave
from tests.labs.browsing import OVERFLOW, LabPage
from upweave.labs.kit import short, show
from upweave.labs.views.kernels import Kernel, decibels, lines

pytestmark = pytest.mark.browser


def test_phases_and_output_are_the_librarys(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("phases")
    lab.wait_for_paint(lambda: lab.move("preset", "equal3"))
    assert [lab.control(n).input_value() for n in "sp"] == ["3", "1"]
    lab.wait_for_paint(lambda: lab.move("w", [1, 2, -4, 3, 5]))
    assert lab.control("preset").input_value() == ""
    spec, w = upweave.ConvTranspose(5, 3, 1), np.array([1.0, 2, -4, 3, 5]).reshape(1, 1, 5)
    x = np.array([1.0, 1, 1, 2, 2, 2])
    lab.page.wait_for_timeout(300)
    assert lab.texts("y[0-9]+") == [short(float(v)) for v in upweave.matrix(spec, 6, w) @ x]
    bank = upweave.phase_bank(spec, w)
    wanted = [short(float(bank.weights[r, 0, 0, j])) for r, j in zip(*np.nonzero(bank.support), strict=True)]
    assert lab.texts("f[0-9],[0-9]+") == wanted
    assert show(upweave.dc_gain(spec, w).reshape(-1)) in lab.numbers("upweave.dc_gain")
    assert show(upweave.image_rejection(spec, w).typical) in lab.numbers("upweave.image_rejection")
    assert set(lab.numbers("upweave.bank_matrix")) == {"0"}
    lab.mark("y4").hover()
    assert lab.lit() == {"y4", "w2"} | read_by(bank, 4, spec.stride)  # 4 = 3·1 + 2 − 1
    lab.wait_for_paint(lambda: lab.move("f", 4), figure=1)
    found = lines(Kernel(spec, w.reshape(-1)), Fraction(1, 4))
    base = next(q.level for q in found if q.band == 0)
    lab.mark("h1", figure=1).hover()
    assert lab.lit(1) == {"u1", "h1", "o1"}
    assert f"{show(decibels(found[1].level, base))} dB against the tone" in lab.tip(1)


def read_by(bank: upweave.PhaseBank, n: int, stride: int) -> set[str]:
    """The phase entries and inputs that output n of six inputs reads."""
    q, r = divmod(n, stride)
    taps = [j for j in np.nonzero(bank.support[r])[0] if 0 <= q + bank.start[0] + j < 6]
    return {f"f{r},{j}" for j in taps} | {f"x{q + bank.start[0] + j}" for j in taps}


def test_exercises_in_both_languages(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("phases", lang="zh", width=390, scheme="dark")
    assert lab.page.evaluate(OVERFLOW) <= 0
    assert not lab.answer("phase", "2 4")
    assert "靠前" in lab.verdict("phase")
    assert lab.answer("phase", "4, 2")
    assert not lab.answer("flat", "2")
    assert lab.answer("flat", "4")
    assert not lab.answer("images", "1/6 1/2")
    assert "单音本身" in lab.verdict("images")
    assert lab.answer("images", "5/6 1/2")
    lab.page.locator("h1").click()
    lab.switch_language()
    assert not lab.answer("better", "1 3 3 1")
    assert "linear interpolation has 14.65 dB" in lab.verdict("better")
    assert lab.answer("better", "1 2 2 1")
    assert not lab.answer("shuffle", "even")
    assert lab.answer("shuffle", "four")
    assert lab.page.evaluate(OVERFLOW) <= 0
