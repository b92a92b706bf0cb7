"""What stands around a resize in files of all opsets: what folds, what commutes, what is left alone, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.graph.onnx_tools import saved
from upweave.graph.ir import Resize
from upweave.rewrite.onnx.run import rewrite_file
from upweave.rewrite.onnx.source import read_source
from upweave.rewrite.view import View, repeat_factors

from .files import (
    PORTABLE,
    SPEED,
    assert_same_outputs,
    conv,
    identities,
    model,
    node,
    numbers,
    ops,
    reasons,
    resize,
    rewritten,
    run,
    scales,
)

OPEN = {"x": ("b", 16, "h", "w")}
COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn")
NEAREST = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("nearest", NEAREST)
@pytest.mark.parametrize("coordinates", COORDINATES)
def test_what_is_taken_for_a_repetition_is_one_in_the_runtime(
    tmp_path: Path, coordinates: str, nearest: str, factor: int
) -> None:
    pytest.importorskip("onnxruntime")
    more = {"coordinate_transformation_mode": coordinates, "nearest_mode": nearest}
    nodes = [node("Resize", ["x", "roi", "scales"], ["y"], "up", mode="nearest", **more)]
    weights = {"scales": scales(1, 1, factor, 3), "roi": np.zeros(0, np.float32)}
    made = model(nodes, {"x": (1, 1, 7, 5)}, ["y"], weights, 11)
    x = np.arange(35, dtype=np.float32).reshape(1, 1, 7, 5)
    (got,) = run(made, {"x": x}).values()
    repeats = np.array_equal(got, x.repeat(factor, 2).repeat(3, 3))
    graph = read_source(saved(made, tmp_path)).graph
    view = View(graph)
    found = [repeat_factors(n, view, 2) for n in graph.nodes if isinstance(n.op, Resize)]
    assert found in ([(factor, 3)], []) if repeats else found in ([None], [])
    if coordinates != "tf_half_pixel_for_nn" or nearest == "floor":
        assert found


@pytest.mark.parametrize("opset", [7, 9, 10, 11])
def test_resizes_of_old_opsets_fold(tmp_path: Path, opset: int) -> None:
    weights: dict[str, Any] = {"w": numbers(16, 16, 3, 3)}
    if opset == 7:
        up = node("Upsample", ["x"], ["u"], "up", mode="nearest", scales=[1.0, 1.0, 2.0, 2.0])
    elif opset < 11:
        up = node("Upsample" if opset == 9 else "Resize", ["x", "scales"], ["u"], "up", mode="nearest")
        weights["scales"] = scales(1, 1, 2, 2)
    else:  # as tf2onnx writes Keras's UpSampling2D
        more = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"}
        up = node("Resize", ["x", "roi", "scales"], ["u"], "up", mode="nearest", **more)
        weights |= {"scales": scales(1, 1, 2, 2), "roi": np.zeros(0, np.float32)}
    old = model([up, conv("u", "y")], OPEN, ["y"], weights, opset)
    found = rewritten(old, tmp_path)
    assert ops(found.model) == ["ConvTranspose"]
    assert_same_outputs(old, found.model, 2, 16, 5, 7)


def _padded(pads: Any, opset: int = 17, **more: Any) -> tuple[list[onnx.NodeProto], dict[str, Any]]:
    """conv(pad(resize(x))), the pads (top, left, bottom, right)."""
    top, left, bottom, right = pads
    padding = node("Pad", ["u", "pads"], ["p"], "pad", **more)
    weights = {
        "scales": scales(1, 1, 2, 2),
        "w": numbers(16, 16, 3, 3),
        "pads": np.array([0, 0, top, left, 0, 0, bottom, right], np.int64),
    }
    return [resize("x", "u"), padding], weights


@pytest.mark.parametrize("own", [[0] * 4, [1, 0, 0, 2]])
@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (0, 1, 2, 0), (3, 3, 3, 4)])
def test_zeros_that_are_padded_in_front_of_the_convolution_fold(
    tmp_path: Path, pads: tuple[int, ...], own: list[int]
) -> None:
    nodes, weights = _padded(pads)
    old = model([*nodes, conv("p", "y", pads=own)], OPEN, ["y"], weights)
    found = rewritten(old, tmp_path)
    assert ops(found.model) == ["ConvTranspose"]
    assert_same_outputs(old, found.model, 2, 16, 5, 7)


def test_zeros_of_old_opsets_fold(tmp_path: Path) -> None:
    nodes = [
        node("Upsample", ["x", "scales"], ["u"], "up", mode="nearest"),
        node("Pad", ["u"], ["p"], "pad", pads=[0, 0, 1, 1, 0, 0, 1, 1]),
        conv("p", "y", pads=[0] * 4),
    ]
    weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3)}
    old = model(nodes, OPEN, ["y"], weights, 9)
    found = rewritten(old, tmp_path)
    assert ops(found.model) == ["ConvTranspose"]
    assert_same_outputs(old, found.model, 2, 16, 5, 7)


@pytest.mark.parametrize(
    ("pads", "value", "reason"),
    [
        ((1, 1, 1, 1), 0.5, "pad pads with constant, which no transposed convolution does"),
        ((-1, 0, 1, 1), 0.0, "pad crops the resized tensor"),
    ],
)
def test_other_paddings_are_left_alone(tmp_path: Path, pads: Any, value: float, reason: str) -> None:
    nodes, weights = _padded(pads)
    nodes[1].input.append("value")
    weights["value"] = np.array(value, np.float32)
    found = rewritten(model([*nodes, conv("p", "y", pads=[0] * 4)], OPEN, ["y"], weights), tmp_path)
    assert not found.report.changed
    assert reason in reasons(found)


def test_a_reflection_that_is_too_long_is_left_alone(tmp_path: Path) -> None:
    nodes, weights = _padded((2, 2, 2, 2), mode="reflect")
    found = rewritten(model([*nodes, conv("p", "y", pads=[0] * 4)], OPEN, ["y"], weights), tmp_path)
    assert not found.report.changed
    assert "a reflection by 2 behind a resize by 2 reads other samples than the edge" in reasons(found)


@pytest.mark.parametrize(
    ("more", "factors", "reason"),
    [
        ({"mode": "linear", "coordinate_transformation_mode": "half_pixel"}, (2, 2), "up is a linear resize"),
        ({}, (1.5, 2), "up resizes by 3/2×2, which is no whole factor"),
        ({"nearest_mode": "ceil"}, (2, 2), "up rounds by ceil on the asymmetric grid"),
    ],
)
def test_resizes_that_do_not_repeat_are_left_alone(tmp_path: Path, more: Any, factors: Any, reason: str) -> None:
    weights = {"scales": scales(1, 1, *factors), "w": numbers(16, 16, 3, 3)}
    found = rewritten(model([resize("x", "u", **more), conv("u", "y")], OPEN, ["y"], weights), tmp_path)
    assert not found.report.changed
    assert reason in reasons(found)


def test_a_skip_and_a_padding_fold(tmp_path: Path) -> None:
    nodes, weights = _padded((1, 1, 1, 1))
    nodes = [
        nodes[0], node("Concat", ["u", "z"], ["c"], axis=1), node("Pad", ["c", "pads"], ["p"]),
        conv("p", "y", pads=[0] * 4),
    ]  # fmt: skip
    old = model(nodes, {**OPEN, "z": ("b", 8, "2*h", "2*w")}, ["y"], weights | {"w": numbers(16, 24, 3, 3)})
    found = rewritten(old, tmp_path)
    assert identities(found) == ["split-concat"]
    assert "Pad" not in ops(found.model)
    assert found.report.certificate is not None
    assert [t.dtype for t in found.report.certificate.trials] == ["float32"] * 5 + [
        "float64"
    ]  # the skip is always twice as large: every size was compared


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_auto_pad_folds_and_is_written_out(tmp_path: Path, mode: str, kernel: int) -> None:
    weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, kernel, kernel)}
    nodes = [resize("x", "u"), node("Conv", ["u", "w"], ["y"], "conv", auto_pad=mode)]
    old = model(nodes, OPEN, ["y"], weights)
    found = rewritten(old, tmp_path)
    assert ops(found.model) == ["ConvTranspose"]
    assert_same_outputs(old, found.model, 2, 16, 5, 7)
    explicit = rewritten(old, tmp_path, PORTABLE)
    assert identities(explicit) == ["explicit-padding"]
    assert ops(explicit.model) == ["Resize", "Conv"]
    made = {a.name: onnx.helper.get_attribute_value(a) for a in explicit.model.graph.node[1].attribute}
    assert "auto_pad" not in made
    assert sum(made["pads"]) == (0 if mode == "VALID" else 2 * (kernel - 1))
    assert_same_outputs(old, explicit.model, 2, 16, 5, 7)
    assert not rewritten(explicit.model, tmp_path, PORTABLE).report.changed


@pytest.mark.parametrize("shape", [("b", 16, "h", "w"), ("b", 16, 9, 8)])
def test_auto_pad_of_a_stride_is_written_out_where_the_size_is_fixed(tmp_path: Path, shape: Any) -> None:
    nodes = [node("Conv", ["x", "w"], ["y"], "conv", auto_pad="SAME_UPPER", strides=[2, 2])]
    old = model(nodes, {"x": shape}, ["y"], {"w": numbers(8, 16, 3, 3)})
    found = rewritten(old, tmp_path, PORTABLE, shapes={"x": (1, 16, 9, 8)})
    if shape[2] == "h":
        assert not found.report.changed
        assert "auto_pad with a stride depends on the size" in reasons(found)
    else:
        assert identities(found) == ["explicit-padding"]
        assert_same_outputs(old, found.model, 3, 16, 9, 8)


def _between(*nodes: onnx.NodeProto, opset: int = 17, **weights: Any) -> onnx.ModelProto:
    """conv(…(resize(x))): `nodes` lead from "u" to "v"."""
    numbers_of = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3), **weights}
    return model([resize("x", "u"), *nodes, conv("v", "y")], OPEN, ["y"], numbers_of, opset)


def _norm(axes: list[int], opset: int = 17) -> list[onnx.NodeProto]:
    """A normalisation over the axes as exporters that lack the operator write it."""
    return [
        node("ReduceMean", ["u"], ["mean"], axes=axes),
        node("Sub", ["u", "mean"], ["centred"]),
        node("Pow", ["centred", "two"], ["square"]),
        node("ReduceMean", ["square"], ["variance"], axes=axes),
        node("Add", ["variance", "epsilon"], ["v1"]),
        node("Sqrt", ["v1"], ["v2"]),
        node("Div", ["centred", "v2"], ["n"]),
        node("Mul", ["n", "scale"], ["m"]),
        node("Add", ["m", "shift"], ["v"]),
    ]


NORM = {
    "two": np.array(2, np.float32), "epsilon": np.array(1e-5, np.float32), "scale": numbers(16, 1, 1),
    "shift": numbers(16, 1, 1, seed=2),
}  # fmt: skip

BETWEEN: dict[str, onnx.ModelProto] = {
    "PReLU, one slope": _between(node("PRelu", ["u", "s"], ["v"]), s=numbers(1)),
    "PReLU, a slope a channel": _between(node("PRelu", ["u", "s"], ["v"]), s=numbers(16, 1, 1)),
    "over channels": _between(*_norm([1]), **NORM),
    "over positions": _between(*_norm([2, 3]), **NORM),
    "over all": _between(*_norm([1, 2, 3]), **NORM),
    "layer": _between(
        node("LayerNormalization", ["u", "scale", "shift"], ["v"], axis=1), scale=NORM["scale"], shift=NORM["shift"]
    ),
    "softmax over channels": _between(node("Softmax", ["u"], ["v"], axis=1)),
    "length one": _between(node("LpNormalization", ["u"], ["v"], axis=1, p=2)),
    "squeeze and excite": _between(
        node("GlobalAveragePool", ["u"], ["a"]), node("Sigmoid", ["a"], ["b"]), node("Mul", ["u", "b"], ["v"])
    ),
    "largest": _between(
        node("ReduceMax", ["u"], ["a"], axes=[2, 3]), node("Div", ["u", "a"], ["v"])
    ),
    "arithmetic": _between(
        node("Min", ["u", "six"], ["a"]), node("Max", ["zero", "a"], ["b"]), node("Add", ["b", "one"], ["c"]),
        node("Div", ["one", "c"], ["v"]), six=np.array(6, np.float32), zero=np.array(0, np.float32),
        one=np.array(1, np.float32),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BETWEEN)
def test_what_works_on_each_position_commutes(tmp_path: Path, name: str) -> None:
    found = rewritten(BETWEEN[name], tmp_path)
    assert {"commute-resize", "fold-nearest-resize"} <= set(identities(found))
    assert "Resize" not in ops(found.model)
    assert all(a.certificate is not None or name == "length one" for a in found.report.applied)
    assert found.report.warnings == ()
    assert_same_outputs(BETWEEN[name], found.model, 2, 16, 5, 7)


def test_means_and_variances_commute(tmp_path: Path) -> None:
    """Apart from the others, since ONNX's checker does not know the shape of this operator's output."""
    old = _between(node("MeanVarianceNormalization", ["u"], ["v"]))
    found = rewrite_file(saved(old, tmp_path), SPEED, target="generic", measure=False)
    assert {"commute-resize", "fold-nearest-resize"} <= set(identities(found))
    assert_same_outputs(old, found.model, 2, 16, 5, 7)


def test_softmax_of_old_opsets_runs_over_all_that_follows(tmp_path: Path) -> None:
    up = node("Upsample", ["x", "scales"], ["u"], "up", mode="nearest")
    nodes = [up, node("Softmax", ["u"], ["v"], axis=1), conv("v", "y")]
    old = model(nodes, OPEN, ["y"], {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3)}, 9)
    assert not rewritten(old, tmp_path).report.changed


APART: dict[str, onnx.ModelProto] = {
    "PReLU, a slope a column": _between(node("PRelu", ["u", "s"], ["v"]), s=numbers(16)),
    "over rows": _between(*_norm([3]), **NORM),
    "layer, rows": _between(node("LayerNormalization", ["u", "s"], ["v"], axis=3), s=numbers(16)),
    "softmax over rows": _between(node("Softmax", ["u"], ["v"], axis=3)),
    "length one, rows": _between(node("LpNormalization", ["u"], ["v"], axis=3, p=2)),
    "sum": _between(node("ReduceSum", ["u", "axes"], ["a"]), node("Div", ["u", "a"], ["v"]), axes=np.array([2, 3])),
    "power, a column each": _between(node("Pow", ["u", "s"], ["v"]), s=numbers(16) ** 2),
    "minimum, a row each": _between(node("Min", ["u", "s"], ["v"]), s=numbers(16, 1)),
}


@pytest.mark.parametrize("name", APART)
def test_what_depends_on_the_position_does_not_commute(tmp_path: Path, name: str) -> None:
    made = APART[name]
    for value in made.graph.input:  # columns fit one size alone
        for d, n in zip(value.type.tensor_type.shape.dim, (1, 16, 8, 8), strict=True):
            d.dim_value = n
    found = rewritten(made, tmp_path)
    assert not found.report.changed
    assert found.report.warnings == ()
