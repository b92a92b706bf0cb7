"""The explorer in the browser: sliders, presets, both ranks, linked pictures, stacks and models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("marimo")

import upweave
from tests.labs.browsing import OVERFLOW, WAIT, LabPage
from upweave.labs.kit import show
from upweave.labs.views.study import study

pytestmark = pytest.mark.browser


def board(lab: LabPage, name: str, figure: int = 0) -> set[str]:
    """The cells of a board that are lit."""
    over = lab.page.locator(".figure").nth(figure).locator(f".over[data-lit*='{name}']")
    return set((over.first.get_attribute("data-lit") or "").split()) if over.count() else set()


def point(lab: LabPage, name: str, row: int, column: int) -> None:
    """Point at a cell of a board."""
    hit = lab.page.locator(".figure").first.locator(f"[data-board='{name}']")
    cell = hit.evaluate(
        "e => { const b = e.getBoundingClientRect(), u = e.getBBox(); return [b.width / u.width, u.width, u.height]; }"
    )
    grid = hit.evaluate("e => Number(e.previousSibling.previousSibling.previousSibling.getAttribute('width'))")
    assert grid == cell[1]
    side = lab.page.evaluate("([w, n]) => w / n", [cell[1] * cell[0], 6 if name == "x" else 12])
    hit.hover(position={"x": (column + 0.5) * side, "y": (row + 0.5) * side})


def test_one_axis(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("explorer")
    axis = {"k": 4, "s": 2, "p": 1, "o": 0, "d": 1, "H": 6}
    seen = study(axis, "triangle", "ramp")
    assert [float(t) for t in lab.texts("y[0-9]+")] == pytest.approx(seen.output.tolist(), rel=6e-3)
    # input cell ↔ tap ↔ output cell ↔ matrix entry, coverage and phase
    lab.mark("C5,2").hover()
    assert lab.lit() == {"C5,2", "x2", "s2,2", "y5", "w2", "c5", "h1,2", "g5", "i2", "f2"}
    assert lab.tip().startswith("Cᵀ[5, 2] = w[2] =")
    lab.mark("x1").hover()
    assert {"y1", "y2", "y3", "y4", "C1,1", "C4,1", "w0", "w3"} <= lab.lit()
    assert "y5" not in lab.lit()
    # a preset moves the sliders; a slider leaves the preset
    lab.wait_for_paint(lambda: lab.move("preset", "fsrcnn"))
    assert [lab.control(n).input_value() for n in ("k", "s", "p", "o", "axes")] == ["9", "2", "4", "1", "2"]
    lab.wait_for_paint(lambda: lab.move("axes", "1"))
    assert lab.control("preset").input_value() == ""
    fsrcnn = upweave.ConvTranspose(9, 2, 4, 1)
    lab.wait_for_text("Coverage: interior [5, 4]")
    assert lab.numbers("upweave.coverage")[0] == show(upweave.coverage(fsrcnn))
    assert lab.numbers("upweave.alignment")[0] == "−1/2"
    # views are scrubbed
    lab.wait_for_paint(lambda: lab.move("view", "gather"))
    lab.wait_for_paint(lambda: lab.move("step", 3))
    wires = lab.page.locator(".figure").first.locator("line.now")
    assert wires.count() == upweave.coverage_line(fsrcnn, 6)[3]
    lab.wait_for_paint(lambda: lab.move("view", "insert"))
    assert (
        lab.page.locator(".figure").first.locator("[data-mark^=f].now").count() == wires.count() or wires.count() == 0
    )
    # numbers that are no layer
    lab.wait_for_paint(lambda: lab.move("k", 1))
    lab.move("H", 2)
    lab.wait_for_text("leaves no output here")
    assert lab.page.evaluate(OVERFLOW) <= 0


def test_two_axes(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("explorer", lang="zh")
    lab.wait_for_paint(lambda: lab.move("axes", "2"))
    lab.wait_for_text("（每个轴）")
    point(lab, "x", 1, 2)
    wanted = {f"y{n},{m}" for n in range(1, 5) for m in range(3, 7)}
    assert board(lab, "y") == wanted
    assert board(lab, "w") == {f"w{a},{b}" for a in range(4) for b in range(4)}
    assert board(lab, "C") == {f"C{12 * n + m},8" for n in range(1, 5) for m in range(3, 7)}
    assert lab.tip().startswith("x[1, 2] = ")
    point(lab, "y", 0, 0)
    assert board(lab, "x") == {"x0,0"}
    # rows and columns of their own
    lab.wait_for_paint(lambda: lab.move("own", True))
    lab.wait_for_text("（列）")
    lab.wait_for_paint(lambda: lab.move("own", False))
    # beyond 600 outputs the matrix is drawn by its axes
    lab.wait_for_paint(lambda: lab.move("H", 16))
    lab.page.locator(".figure").first.locator("[data-board='r']").hover(position={"x": 2, "y": 2})
    assert lab.tip() == "0 = 2·0 + 1·1 − 1"
    assert board(lab, "y") == {f"y0,{m}" for m in range(32)}
    assert board(lab, "c") == {f"c{2 * i + t - 1},{i}" for i in range(16) for t in range(4) if 0 <= 2 * i + t - 1 < 32}


def ran(lab: LabPage, name: str, value: object) -> list[str]:
    """The cells that a move of the layer's sliders runs, in order."""
    cells: list[str] = []

    def received(event: dict) -> None:
        data = json.loads(event["response"]["payloadData"])
        if data.get("op") == "cell-op" and data["data"].get("status") == "running":
            cells.append(data["data"]["cell_id"])

    session = lab.page.context.new_cdp_session(lab.page)
    session.on("Network.webSocketFrameReceived", received)
    session.send("Network.enable")
    lab.wait_for_paint(lambda: lab.move(name, value))
    lab.settle()
    session.detach()
    return cells


KEPT = "f => [...f.querySelectorAll('.panel')].map(p => { const old = Boolean(p.kept); p.kept = true; return old; })"


def test_what_a_move_computes_anew(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("explorer")
    lab.wait_for_paint(lambda: lab.move("axes", "2"))
    lab.wait_for_paint(lambda: lab.move("H", 16))
    lab.settle()

    def panels() -> list[object]:
        """The panels of the first figure, marked so that one made anew is known by having no mark."""
        return lab.page.locator(".figure").first.evaluate(KEPT)

    def stacks() -> str | None:
        return lab.page.locator(".figure").nth(1).get_attribute("data-paints")

    # scrubbing runs one cell, and of its panels two are drawn anew: the input with its frame, and the output's sums
    panels()
    assert len(ran(lab, "step", 40)) == 1
    assert [j for j, old in enumerate(panels()) if not old] == [0, 2]
    # of a slider's cells the figure's is third, behind the columns and the layer; the stack is drawn where it differs
    before = stacks()
    cells = ran(lab, "H", 15)
    assert len(cells) <= 7
    drawn = ran(lab, "step", 41)
    assert cells.index(drawn[0]) <= 2
    assert stacks() == before
    ran(lab, "p", 2)
    assert stacks() != before


def test_stack(open_lab: Callable[..., LabPage]) -> None:
    lab = open_lab("explorer", width=390, scheme="dark")
    lab.wait_for_paint(lambda: lab.move("chain", "cyclegan"), figure=1)
    layer = upweave.ConvTranspose(3, 2, 1, 1)
    ways = upweave.matrix(layer, 8) @ (upweave.matrix(layer, 4) @ np.ones(4))
    bars = lab.page.locator(".figure").nth(1).locator("[data-mark^=n]")
    assert bars.count() == len(ways) == 16
    lab.mark("n3", figure=1).hover()
    assert lab.tip(1) == f"output 3: {int(ways[3])} ways"
    assert {"0:0", "0:1"} <= lab.lit(1)
    bank = upweave.phase_bank(layer)
    counts = upweave.coverage(bank @ bank)
    assert lab.numbers("upweave.coverage")[-3:] == [str(counts.min()), str(counts.max()), "4"]
    assert lab.page.evaluate(OVERFLOW) <= 0


def test_a_model_is_opened(open_lab: Callable[..., LabPage], tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    weight = np.random.default_rng(1).standard_normal((1, 1, 5)).astype(np.float32)
    kind, tensor = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"], "up", strides=[2], pads=[2, 2], output_padding=[1], kernel_shape=[5]
    )
    values = [tensor("x", kind, [1, 1, 6])], [tensor("y", kind, [1, 1, 12])]
    graph = onnx.helper.make_graph([node], "small", *values, [onnx.numpy_helper.from_array(weight, "w")])
    path = tmp_path / "small.onnx"
    path.write_bytes(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]).SerializeToString()
    )
    lab = open_lab("explorer")
    lab.control("file").set_input_files(path)
    lab.page.locator("[data-control=layer] option").nth(1).wait_for(state="attached", timeout=WAIT)
    lab.wait_for_paint(lambda: lab.move("layer", "0"))
    assert [lab.control(n).input_value() for n in "kspo"] == ["5", "2", "2", "1"]
    assert lab.control("kernel").input_value() == "model"
    gains = upweave.dc_gain(upweave.ConvTranspose(5, 2, 2, 1), weight)[:, 0, 0]
    lab.page.wait_for_function(
        "([t]) => document.querySelector(\"[data-number='upweave.dc_gain']\").innerText === t", arg=[show(gains)]
    )
    # the sliders are the reader's again
    lab.wait_for_paint(lambda: lab.move("p", 1))
    lab.settle()
    assert [lab.control(n).input_value() for n in "kspo"] == ["5", "2", "1", "1"]
    bad = tmp_path / "weights.pt"
    bad.write_bytes(b"\x80\x04.")
    lab.control("file").set_input_files(bad)
    lab.wait_for_text(re.compile("only .onnx and .pt2 files are read"))
