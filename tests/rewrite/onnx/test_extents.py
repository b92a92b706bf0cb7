"""Sizes of tensors at every size of the dynamic axes: what is said of them is what ONNX's shape inference finds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.graph.onnx_tools import saved
from upweave.errors import ModelError
from upweave.rewrite.onnx.extents import Extent, declared_extent, symbol_values
from upweave.rewrite.onnx.source import read_source

from .files import assert_same_outputs, conv, identities, model, node, numbers, ops, reasons, resize, rewritten, scales

extents = st.builds(Extent, st.integers(0, 6), st.sampled_from(["h", "w"]), st.integers(-3, 9))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("h", Extent(1, "h")),
        ("32*h", Extent(32, "h")),
        ("2*h + 1", Extent(2, "h", 1)),
        ("s0*4-3", Extent(4, "s0", -3)),
        ("(h + 2)", Extent(1, "h", 2)),
        ("max(1, h)", Extent(1, "max(1, h)")),
        ("?", None),
        (7, Extent(0, "", 7)),
    ],
)
def test_what_a_file_says_of_an_axis(text: str | int, want: Extent | None) -> None:
    assert declared_extent(text) == want
    if isinstance(text, str) and want is not None and want.symbol != text:
        assert declared_extent(str(want)) == want


@given(extents, st.integers(1, 5), st.integers(1, 50))
def test_arithmetic_is_that_of_the_sizes(e: Extent, n: int, value: int) -> None:
    assert e.plus(n).at(value) == e.at(value) + n
    assert e.times(n).at(value) == n * e.at(value)
    if (part := e.over(n)) is not None:
        assert part.at(value) == e.at(value) // n
    assert (e.times(n).ratio(e) == n) or not e.at(1) or (not e.factor and not e.offset)


@given(extents, extents, st.integers(1, 50))
def test_a_ratio_holds_for_every_size(a: Extent, b: Extent, value: int) -> None:
    found = a.ratio(b)
    if found is not None and b.at(value):
        assert Fraction(a.at(value), b.at(value)) == found


def test_sizes_nearest_to_a_usual_one() -> None:
    for e, size, want in (
        (Extent(32, "h"), 64, 64), (Extent(48, "h"), 64, 48), (Extent(3, "h", 1), 64, 64), (Extent(99, "h", 5), 1, 104)
    ):  # fmt: skip
        assert e.at(e.nearest(size)) == want
    assert symbol_values(
        {"x": (1, 64), "y": (1, 33)}, {"x": (None, Extent(2, "h")), "y": (None, Extent(1, "h", 1))}
    ) == {"h": 32}
    with pytest.raises(ModelError, match=r"axis 1 of input 'x' is declared as 2\*h; 63 is no such size"):
        symbol_values({"x": (1, 63)}, {"x": (None, Extent(2, "h"))})


LAYERS: dict[str, tuple[onnx.NodeProto, dict[str, np.ndarray]]] = {
    "strided": (conv("x", "y", strides=[2, 2]), {"w": numbers(8, 8, 3, 3)}),
    "dilated": (conv("x", "y", dilations=[2, 2], pads=[1, 0, 2, 3]), {"w": numbers(8, 8, 3, 3)}),
    "same": (node("Conv", ["x", "w"], ["y"], auto_pad="SAME_LOWER"), {"w": numbers(8, 8, 4, 3)}),
    "transposed": (
        node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 3], pads=[1, 0, 1, 2], output_padding=[1, 0]),
        {"w": numbers(8, 4, 3, 5)},
    ),
    "transposed same": (
        node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 3], auto_pad="SAME_UPPER"),
        {"w": numbers(8, 4, 4, 5)},
    ),
    "pool": (node("MaxPool", ["x"], ["y"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0]), {}),
    "pool that rounds up": (node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1), {}),
    "resize": (resize("x", "y"), {"scales": scales(1, 1, 2, 1.5)}),
    "pad": (
        node("Pad", ["x", "pads"], ["y"], mode="reflect"),
        {"pads": np.array([0, 0, 1, 0, 0, 0, 2, 3], np.int64)},
    ),
    "to space": (node("DepthToSpace", ["x"], ["y"], blocksize=2), {}),
    "to depth": (node("SpaceToDepth", ["x"], ["y"], blocksize=2), {}),
    "concatenation": (node("Concat", ["x", "x"], ["y"], axis=2), {}),
    "turned": (node("Transpose", ["x"], ["y"], perm=[0, 2, 3, 1]), {}),
    "mean": (node("ReduceMean", ["x"], ["y"], axes=[1, 3], keepdims=0), {}),
    "sum": (node("Add", ["x", "one"], ["y"]), {"one": numbers(8, 1, 1)}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_extents_are_what_shape_inference_finds(tmp_path: Path, name: str) -> None:
    layer, weights = LAYERS[name]
    opset = 17
    old = model([layer], {"x": ("b", 8, "6*h", "4*w + 2")}, ["y"], weights, opset)
    found = read_source(saved(old, tmp_path), {"x": (1, 8, 12, 10)}).symbols.extents["y"]
    known = 0
    for b, h, w in ((1, 2, 2), (2, 3, 5), (1, 5, 4)):
        fixed = model([layer], {"x": (b, 8, 6 * h, 4 * w + 2)}, ["y"], weights, opset)
        shape = onnx.shape_inference.infer_shapes(fixed).graph.output[0].type.tensor_type.shape.dim
        for dim, e in zip(shape, found, strict=True):
            if e is not None:
                known += 1
                assert e.at({"b": b, "h": h, "w": w, "": 0}[e.symbol]) == dim.dim_value
    assert known >= 3 * (len(found) - 1)  # at most one axis is beyond an extent


def _with_skip(how: str) -> tuple[list[onnx.NodeProto], dict[str, Any]]:
    """A U-Net of one level: the resize goes to the size of the skip."""
    nodes = [
        node("Relu", ["x"], ["skip"]),
        conv("skip", "down", "w1", "down", strides=[2, 2]),
        node("Shape", ["skip"], ["s"]),
        node("Slice", ["s", "two", "four"], ["hw"]),
        node("Shape", ["down"], ["d"]),
        node("Slice", ["d", "zero", "two"], ["nc"]),
        node("Concat", ["nc", "hw"], ["size"], axis=0),
    ]
    more = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if how == "sizes":
        nodes += [node("Resize", ["down", "", "", "size"], ["u"], "up", **more)]
    else:  # as exporters of opset 9 and 10 write it
        nodes += [
            node("Cast", ["size"], ["big"], to=onnx.TensorProto.FLOAT),
            node("Cast", ["d"], ["small"], to=onnx.TensorProto.FLOAT),
            node("Div", ["big", "small"], ["factors"]),
            node("Resize", ["down", "", "factors"], ["u"], "up", **more),
        ]
    nodes += [node("Concat", ["u", "skip"], ["c"], axis=1), conv("c", "y", "w2", "join")]
    weights: dict[str, Any] = {k: np.array([v], np.int64) for k, v in (("zero", 0), ("two", 2), ("four", 4))}
    return nodes, weights | {"w1": numbers(32, 8, 3, 3), "w2": numbers(16, 40, 3, 3, seed=1)}


@pytest.mark.parametrize("how", ["sizes", "scales"])
def test_a_resize_to_the_size_of_a_skip_folds_where_the_file_declares_multiples(tmp_path: Path, how: str) -> None:
    nodes, weights = _with_skip(how)
    old = model(nodes, {"x": ("b", 8, "2*h", "2*w")}, ["y"], weights)
    found = rewritten(old, tmp_path)
    assert identities(found) == ["split-concat"]
    assert "Resize" not in ops(found.model)
    assert "Shape" not in ops(found.model)
    assert_same_outputs(old, found.model, 2, 8, 10, 6)
    (note,) = found.report.notes
    assert "axis 2 of 'x' has 2*h samples; axis 3 of 'x' has 2*w samples" in note
    assert found.report.certificate is not None
    assert all("1x8x64x64" in t.inputs or int(t.inputs.split("x")[3]) % 2 == 0 for t in found.report.certificate.trials)


@pytest.mark.parametrize("axes", [("h", "w"), ("2*h + 1", "2*w"), ("3*h", "2*w")])
@pytest.mark.parametrize("how", ["sizes", "scales"])
def test_without_the_right_multiples_it_does_not(tmp_path: Path, axes: tuple[str, str], how: str) -> None:
    nodes, weights = _with_skip(how)
    old = model(nodes, {"x": ("b", 8, *axes)}, ["y"], weights)
    sizes = [{"h": 64, "w": 64, "2*h + 1": 65, "2*w": 64, "3*h": 66}[a] for a in axes]
    found = rewritten(old, tmp_path, shapes={"x": (1, 8, *sizes)})
    assert not found.report.changed
    assert "frozen" in reasons(found) or sizes[0] % 2


def test_a_size_that_was_not_declared_is_an_error(tmp_path: Path) -> None:
    nodes, weights = _with_skip("sizes")
    old = model(nodes, {"x": ("b", 8, "2*h", "2*w")}, ["y"], weights)
    with pytest.raises(ModelError, match=r"axis 3 of input 'x' is declared as 2\*w; 31 is no such size"):
        rewritten(old, tmp_path, shapes={"x": (1, 8, 64, 31)})


def test_a_fixed_size_is_a_factor_where_only_the_batch_is_open(tmp_path: Path) -> None:
    more = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor", "axes": [2, 3]}
    nodes = [node("Resize", ["x", "", "", "size"], ["u"], "up", **more), conv("u", "y")]
    weights = {"size": np.array([16, 16], np.int64), "w": numbers(16, 16, 3, 3)}
    old = model(nodes, {"x": ("b", 16, 8, 8)}, ["y"], weights, 18)
    found = rewritten(old, tmp_path)
    assert ops(found.model) == ["ConvTranspose"]
    assert_same_outputs(old, found.model, 3, 16, 8, 8)
    del more["axes"]
    nodes[0] = node("Resize", ["x", "", "", "size"], ["u"], "up", **more)
    weights["size"] = np.array([1, 16, 16, 16], np.int64)  # this one makes one picture of a batch of any size
    found = rewritten(model(nodes, {"x": ("b", 16, 8, 8)}, ["y"], weights, 18), tmp_path)
    assert not found.report.changed
    assert "fixed size on axis 0" in reasons(found)


def test_a_value_whose_size_is_read_elsewhere_may_go(tmp_path: Path) -> None:
    """The size of a convolution's output is that of the normalisation behind it."""
    statistics = {k: numbers(16, seed=3) ** 2 + 0.5 for k in ("scale", "bias", "mean", "variance")}
    nodes = [
        conv("x", "c"),
        node("BatchNormalization", ["c", "scale", "bias", "mean", "variance"], ["n"], "norm"),
        node("Shape", ["c"], ["s"]),
        node("Relu", ["n"], ["r"]),
        node("Expand", ["row", "s"], ["e"]),
        node("Add", ["r", "e"], ["y"]),
    ]
    weights = statistics | {"w": numbers(16, 16, 3, 3), "row": numbers(1, 16, 1, 1, seed=4)}
    old = model(nodes, {"x": ("b", 16, "h", "w")}, ["y"], weights)
    found = rewritten(old, tmp_path)
    assert identities(found) == ["fold-batch-norm"]
    assert ops(found.model) == ["Conv", "Shape", "Relu", "Expand", "Add"]
    assert found.report.warnings == ()
    assert_same_outputs(old, found.model, 2, 16, 5, 7)


def test_a_value_whose_size_nothing_else_has_stays(tmp_path: Path) -> None:
    nodes = [resize("x", "u"), conv("u", "c"), node("Shape", ["u"], ["s"]), node("Expand", ["row", "s"], ["e"])]
    nodes += [node("Mul", ["c", "e"], ["y"])]
    weights = {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3), "row": numbers(1, 16, 1, 1, seed=4)}
    old = model(nodes, {"x": ("b", 16, "h", "w")}, ["y"], weights)
    found = rewritten(old, tmp_path)
    assert found.report.warnings == ()
    assert not found.report.changed
    assert "Shape '' of the file also reads 'u', which would go" in reasons(found)
