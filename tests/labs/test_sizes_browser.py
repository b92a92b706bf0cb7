"""Lab 3 in the browser: sliders moved, values read back and compared with the library, exercises answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("marimo")

import upweave
from tests.labs.browsing import OVERFLOW, LabPage, eventually
from upweave.labs.kit import show
from upweave.labs.networks import Network

pytestmark = pytest.mark.browser


def test_sizes_follow_the_sliders(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("sizes")
    top, ports, net = (lab.page.locator(".controls").nth(i) for i in (0, 1, 3))
    assert lab.texts("N[0-9]+:0") == ["7", "8", "9", "10", "11", "12"]
    lab.mark("H5:0").hover()
    assert lab.lit() == {"H5:0", "wire9-5", "wire10-5", "N9:0", "N10:0"}
    set_(lab, top, "p", 0)
    set_(lab, top, "o", 1)
    spec = upweave.ConvTranspose(3, 2, 0, 1)
    eventually(lambda: lab.texts("n[0-9]+", figure=1), [str(c) for c in upweave.coverage_line(spec, 5)])
    assert lab.texts("n[0-9]+", figure=1)[-1] == "0"  # o > p: one sample that no tap reaches
    eventually(lambda: lab.numbers("upweave.uncovered_border")[:1], [show(upweave.uncovered_border(spec)[0])])
    assert show(upweave.output_size(spec, 5)) in lab.numbers("upweave.output_size")

    set_(lab, ports, "k", 4)
    eventually(lambda: lab.texts("3n[0-9]+", figure=2), [str(n) for n in range(8)])
    lab.mark("1n0", figure=2).hover()
    assert {"1n0", "2n0", "3n0", "4n1"} <= lab.lit(2)  # k − s is even: all agree

    assert lab.texts("d[0-9]+", figure=3) == ["12", "24", "50"]  # deepest first
    lab.wait_for_text("50 fails where 24 meets 25.")
    set_(lab, net, "N", 40)
    lab.wait_for_text("40 goes through.")
    assert [s.made for s in Network("pool", "k2", 3).decoder(40)] == [10, 20, 40]
    eventually(lambda: lab.texts("d[0-9]+", figure=3), ["10", "20", "40"])
    set_(lab, net, "N", 51)
    net.locator("[data-control=follow]").check()
    wanted = [str(s.made) for s in Network("pool", "k2", 3, follow=True).decoder(51)]
    eventually(lambda: lab.texts("d[0-9]+", figure=3), wanted)
    assert wanted[-1] == "51"


def test_exercises_in_both_languages(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("sizes", lang="zh", width=390, scheme="dark")
    assert lab.page.evaluate(OVERFLOW) <= 0
    assert not lab.answer("length", "21")
    assert lab.answer("length", str(upweave.output_size(upweave.ConvTranspose(5, 3, 2, 1), 7)))
    assert not lab.answer("from", "224")
    assert lab.answer("from", "223 224")
    assert not lab.answer("design", "5 3 1 0")
    assert "不均匀" in lab.verdict("design")
    assert not lab.answer("design", "9 3 0 0")
    assert lab.answer("design", "6 3 2 1")
    lab.page.locator("h1").click()
    lab.switch_language()
    assert not lab.answer("photo", "252")
    assert "where the skip has" in lab.verdict("photo")
    assert lab.answer("photo", "256")
    assert not lab.answer("port", "same")
    assert lab.answer("port", "moved")
    assert lab.page.evaluate(OVERFLOW) <= 0


def set_(lab: LabPage, group, name: str, value: int) -> None:  # type: ignore[no-untyped-def]
    """Move a slider of one group of controls; other groups have sliders of the same name."""
    lab.control(name, group).evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(value)
    )
