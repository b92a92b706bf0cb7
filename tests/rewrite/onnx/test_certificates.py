"""A rewrite that differs is dropped with a warning, wherever that is noticed, and the others stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upweave.rewrite import local
from upweave.rewrite.identities import fold_nearest_resize
from upweave.rewrite.onnx import compare
from upweave.rewrite.onnx import run as running
from upweave.rewrite.onnx.double import load_double
from upweave.rewrite.onnx.runtime import load
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


def test_a_step_that_cannot_be_computed_alone_is_left_to_the_whole_model() -> None:
    from tests.rewrite.graphs import Net

    net = Net((1, 4, 6, 6))
    y = net.point(net.resize(net.x), "mish")
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


@pytest.mark.parametrize("wrong", [0, 3, 6])
def test_the_one_to_blame_is_found_among_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: int) -> None:
    """Seven folds that are not compared alone, of which one is wrong; halving takes three comparisons more."""

    def spoiled(conv: Any, weight: Any, scale: Any) -> Any:
        spec, folded = fold_nearest(conv, weight, scale)
        return spec, folded * (1.01 if weight.shape[1] == 10 + wrong else 1.0)

    monkeypatch.setattr(fold_nearest_resize, "fold_nearest", spoiled)
    monkeypatch.setattr(running, "certify_step", lambda *_: None)
    asked: list[Any] = []
    certificate = compare.Comparison.certificate
    monkeypatch.setattr(
        compare.Comparison, "certificate", lambda self, m, only=None: asked.append(only) or certificate(self, m, only)
    )
    nodes, weights = [], {"scales": scales(1, 1, 2, 2)}
    for k in range(7):
        nodes += [resize(f"x{k}", f"u{k}")]
        nodes[-1].name = f"up{k}"
        nodes += [node("Conv", [f"u{k}", f"w{k}"], [f"y{k}"], f"conv{k}", pads=[1] * 4)]
        weights[f"w{k}"] = numbers(16, 10 + k, 3, 3, seed=k)
    inputs = {f"x{k}": ("b", 10 + k, "h", "w") for k in range(7)}
    found = rewritten(model(nodes, inputs, [f"y{k}" for k in range(7)], weights), tmp_path)
    assert sorted(a.path for a in found.report.applied) == [f"conv{k}" for k in range(7) if k != wrong]
    (warning,) = found.report.warnings
    assert warning.startswith(f"conv{wrong}: fold-nearest-resize was dropped: the model's certificate failed")
    assert [a is None for a in asked].count(True) == 2
    assert len(asked) - 2 <= 3


def test_the_whole_model_is_also_compared_in_double_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What float32 cannot see, float64 does; and what is not compared there says so."""

    def spoiled(conv: Any, weight: Any, scale: Any) -> Any:
        spec, folded = fold_nearest(conv, weight, scale)
        return spec, folded * (1 + 3e-6)

    nodes = [resize("x", "u"), node("Conv", ["u", "w"], ["y"], "conv", pads=[1] * 4)]
    weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3)}
    old = model(nodes, {"x": ("b", 16, "h", "w")}, ["y"], weights)
    found = rewritten(old, tmp_path)
    assert found.report.certificate is not None
    *_, last = found.report.certificate.trials
    assert (last.dtype, last.limit) == ("float64", 1e-6)
    assert last.difference.relative < 2e-7
    monkeypatch.setattr(fold_nearest_resize, "fold_nearest", spoiled)
    monkeypatch.setattr(running, "certify_step", lambda *_: None)
    (warning,) = rewritten(old, tmp_path).report.warnings
    assert "ONNX's reference implementation, float64" in warning
    monkeypatch.setattr(compare, "MOST", 0)
    assert "not compared in float64" in rewritten(old, tmp_path).report.notes[0]


def test_double_precision_is_what_the_runtime_computes() -> None:
    statistics = {k: numbers(8, seed=3) ** 2 + 0.5 for k in ("scale", "bias", "mean", "variance")}
    nodes = [
        node("Conv", ["x", "w", "bias"], ["a"], pads=[1, 0, 1, 2], strides=[2, 1], dilations=[1, 2], group=2),
        node("BatchNormalization", ["a", "scale", "bias", "mean", "variance"], ["b"]),
        node("MaxPool", ["b"], ["c"], kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]),
        resize("c", "d"),
        node("ConvTranspose", ["d", "v"], ["e"], strides=[2, 3], pads=[1, 0, 0, 1], output_padding=[1, 0], group=4),
        node("ConvTranspose", ["e", "t"], ["f"], strides=[2, 2], auto_pad="SAME_UPPER"),
        node("Conv", ["f", "o"], ["g"], auto_pad="SAME_LOWER"),
        node("Cast", ["g"], ["h"], to=1),
        node("Mul", ["h", "two"], ["y"]),
    ]
    weights = statistics | {
        "w": numbers(8, 3, 3, 2), "v": numbers(8, 1, 3, 4), "t": numbers(4, 4, 3, 3), "o": numbers(2, 4, 2, 2),
        "scales": scales(1, 1, 2, 1.5), "two": numbers(1),
    }  # fmt: skip
    made = model(nodes, {"x": (2, 6, 9, 8)}, ["y"], weights)
    x = numbers(2, 6, 9, 8, seed=9)
    (want,), (got,) = load(made, "onnxruntime")({"x": x}).values(), load_double(made)({"x": x}).values()
    assert got.dtype == np.float64
    assert got.shape == want.shape
    assert np.linalg.norm(got - want) < 1e-6 * np.linalg.norm(got)
