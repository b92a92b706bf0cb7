"""Every ConvTranspose, Resize, Upsample and DepthToSpace node test that ships inside the onnx package."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.graph.onnx_tools import run, saved
from upweave.graph import ir
from upweave.graph.onnx import from_onnx

OPERATORS = ("ConvTranspose", "Resize", "Upsample", "DepthToSpace")
OPAQUE = {
    **dict.fromkeys(
        (
            "test_resize_tf_crop_and_resize",
            "test_resize_tf_crop_and_resize_axes_2_3",
            "test_resize_tf_crop_and_resize_axes_3_2",
            "test_resize_tf_crop_and_resize_extrapolation_value",
        ),
        "reads a region of interest",
    )
}
"""The cases whose operator is not a matrix of the whole input, with the reason that their Opaque node must give."""


def _all() -> list[Any]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(collect_testcases(None))


ALL = _all()
CASES = [c for c in ALL if c.name.startswith(tuple(f"test_{o.lower()}" for o in OPERATORS))]


def _frozen(case: Any) -> tuple[onnx.ModelProto, np.ndarray, np.ndarray]:
    """The case's model with every input but the first as an initialiser, its input, and its expected output."""
    model = copy.deepcopy(case.model)
    inputs, outputs = case.data_sets[0]
    names = [i.name for i in model.graph.input]
    for name, array in zip(names[1:], inputs[1:], strict=True):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    del model.graph.input[1:]
    return model, np.asarray(inputs[0]), np.asarray(outputs[0])


def test_every_case_is_here() -> None:
    """The counts of onnx 1.23; a later package may have more, never fewer."""
    found = Counter(next(o for o in OPERATORS if c.name.startswith(f"test_{o.lower()}")) for c in CASES)
    least = {"ConvTranspose": 11, "Resize": 39, "Upsample": 1, "DepthToSpace": 4}
    assert all(found[o] >= n for o, n in least.items()), found
    assert set(OPAQUE) <= {c.name for c in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_size_and_matrix_agree(case: Any, tmp_path: Path) -> None:
    model, x, expected = _frozen(case)
    graph = from_onnx(saved(model, tmp_path))
    assert graph.shapes[graph.outputs[0]] == expected.shape
    opaque = list(graph.of(ir.Opaque))
    if case.name in OPAQUE:
        assert len(opaque) == 1
        assert OPAQUE[case.name] in opaque[0].op.reason
        return
    assert not opaque
    np.testing.assert_allclose(run(graph, x), expected, rtol=1e-5, atol=1e-5)


CONVOLUTIONS = [c for c in CASES if c.name.startswith("test_convtranspose")]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=lambda c: c.name)
def test_public_matrix_agrees(case: Any, tmp_path: Path) -> None:
    import upweave

    model, x, expected = _frozen(case)
    graph = from_onnx(saved(model, tmp_path))
    (node,) = graph.of(ir.TransposedConvolution)
    matrix = upweave.matrix(node.op.spec, x.shape[2:], node.weights["weight"].load())
    for image, want in zip(x, expected, strict=True):
        got = (matrix @ image.reshape(-1)).reshape(graph.shapes[node.output][1:])
        for pad in graph.of(ir.Pad):
            got = np.pad(got, pad.op.pads[1:])
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


WRONG_IN_ONNX = {"test_stft", "test_stft_with_window"}
"""ONNX's own inference forgets that STFT is one-sided by default."""


def test_every_other_operator_of_onnx_is_survived(tmp_path: Path) -> None:
    """All node tests of the package: no error, and every shape that is known is the expected one."""
    right, wrong = 0, set[str]()
    for case in ALL:
        inputs, outputs = case.data_sets[0]
        named = list(zip(case.model.graph.input, inputs, strict=False))
        shapes = {i.name: a.shape for i, a in named if i.type.HasField("tensor_type") and isinstance(a, np.ndarray)}
        graph = from_onnx(saved(case.model, tmp_path), shapes)
        for name, array in zip(graph.outputs, outputs, strict=False):
            if name in graph.shapes and isinstance(array, np.ndarray):
                right += graph.shapes[name] == array.shape
                wrong |= {case.name} if graph.shapes[name] != array.shape else set()
    assert wrong <= WRONG_IN_ONNX
    assert right > 1500
