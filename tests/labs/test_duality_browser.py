"""Lab 2: in the browser, and the PyTorch code that it prints, run."""

from __future__ import annotations

import html
import importlib
import re
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("marimo")

import upweave
from tests.labs.browsing import OVERFLOW, LabPage, eventually
from upweave.labs.kit import show
from upweave.theory.adjoint import adjoint


@pytest.mark.browser
def test_wires_read_three_ways(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("duality")
    w = np.array([2.0, -1.0, 3.0]).reshape(1, 1, 3)
    g = np.array([1.0, 2.0, -1.0])
    C = upweave.matrix(upweave.Conv(3, 2, 1), 5, w).toarray()
    assert lab.texts("gx[0-9]+") == [show(v) for v in C.T @ g]
    gw = upweave.weight_gradient(upweave.Conv(3, 2, 1), np.arange(1.0, 6), g)
    assert lab.texts("gw[0-9]+") == [show(v) for v in gw]
    lab.mark("gx1").hover()
    assert lab.lit() == {"x1", "gx1", "p1,0", "p1,1", "w0", "w2", "gw0", "gw2", "y0", "y1", "g0", "g1"}
    assert lab.tip() == "∂𝓛/∂x[1] = 3·1 + 2·2 = 7"

    lab.wait_for_paint(lambda: lab.move("layer", "transposed"))
    lab.wait_for_paint(
        lambda: lab.control("s").first.evaluate(
            "e => { e.value = 3; e.dispatchEvent(new Event('input', {bubbles: true})); }"
        )
    )
    up = upweave.ConvTranspose(3, 3, 1)
    A = upweave.matrix(up, 5, w).toarray()
    x, g = np.arange(1.0, 6), np.resize([1.0, 2.0, -1.0], len(A))
    eventually(lambda: lab.texts("y[0-9]+"), [show(v) for v in A @ x])
    assert lab.texts("gx[0-9]+") == [show(v) for v in A.T @ g]
    # ⟨g, y⟩ = ⟨x, ∂L/∂x⟩ = ⟨w, ∂L/∂w⟩
    eventually(lambda: lab.numbers("upweave.weight_gradient"), [show(float(g @ A @ x))])
    assert lab.numbers("upweave.matrix").count(show(float(g @ A @ x))) == 2

    # a tap of phase 1 sees samples of phase 1 alone
    lab.mark("t0:0", figure=1).hover()
    assert {m for m in lab.lit(1) if m.startswith("g")} == {"g1:0", "g3:0", "g5:0", "g7:0"}
    lab.page.locator("[data-control=from]").select_option("shortcut")
    counts = upweave.coverage_line(adjoint(upweave.Conv(1, 2), 12), (6, 6))
    eventually(lambda: lab.texts("m[0-9]+,[0-9]+", figure=2), [show(float(v)) for v in counts.ravel()])
    assert "0.25" in lab.numbers("upweave.coverage")


@pytest.mark.browser
def test_exercises_in_both_languages(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("duality", lang="zh", width=390, scheme="dark")
    assert lab.page.evaluate(OVERFLOW) <= 0
    assert not lab.answer("gradient", "3 -1 2 0 0")
    assert lab.answer("gradient", "-1 3 4 -2 6") is False
    truth = upweave.matrix(upweave.Conv(3, 2, 1), 5, np.array([[[2.0, -1.0, 3.0]]])).T @ np.array([1.0, 0, 2])
    assert lab.answer("gradient", " ".join(show(v) for v in truth))
    assert not lab.answer("sees", "-1 1 3 5")
    assert "裁掉" in lab.verdict("sees")
    assert lab.answer("sees", "1 3 5")
    assert not lab.answer("shortcut", "1/2")
    assert lab.answer("shortcut", "0.25")
    lab.page.locator("h1").click()
    lab.switch_language()
    assert lab.language == "en"
    assert not lab.answer("double", "transposed")
    assert "measured slope" in lab.verdict("double")
    assert lab.answer("double", "conv")
    assert lab.page.evaluate(OVERFLOW) <= 0


def test_the_printed_pytorch_code_holds() -> None:
    pytest.importorskip("torch")
    outputs, _ = importlib.import_module("upweave.labs.duality").app.run()
    texts = [getattr(o, "text", "") for o in outputs]
    blocks = [b for t in texts for b in re.findall(r"<code[^>]*>(import torch.*?)</code>", t, re.S)]
    assert len(blocks) == 2
    for block in blocks:
        assert block.count("assert") == 2
        exec(compile(html.unescape(block), "lab", "exec"), {})
