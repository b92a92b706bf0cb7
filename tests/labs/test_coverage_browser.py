"""Lab 5 in the browser: counts read back and compared with the library, exercises answered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("marimo")

import upweave
from tests.labs.browsing import OVERFLOW, LabPage
from upweave.labs.kit import fitted, scene, show, shrunk

pytestmark = pytest.mark.browser


def test_counts_are_the_librarys(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("coverage")
    for moves in ({}, {"k": 5, "s": 3, "o": 2}, {"d": 2, "p": 0, "H": 4}):
        for name, value in moves.items():
            lab.wait_for_paint(lambda name=name, value=value: lab.move(name, value))
        v = {n: int(lab.control(n).input_value()) for n in "kspodH"}
        spec = upweave.ConvTranspose(v["k"], v["s"], v["p"], v["o"], v["d"])
        line = upweave.coverage_line(spec, v["H"])
        lab.page.wait_for_timeout(300)
        found = [text.split() for text in lab.texts("c[0-9]+")]
        assert [t for text in found for t in text] == [str(c) for c in line]
        assert show(upweave.coverage(spec)) in lab.numbers("upweave.coverage")
        assert lab.numbers("upweave.gaps") == [show(upweave.gaps(spec)[0])]
    lab.mark("c4").hover()
    s, k, d = spec.stride, spec.kernel, spec.dilation
    reached = {f"t{i},{t}" for i in range(v["H"]) for t in range(k) if s * i + d * t - spec.padding == 4}
    assert reached
    assert lab.lit() - {"c4"} == reached
    lab.move("between", True)
    lab.move("depth", 2)
    one, smooth = (upweave.phase_bank(upweave.ConvTranspose(*a)) for a in ((3, 2), (3, 1, 1)))
    counts = upweave.coverage(smooth @ one @ smooth @ one)
    lab.wait_for_text(f"After layer 2: period 4, {counts.min()} to {counts.max()} paths")


def test_what_a_constant_becomes(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("coverage", lang="zh", width=390, scheme="dark")
    assert lab.page.evaluate(OVERFLOW) <= 0
    lab.wait_for_paint(lambda: lab.move("weights", "fitted"), figure=2)
    spec = upweave.ConvTranspose((3, 3), 2, 1, 1)
    target = scene(32, 1)
    given = shrunk(target, 2) + 0.15 * np.random.default_rng(1).standard_normal((16, 16))
    found = upweave.gain_imbalance(spec, fitted(spec, [(given, target)]))
    lab.wait_for_text(show(found.max))
    assert show(found.deviation) in lab.numbers("upweave.gain_imbalance")
    assert not lab.answer("residues", "2 2 1")
    assert "余数的位置不对" in lab.verdict("residues")
    assert lab.answer("residues", "2 1 2")
    assert not lab.answer("even", "b")
    assert lab.answer("even", "c")
    lab.page.locator("h1").click()
    lab.switch_language()
    assert not lab.answer("gaps", "0")
    assert "gcd(d, s) = 1" in lab.verdict("gaps")
    assert lab.answer("gaps", "3")
    assert not lab.answer("two", "16")
    assert lab.answer("two", "9")
    assert not lab.answer("decibels", "7.04")
    assert lab.answer("decibels", "3.5")
    assert lab.page.evaluate(OVERFLOW) <= 0
