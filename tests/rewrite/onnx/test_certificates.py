"""A rewrite that differs is dropped with a warning, wherever that is noticed, and the others stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upweave.rewrite import local
from upweave.rewrite.identities import fold_nearest_resize
from upweave.rewrite.onnx import run as running
from upweave.rewrite.weights.fold_nearest import fold_nearest

from .files import fold_model, identities, model, node, numbers, ops, resize, rewritten, scales


def _spoil(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folded weights that are wrong by a hundredth in one tap."""

    def wrong(conv: Any, weight: Any, scale: Any) -> Any:
        spec, folded = fold_nearest(conv, weight, scale)
        if weight.shape[0] == 16:
            folded = folded.copy()
            folded[0, 0, 0, 0] += 0.01 * np.abs(folded).max()
        return spec, folded

    monkeypatch.setattr(fold_nearest_resize, "fold_nearest", wrong)


def test_a_wrong_rewrite_is_caught_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _spoil(monkeypatch)
    found = rewritten(fold_model(8), tmp_path)
    assert not found.report.changed
    (warning,) = found.report.warnings
    assert "fold-nearest-resize was dropped: its own certificate failed" in warning


def test_a_wrong_rewrite_is_caught_in_the_whole_model_and_the_right_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil(monkeypatch)
    monkeypatch.setattr(running, "certify_step", lambda *_: None)
    nodes = [
        resize("x", "u"), node("Conv", ["u", "w"], ["c"], "wrong", pads=[1] * 4), node("Relu", ["c"], ["r"]),
        node("Resize", ["r", "", "scales"], ["v"], "up2", mode="nearest", nearest_mode="floor",
             coordinate_transformation_mode="asymmetric"),
        node("Conv", ["v", "w2"], ["y"], "right", pads=[1] * 4),
    ]  # fmt: skip
    weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3), "w2": numbers(8, 16, 3, 3)}
    found = rewritten(model(nodes, {"x": (1, 16, 8, 8)}, ["y"], weights), tmp_path)
    assert [(a.identity, a.path) for a in found.report.applied] == [("fold-nearest-resize", "right")]
    assert ops(found.model) == ["Resize", "Conv", "Relu", "ConvTranspose"]
    (warning,) = found.report.warnings
    assert warning.startswith("wrong: fold-nearest-resize was dropped: the model's certificate failed")
    assert found.report.certificate is not None
    assert found.report.certificate.passed


def test_what_makes_the_model_slower_is_not_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "compare_times", lambda *_: (1.0, 1.5))
    from upweave.rewrite.onnx.run import rewrite_file

    from .files import SPEED, saved

    target = "openvino" if _has_openvino() else "onnxruntime"
    found = rewrite_file(saved(fold_model(32), tmp_path), [*SPEED], target=target)
    assert not found.report.changed
    if found.report.warnings:
        assert "takes 1.50 times its time" in found.report.warnings[0]


def _has_openvino() -> bool:
    from upweave.rewrite.onnx.runtime import is_installed

    return is_installed("openvino")


def test_a_step_that_cannot_be_computed_alone_is_left_to_the_whole_model() -> None:
    from tests.rewrite.graphs import Net

    net = Net((1, 4, 6, 6))
    y = net.point(net.resize(net.x), "erf")
    nodes = net.graph(y).nodes
    assert local.certify_step(nodes, nodes, net.shapes) is None


def test_a_step_alone_is_compared_at_the_proportions_of_its_inputs() -> None:
    from tests.rewrite.graphs import Net

    net = Net((1, 4, 32, 32))
    skip = net.input((1, 2, 64, 64))
    graph = net.graph(net.conv(net.cat(net.resize(net.x), skip), 4, 3, padding=1))
    found = local.certify_step(graph.nodes, graph.nodes, graph.shapes)
    assert found is not None
    assert found.passed
    assert [t.inputs for t in found.trials] == [
        "random inputs of 1×4×3×3, 1×2×6×6",
        "random inputs of 1×4×5×5, 1×2×10×10",
    ]


def test_a_resize_that_stays_for_others_is_part_of_the_comparison(tmp_path: Path) -> None:
    nodes = [resize("x", "u"), node("Conv", ["u", "w"], ["y"], "conv", pads=[1] * 4)]
    weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3)}
    found = rewritten(model(nodes, {"x": (1, 16, 8, 8)}, ["y", "u"], weights), tmp_path)
    (applied,) = found.report.applied
    assert applied.certificate is not None
    assert applied.certificate.passed
    assert found.report.warnings == ()


def test_inputs_of_the_users_own_are_compared_first(tmp_path: Path) -> None:
    x = numbers(1, 16, 9, 9)
    found = rewritten(fold_model("n"), tmp_path, data={"x": x})
    assert found.report.certificate is not None
    assert found.report.certificate.trials[0].inputs.startswith("the given inputs")
    assert identities(found) == ["fold-nearest-resize"]
