"""The code that a lab writes for a layer computes what the layer computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("marimo")

import upweave
from upweave.errors import SpecError
from upweave.labs.kit.code import WRITERS, jax, keras, onnx, pytorch

AXES = st.integers(1, 2).flatmap(
    lambda rank: st.tuples(*(st.lists(values, min_size=rank, max_size=rank).map(tuple) for values in (
        st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2), st.integers(1, 2)
    )))
)  # fmt: skip


def case(numbers: Any) -> tuple[upweave.ConvTranspose, tuple[int, ...], np.ndarray, np.ndarray, np.ndarray]:
    """A layer of 3 channels in and 2 out, its input, its weight, and what it computes by definition."""
    try:
        spec = upweave.ConvTranspose(*numbers)
        size = (4,) * len(numbers[0])
        upweave.output_size(spec, size)
    except SpecError:
        assume(False)
        raise
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, *size)).astype(np.float32)
    w = rng.standard_normal((3, 2, *numbers[0])).astype(np.float32)
    out = tuple(upweave.output_size(spec, size))
    y = (upweave.matrix(spec, size, w) @ x.reshape(-1)).reshape(2, *out)
    return spec, size, x, w, y


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text, "a lab's code", "exec"), names)
    return names


@settings(max_examples=25)
@given(numbers=AXES)
def test_pytorch(numbers: Any) -> None:
    torch = pytest.importorskip("torch")
    spec, size, x, w, y = case(numbers)
    layer = run(pytorch(spec, len(size), (3, 2)))["layer"]
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(w))
        layer.bias.zero_()
        got = layer(torch.from_numpy(x)[None])[0].numpy()
    np.testing.assert_allclose(got, y, atol=1e-4)


@settings(max_examples=15)
@given(numbers=AXES)
def test_onnx(numbers: Any) -> None:
    package = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    spec, size, x, w, y = case(numbers)
    assume(all(o < s for s, o in zip(numbers[1], numbers[3], strict=True)))  # ONNX Runtime wants that even where d > o
    node = run(onnx(spec, len(size), (3, 2)))["node"]
    kind = package.TensorProto.FLOAT
    graph = package.helper.make_graph(
        [node],
        "layer",
        [package.helper.make_tensor_value_info("x", kind, [1, *x.shape])],
        [package.helper.make_tensor_value_info("y", kind, [1, *y.shape])],
        [package.numpy_helper.from_array(w, "w")],
    )
    model = package.helper.make_model(graph, opset_imports=[package.helper.make_opsetid("", 17)], ir_version=9)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"x": x[None]})[0][0], y, atol=1e-4)


@settings(max_examples=10)
@given(numbers=AXES)
def test_jax(numbers: Any) -> None:
    pytest.importorskip("jax")
    spec, size, x, w, y = case(numbers)
    got = run(jax(spec, len(size), (3, 2)))["layer"](x[None], w)[0]
    np.testing.assert_allclose(np.asarray(got), y, atol=1e-4)


@settings(max_examples=10)
@given(numbers=AXES)
def test_keras(numbers: Any) -> None:
    package = pytest.importorskip("keras")
    spec, size, x, w, y = case(numbers)
    text = keras(spec, len(size), (3, 2))
    if "layer" not in text:
        assert max(numbers[1]) > 1
        assert max(numbers[4]) > 1
        return
    layer = run(text)["layer"]
    layer.build((1, *size, 3))
    layer.layers[0].set_weights([np.moveaxis(w, (0, 1), (-1, -2)), np.zeros(2, np.float32)])
    got = np.moveaxis(package.ops.convert_to_numpy(layer(np.moveaxis(x, 0, -1)[None]))[0], -1, 0)
    np.testing.assert_allclose(got, y, atol=1e-4)


def test_keras_crops_to_the_output() -> None:
    """Keras' own length is s(H−1) + max(d(k−1)+1, s); what is cropped and padded leads from there to H_T."""
    for k, s, p, o in ((4, 2, 1, 0), (3, 2, 1, 1), (2, 3, 0, 1), (1, 3, 0, 2), (9, 2, 4, 1)):
        layer = upweave.ConvTranspose(k, s, p, o)
        text = keras(layer, 1, (3, 2))
        begin, end = map(int, text.split("Cropping1D((")[1].split(")")[0].split(", ")) if "Cropping" in text else (0, 0)
        more = int(text.split("ZeroPadding1D((0, ")[1].split(")")[0]) if "ZeroPadding" in text else 0
        assert s * (5 - 1) + max(k, s) - begin - end + more == upweave.output_size(layer, 5)


def test_every_library_is_written() -> None:
    assert list(WRITERS) == ["PyTorch", "Keras", "JAX", "ONNX"]
    wide = upweave.ConvTranspose((4, 3), (2, 1), (1, 1))
    assert "kernel_size=(4, 3)" in pytorch(wide, 2, (16, 8))
    assert "padding=1" in pytorch(wide, 2, (16, 8))
