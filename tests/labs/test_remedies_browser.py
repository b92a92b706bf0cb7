"""Lab 7 in the browser: remedies chosen, numbers read back and compared with the library, exercises answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("marimo")
pytest.importorskip("torch")

import upweave
from tests.labs.browsing import OVERFLOW, LabPage
from upweave.artifacts import score
from upweave.labs.kit import short, show
from upweave.labs.views.remedies import study

pytestmark = pytest.mark.browser


def test_remedies_in_training(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("remedies")
    for moves in ({}, {"remedy": "equal"}, {"remedy": "divisible", "step": "20"}):
        for name, value in moves.items():
            lab.wait_for_paint(lambda name=name, value=value: lab.move(name, value))
        trained = study(lab.control("remedy").input_value(), 1, 20)
        now = next(s for s in trained if s.step == int(lab.control("step").input_value()))
        lab.wait_for_text(f"after {now.step} steps")
        lab.page.wait_for_timeout(400)
        gains = upweave.dc_gain(now.spec, now.weight)[..., 0, 0]
        assert lab.texts("g[0-9],[0-9]") == [short(float(g)) for g in gains.reshape(-1)]
        found = score(now.output, 2)
        wanted = show(round(float(found.decibels), 1)) if found.found else "−∞"
        assert lab.numbers("upweave.artifacts.score")[1] == wanted
        rejection = upweave.image_rejection(now.spec, now.weight).typical
        assert lab.numbers("upweave.image_rejection")[1] == show(round(rejection, 1))
    lab.move("k", 4)
    lab.move("o", 0)
    lab.wait_for_text("k6 s3 p2 o0")
    assert set(lab.numbers("upweave.matrix")) == {"0"}


def test_exercises_in_both_languages(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("remedies", lang="zh", width=390, scheme="dark")
    assert lab.page.evaluate(OVERFLOW) <= 0
    assert not lab.answer("widen", "4 2 0")
    assert "位置错开" in lab.verdict("widen")
    assert lab.answer("widen", "4 1 0")
    assert not lab.answer("project", "1 4 3")
    assert "平摊" in lab.verdict("project")
    assert lab.answer("project", "1/3 8/3 7/3")
    lab.page.locator("h1").click()
    lab.switch_language()
    assert not lab.answer("fold", "2.25")
    assert lab.answer("fold", "27/8")
    assert not lab.answer("lasting", "icnr")
    assert "Trained just now" in lab.verdict("lasting")
    assert lab.answer("lasting", "equal")
    assert not lab.answer("left", "6.5")
    assert lab.answer("left", "-7.7")
    assert lab.page.evaluate(OVERFLOW) <= 0
