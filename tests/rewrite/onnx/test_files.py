"""ONNX files in, ONNX files out: what changes, what must not, and what is left alone for which reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.graph.onnx_tools import saved
from upweave.errors import ModelError
from upweave.graph.onnx import from_onnx

from .files import (
    PORTABLE,
    assert_same_outputs,
    conv,
    fold_model,
    identities,
    model,
    node,
    numbers,
    ops,
    reasons,
    resize,
    rewritten,
    scales,
)


@pytest.mark.parametrize("opset", [11, 13, 17, 19, 21])
def test_a_fold_keeps_everything_else_byte_for_byte(tmp_path: Path, opset: int) -> None:
    old = fold_model("n", opset)
    if opset == 11:  # roi had to be there
        old.graph.initializer.append(numpy_helper.from_array(np.zeros(0, np.float32), "roi"))
        old.graph.node[1].input[1] = "roi"
    found = rewritten(old, tmp_path)
    new = found.model
    assert ops(new) == ["Relu", "ConvTranspose", "Sigmoid"]
    assert found.report.certificate is not None
    assert found.report.certificate.passed
    assert len(found.report.certificate.trials) >= 4
    for k, at in ((0, 0), (2, 3)):
        assert new.graph.node[k].SerializeToString() == old.graph.node[at].SerializeToString()
    for field in ("ir_version", "producer_name", "opset_import", "metadata_props", "domain"):
        assert getattr(new, field) == getattr(old, field)
    assert list(new.graph.input) == list(old.graph.input)
    assert list(new.graph.output) == list(old.graph.output)
    assert [t.name for t in new.graph.initializer] == ["w:folded"]
    for size in (3, 8, 11):
        assert_same_outputs(old, new, 1, 16, size, size + 2)


def test_a_second_run_finds_nothing(tmp_path: Path) -> None:
    once = rewritten(fold_model("n"), tmp_path)
    again = rewritten(once.model, tmp_path)
    assert not again.report.changed
    assert again.model.SerializeToString() == once.model.SerializeToString()


def _by_size(source: str, factor: float, how: str) -> tuple[list[onnx.NodeProto], dict[str, Any]]:
    """Nodes that compute the size of a resize from the shape of `source`."""
    nodes = [
        node("Shape", [source], ["s"]),
        node("Slice", ["s", "two", "four"], ["hw"]),
        node("Slice", ["s", "zero", "two"], ["nc"]),
    ]
    weights: dict[str, Any] = {k: np.array([v], np.int64) for k, v in (("zero", 0), ("two", 2), ("four", 4))}
    if how == "integers":
        weights["factor"] = np.array([factor], np.int64)
        nodes += [node("Mul", ["hw", "factor"], ["big"])]
    else:
        weights["factor"] = np.array(factor, np.float32)
        nodes += [
            node("Cast", ["hw"], ["f"], to=TensorProto.FLOAT),
            node("Mul", ["f", "factor"], ["g"]),
            node("Floor", ["g"], ["h"]),
            node("Cast", ["h"], ["big"], to=TensorProto.INT64),
        ]
    nodes += [
        node("Concat", ["nc", "big"], ["size"], axis=0),
        node(
            "Resize", [source, "", "", "size"], ["u"], "up",
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        ),
        conv("u", "y"),
    ]  # fmt: skip
    return nodes, weights | {"w": numbers(16, 16, 3, 3)}


@pytest.mark.parametrize("how", ["integers", "floats"])
def test_a_size_computed_as_a_multiple_folds_for_every_size(tmp_path: Path, how: str) -> None:
    nodes, weights = _by_size("x", 2, how)
    old = model(nodes, {"x": ("b", 16, "h", "w")}, ["y"], weights)
    found = rewritten(old, tmp_path)
    assert ops(found.model) == ["ConvTranspose"]  # and the arithmetic is gone too
    assert_same_outputs(old, found.model, 2, 16, 5, 7)


@pytest.mark.parametrize("what", ["another tensor's size", "a half", "a fixed size"])
def test_a_size_that_is_no_multiple_for_every_size_is_left_alone(tmp_path: Path, what: str) -> None:
    nodes, weights = _by_size("x", 2, "integers")
    inputs: dict[str, Any] = {"x": ("b", 16, "h", "w")}
    if what == "another tensor's size":
        inputs["z"] = ("b", 16, "h2", "w2")
        nodes[0] = node("Shape", ["z"], ["s"])
        nodes[3] = node("Identity", ["hw"], ["big"])
    elif what == "a half":
        nodes, weights = _by_size("x", 2.0000002, "floats")
    else:
        nodes = nodes[-2:]
        weights = {"size": np.array([1, 16, 128, 128], np.int64), "w": weights["w"]}
    old = model(nodes, inputs, ["y"], weights)
    shapes = {"x": (1, 16, 64, 64)} | ({"z": (1, 16, 128, 128)} if "z" in inputs else {})
    found = rewritten(old, tmp_path, shapes=shapes)
    assert not found.report.changed
    said = {"another tensor's size": "that of 'z'", "a half": "whole multiple", "a fixed size": "fixed size"}[what]
    assert said in reasons(found)


def test_a_fixed_size_is_a_factor_where_all_axes_are_fixed(tmp_path: Path) -> None:
    nodes, weights = _by_size("x", 2, "integers")
    weights = {"size": np.array([1, 16, 16, 16], np.int64), "w": weights["w"]}
    found = rewritten(model(nodes[-2:], {"x": (1, 16, 8, 8)}, ["y"], weights), tmp_path)
    assert identities(found) == ["fold-nearest-resize"]


def test_rounding_that_does_not_repeat_is_no_repetition(tmp_path: Path) -> None:
    for more, folds in (
        ({"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"}, True),
        ({"coordinate_transformation_mode": "half_pixel", "nearest_mode": "floor"}, False),
        ({"coordinate_transformation_mode": "asymmetric", "nearest_mode": "ceil"}, False),
        ({"coordinate_transformation_mode": "align_corners"}, False),
        ({"mode": "linear", "coordinate_transformation_mode": "half_pixel"}, False),
    ):
        weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3)}
        found = rewritten(
            model([resize("x", "u", **more), conv("u", "y")], {"x": (1, 16, 8, 8)}, ["y"], weights), tmp_path
        )
        assert found.report.changed == folds, more


def test_a_weight_that_two_convolutions_read_stays_for_the_other(tmp_path: Path) -> None:
    nodes = [resize("x", "u"), conv("u", "c"), conv("c", "y", name="again")]
    weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3)}
    old = model(nodes, {"x": (1, 16, 8, 8)}, ["y"], weights)
    found = rewritten(old, tmp_path)
    assert ops(found.model) == ["ConvTranspose", "Conv"]
    assert {t.name for t in found.model.graph.initializer} == {"w", "w:folded"}
    assert_same_outputs(old, found.model, 1, 16, 8, 8)


def test_a_value_that_is_returned_too_stays(tmp_path: Path) -> None:
    nodes = [resize("x", "u"), conv("u", "y")]
    weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3)}
    old = model(nodes, {"x": (1, 16, 8, 8)}, ["y", "u"], weights)
    found = rewritten(old, tmp_path)
    assert sorted(ops(found.model)) == ["ConvTranspose", "Resize"]
    assert_same_outputs(old, found.model, 1, 16, 8, 8)


def test_initialisers_that_are_inputs(tmp_path: Path) -> None:
    """Before IR version 4 they had to be; from then on a caller may replace their values."""
    for version, folds in ((3, True), (8, False)):
        old = fold_model(8, 13)
        old.ir_version = version
        del old.graph.node[3].metadata_props[:]
        for t in old.graph.initializer:
            old.graph.input.append(helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)))
        path = saved(old, tmp_path)
        found = rewritten(path, tmp_path)
        assert found.report.changed == folds
        if folds:
            assert [i.name for i in found.model.graph.input] == ["x", "w:folded"]
        else:
            assert "a caller may replace" in reasons(found)


def test_weights_computed_at_run_time_are_left_alone(tmp_path: Path) -> None:
    nodes = [resize("x", "u"), node("Mul", ["w", "gain"], ["v"]), conv("u", "y", "v")]
    weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3)}
    found = rewritten(model(nodes, {"x": (1, 16, 8, 8), "gain": (1,)}, ["y"], weights), tmp_path)
    assert not found.report.changed


def test_a_bias_computed_at_run_time_is_not_lost(tmp_path: Path) -> None:
    nodes = [resize("x", "u"), node("Conv", ["u", "w", "b"], ["y"], pads=[1] * 4)]
    weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3)}
    found = rewritten(model(nodes, {"x": (1, 16, 8, 8), "b": (16,)}, ["y"], weights), tmp_path)
    assert not found.report.changed


def _group_norm(fixed: bool) -> onnx.ModelProto:
    """up, a group normalisation as exporters write it, relu, conv."""
    behind = ["size"] if fixed else ["shape"]
    nodes = [
        resize("x", "u"),
        *([] if fixed else [node("Shape", ["u"], ["shape"])]),
        node("Reshape", ["u", "groups"], ["g"]),
        node("InstanceNormalization", ["g", "one", "none"], ["i"]),
        node("Reshape", ["i", *behind], ["n"]),
        node("Relu", ["n"], ["r"]),
        conv("r", "y"),
    ]
    weights = {
        "scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3), "groups": np.array([0, 4, -1], np.int64),
        "one": np.ones(4, np.float32), "none": np.zeros(4, np.float32), "size": np.array([1, 16, 16, 16], np.int64),
    }  # fmt: skip
    if not fixed:
        del weights["size"]
    return model(nodes, {"x": (1, 16, 8, 8) if fixed else ("b", 16, "h", "w")}, ["y"], weights)


def test_a_resize_moves_behind_a_group_normalisation_and_folds(tmp_path: Path) -> None:
    old = _group_norm(False)
    found = rewritten(old, tmp_path)
    assert identities(found) == ["commute-resize", "fold-nearest-resize"]
    assert "Resize" not in ops(found.model)
    assert_same_outputs(old, found.model, 2, 16, 5, 7)


def test_a_normalisation_that_writes_its_size_down_cannot_move(tmp_path: Path) -> None:
    found = rewritten(_group_norm(True), tmp_path)
    assert not found.report.changed
    assert "writes sizes down" in reasons(found)


def test_training_mode_is_left_alone(tmp_path: Path) -> None:
    channels = {r: np.abs(numbers(16, seed=k)) for k, r in enumerate(("s", "b", "m", "v"))}
    nodes = [
        node("ConvTranspose", ["x", "w"], ["t"], strides=[2, 2]),
        node("BatchNormalization", ["t", "s", "b", "m", "v"], ["y", "", ""], training_mode=1),
    ]
    weights = {"w": numbers(16, 16, 2, 2), **channels}
    found = rewritten(model(nodes, {"x": (1, 16, 8, 8)}, ["y"], weights, 15), tmp_path, ["fold-batch-norm"])
    assert not found.report.changed
    nodes[1] = node("BatchNormalization", ["t", "s", "b", "m", "v"], ["y"])
    old = model(nodes, {"x": (1, 16, 8, 8)}, ["y"], weights, 15)
    found = rewritten(old, tmp_path, ["fold-batch-norm"])
    assert ops(found.model) == ["ConvTranspose"]
    assert_same_outputs(old, found.model, 1, 16, 8, 8)
    dropout = [
        resize("x", "u"),
        node("Dropout", ["u", "ratio", "on"], ["d"]),
        conv("d", "y"),
    ]
    weights = {
        "scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3), "ratio": np.array(0.5, np.float32),
        "on": np.array(True),
    }  # fmt: skip
    train = rewritten_graph_only(model(dropout, {"x": (1, 16, 8, 8)}, ["y"], weights), tmp_path)
    assert train == {"u": "", "d": "dropout in training mode", "y": ""}


def rewritten_graph_only(made: onnx.ModelProto, folder: Path) -> dict[str, str]:
    """Why each node is frozen, by its output: a model with real dropout cannot be compared with itself."""
    from upweave.rewrite.onnx.source import read_source

    source = read_source(saved(made, folder))
    return {n.output: source.frozen.get(n.name, "") for n in source.graph.nodes}


@pytest.mark.parametrize(
    ("attributes", "pads"),
    [
        ({"auto_pad": "SAME_UPPER"}, [0, 0, 1, 1]),
        ({"auto_pad": "SAME_LOWER"}, [1, 1, 0, 0]),
        ({"auto_pad": "VALID"}, [0, 0, 0, 0]),
        ({"output_shape": [16, 16]}, [1, 1, 0, 0]),
    ],
)
def test_implicit_padding_is_written_out(tmp_path: Path, attributes: Any, pads: list[int]) -> None:
    made = node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2], **attributes)
    old = model([made], {"x": (1, 4, 8, 8)}, ["y"], {"w": numbers(4, 4, 3, 3)})
    found = rewritten(old, tmp_path, PORTABLE)
    assert identities(found) == ["explicit-padding"]
    (new,) = found.model.graph.node
    said = {a.name: helper.get_attribute_value(a) for a in new.attribute}
    assert said["pads"] == pads
    assert not {"auto_pad", "output_shape"} & set(said)
    assert not rewritten(found.model, tmp_path, PORTABLE).report.changed
    assert_same_outputs(old, found.model, 1, 4, 8, 8)


def test_an_output_longer_than_the_taps_reach_is_written_as_a_whole(tmp_path: Path) -> None:
    """The file says it in one node, the graph in two."""
    made = node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[3, 3], output_shape=[25, 25])
    old = model([made], {"x": (1, 4, 8, 8)}, ["y"], {"w": numbers(4, 4, 2, 2)})
    assert len(from_onnx(saved(old, tmp_path)).nodes) in (1, 2)
    found = rewritten(old, tmp_path, ["explicit-padding"])
    assert_same_outputs(old, found.model, 1, 4, 8, 8)


def test_output_shape_of_a_size_that_is_not_fixed_is_left_alone(tmp_path: Path) -> None:
    made = node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2], output_shape=[16, 16])
    old = model([made], {"x": (1, 4, "h", "w")}, ["y"], {"w": numbers(4, 4, 3, 3)})
    found = rewritten(old, tmp_path, PORTABLE, shapes={"x": (1, 4, 8, 8)})
    assert not found.report.changed
    assert "output_shape" in reasons(found)


def test_output_padding_becomes_taps(tmp_path: Path) -> None:
    made = node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2], pads=[1] * 4, output_padding=[1, 1])
    old = model([made], {"x": (1, 4, "h", "w")}, ["y"], {"w": numbers(4, 4, 3, 3)})
    found = rewritten(old, tmp_path, PORTABLE)
    assert identities(found) == ["absorb-output-padding"]
    assert [t.dims for t in found.model.graph.initializer] == [[4, 4, 4, 4]]
    assert not rewritten(found.model, tmp_path, PORTABLE).report.changed
    assert_same_outputs(old, found.model, 1, 4, 5, 8)


@pytest.mark.parametrize("name", ["transposed-to-shuffle", "kernel-equals-stride"])
def test_shuffles_there_and_back(tmp_path: Path, name: str) -> None:
    k = 2 if name == "kernel-equals-stride" else 4
    made = node("ConvTranspose", ["x", "w", "b"], ["y"], "up", strides=[2, 2], pads=[(k - 2) // 2] * 4)
    weights = {"w": numbers(8, 4, k, k), "b": numbers(4)}
    old = model([made], {"x": ("b", 8, "h", "w")}, ["y"], weights)
    there = _forced(old, tmp_path, name)
    assert ops(there)[:2] == ["Conv", "DepthToSpace"]
    assert_same_outputs(old, there, 2, 8, 5, 7)
    back = _forced(there, tmp_path, "shuffle-to-transposed")
    assert ops(back)[0] == "ConvTranspose"
    assert_same_outputs(old, back, 2, 8, 5, 7)


def _forced(made: onnx.ModelProto, folder: Path, name: str) -> onnx.ModelProto:
    """The model with the first proposal of one identity applied, whether it pays or not."""
    from upweave.rewrite.engine import apply
    from upweave.rewrite.identity import Replacement, all_identities
    from upweave.rewrite.onnx.edit import edited
    from upweave.rewrite.onnx.source import read_source, suggested_shapes
    from upweave.rewrite.view import View

    path = saved(made, folder)
    source = read_source(path, suggested_shapes(read_source(path, {"x": (1, 8, 8, 8)}).model))
    found = next(p for p in all_identities()[name]().find(View(source.graph)) if isinstance(p, Replacement))
    new = edited(source, apply(source.graph, found))
    onnx.checker.check_model(new, full_check=True)
    return new


def test_half_precision_keeps_its_type(tmp_path: Path) -> None:
    nodes = [resize("x", "u"), conv("u", "y")]
    weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3).astype(np.float16) / 10}
    old = model(nodes, {}, ["y"], weights)
    old.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT16, (1, 16, 8, 8)))
    old.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT16, (1, 16, 16, 16)))
    found = rewritten(old, tmp_path)
    assert ops(found.model) == ["ConvTranspose"]
    assert [t.data_type for t in found.model.graph.initializer] == [TensorProto.FLOAT16]
    assert found.report.certificate is not None
    assert {t.dtype for t in found.report.certificate.trials} == {"float16"}


def test_one_and_three_axes(tmp_path: Path) -> None:
    for rank in (1, 3):
        size = (6,) * rank
        weights = {"scales": scales(1, 1, *(2,) * rank), "w": numbers(16, 16, *(3,) * rank)}
        nodes = [resize("x", "u"), conv("u", "y", pads=[1] * 2 * rank)]
        old = model(nodes, {"x": (1, 16, *size)}, ["y"], weights)
        found = rewritten(old, tmp_path)
        assert ops(found.model) == ["ConvTranspose"]
        assert_same_outputs(old, found.model, 1, 16, *size)


def test_without_onnx_runtime_the_reference_compares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from upweave.rewrite.onnx import runtime

    monkeypatch.setattr(runtime, "is_installed", lambda _: False)
    old = fold_model(5)
    found = rewritten(old, tmp_path)
    assert found.report.certificate is not None
    where = {t.dtype: t.inputs for t in found.report.certificate.trials}
    assert "onnx.reference" in where["float32"]
    assert "ONNX's reference implementation" in where["float64"]


def test_a_model_that_the_runtime_refuses_is_an_error(tmp_path: Path) -> None:
    old = fold_model(8)
    old.graph.node[3].op_type = "NoSuchOperator"
    with pytest.raises(ModelError, match="refuses the model as it is"):
        rewritten(old, tmp_path)
