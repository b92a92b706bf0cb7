"""Files that are no sound models, and input shapes that do not fit: one line of `ModelError` each."""

from __future__ import annotations

import contextlib
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_node

from tests.graph.onnx_tools import model, saved, value
from upweave.errors import ModelError
from upweave.graph.onnx import from_onnx

W = np.ones((4, 2, 3, 3), np.float32)


def up(**attributes: Any) -> onnx.ModelProto:
    weight = attributes.pop("weight", W)
    shape = attributes.pop("shape", (1, 4, 8, 8))
    node = make_node("ConvTranspose", ["x", "w"], ["y"], name="up", **attributes)
    return model([node], {"x": shape}, ["y"], {"w": weight})


def refused(path: Path, *words: str, inputs: Any = None) -> str:
    with pytest.raises(ModelError) as e:
        from_onnx(path, inputs)
    text = str(e.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text
    return text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello, I am a text file\n", "is not an ONNX model"),
        (b"import torch\nprint('x')\n" * 100, "is not an ONNX model"),
        (pickle.dumps({"state": [1, 2, 3]}), "is not an ONNX model"),
        (b"PK\x03\x04" + bytes(200), "is not an ONNX model"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(200)), "is not an ONNX model"),
        (bytes(64), "is not an ONNX model"),
    ],
    ids=["empty", "text", "source", "pickle", "zip", "png", "zeros"],
)
@pytest.mark.parametrize("suffix", [".onnx", ".json", ".textproto"])
def test_no_model(content: bytes, words: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    refused(path, words)


def test_directory_and_missing(tmp_path: Path) -> None:
    refused(tmp_path, "is a directory")
    refused(tmp_path / "no.onnx", "does not exist")


def test_every_truncation(tmp_path: Path) -> None:
    """Whatever the place where the file ends, it is refused, never misread."""
    whole = up(strides=[2, 2]).SerializeToString()
    path = tmp_path / "cut.onnx"
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        refused(path)


def test_random_damage_never_ends_in_a_traceback(tmp_path: Path) -> None:
    whole = up(strides=[2, 2], auto_pad="SAME_UPPER").SerializeToString()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.onnx"
    for _ in range(400):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            data[at] = rng.integers(0, 256)
        path.write_bytes(bytes(data))
        with contextlib.suppress(ModelError):
            from_onnx(path)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    m = up()
    m.graph.node[0].metadata_props.add(key="pkg.torch.onnx.stack_trace", value="TRACE")
    m.graph.node[0].input[0] = m.graph.input[0].name = "INPUT"
    whole = m.SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(whole.replace(b"INPUT", b"\xff\xfe\xff\xfe\xff"))
    refused(path, "no text")
    path.write_bytes(whole.replace(b"TRACE", b"\xff\xfe\xff\xfe\xff"))
    assert from_onnx(path).nodes[0].where is None
    path.write_bytes(whole.replace(b"INPUT", b"a\nb\nc", 1))
    refused(path, "defines")


GRAPHS: dict[str, tuple[Callable[[], onnx.ModelProto], tuple[str, ...]]] = {
    "cycle": (
        lambda: model(
            [make_node("Relu", ["b"], ["a"], name="p"), make_node("Relu", ["a"], ["b"], name="q")], {}, ["b"]
        ),
        ("cycle", "depends on its own output"),
    ),
    "self": (lambda: model([make_node("Add", ["x", "a"], ["a"], name="p")], {"x": [1]}, ["a"]), ("cycle", "'p'")),
    "undefined": (
        lambda: model([make_node("Relu", ["nowhere"], ["y"], name="p")], {"x": [1]}, ["y"]),
        ("'p'", "'nowhere'", "nothing in the model defines"),
    ),
    "undefined output": (lambda: model([make_node("Relu", ["x"], ["y"])], {"x": [1]}, ["z"]), ("'z'",)),
    "written twice": (
        lambda: model([make_node("Relu", ["x"], ["y"]), make_node("Neg", ["x"], ["y"])], {"x": [1]}, ["y"]),
        ("'y'", "written twice"),
    ),
    "overwritten input": (lambda: model([make_node("Relu", ["x"], ["x"])], {"x": [1]}, ["x"]), ("'x'", "already")),
    "missing input": (lambda: model([make_node("ConvTranspose", ["x"], ["y"])], {"x": [1, 2, 3]}, ["y"]), ("input 1",)),
    "no input at all": (lambda: model([make_node("Relu", [], ["y"])], {"x": [1]}, ["y"]), ("Relu",)),
    "kernel 0": (lambda: up(weight=np.ones((4, 2, 0, 3), np.float32)), ("kernel [0, 3]",)),
    "stride 0": (lambda: up(strides=[0, 1]), ("stride [0, 1]",)),
    "dilation 0": (lambda: up(dilations=[1, 0]), ("dilation [1, 0]",)),
    "group 0": (lambda: up(group=0), ("group is 0",)),
    "huge stride": (lambda: up(strides=[2**40, 2**40]), ("absurd",)),
    "overflowing stride": (lambda: up(strides=[2**62, 2**62], dilations=[2**62, 1]), ("absurd",)),
    "kernel_shape": (lambda: up(kernel_shape=[4, 4]), ("[4, 4]", "[3, 3]")),
    "strides for one axis": (lambda: up(strides=[2]), ("strides has 1 entries for 2",)),
    "pads for one axis": (lambda: up(pads=[1, 1]), ("pads has 2 entries", "4")),
    "pads eat everything": (lambda: up(pads=[20, 0, 20, 0]), ("'up'", "-30")),
    "channels": (lambda: up(shape=(1, 5, 8, 8)), ("5 channels", "reads 4")),
    "groups": (lambda: up(group=3), ("3 groups",)),
    "ranks": (lambda: up(shape=(1, 4, 8)), ("3 dimensions", "4")),
    "auto_pad": (lambda: up(auto_pad="SOME"), ("'SOME'",)),
    "output_shape": (lambda: up(output_shape=[10]), ("output_shape has 1 entries",)),
    "negative output_shape": (lambda: up(output_shape=[10, -4]), ("[10, -4]",)),
    "conv too small": (
        lambda: model([make_node("Conv", ["x", "w"], ["y"])], {"x": [1, 2, 2, 8]}, ["y"], {"w": W}),
        ("smaller than its kernel",),
    ),
    "negative input": (lambda: up(shape=(1, 4, -8, 8)), ("'x'", "negative")),
    "gigantic input": (lambda: up(shape=(2**30, 4, 2**30, 8)), ("'x'", "absurd")),
    "tile": (
        lambda: model(
            [make_node("Tile", ["x", "r"], ["y"])], {"x": [8, 8]}, ["y"], {"r": np.array([2**40, 2**40], np.int64)}
        ),
        ("absurd",),
    ),
    "resize scale": (
        lambda: model(
            [make_node("Resize", ["x", "", "s"], ["y"])], {"x": [1, 1, 8, 8]}, ["y"], {"s": np.float32([1, 1, -2, 2])}
        ),
        ("-2",),
    ),
    "resize scales": (
        lambda: model(
            [make_node("Resize", ["x", "", "s"], ["y"])], {"x": [1, 1, 8, 8]}, ["y"], {"s": np.float32([2, 2])}
        ),
        ("2 scales for 4",),
    ),
    "broadcast": (lambda: model([make_node("Add", ["x", "z"], ["y"])], {"x": [3], "z": [4]}, ["y"]), ("[3] and [4]",)),
    "concat": (
        lambda: model([make_node("Concat", ["x", "z"], ["y"], axis=1)], {"x": [2, 3, 4], "z": [2, 3, 5]}, ["y"]),
        ("[2, 3, 4]", "[2, 3, 5]"),
    ),
    "newer opset": (
        lambda: model([make_node("Relu", ["x"], ["y"])], {"x": [1]}, ["y"], opset=10**6),
        ("opset 1000000",),
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_absurd_graphs(name: str, tmp_path: Path) -> None:
    build, words = GRAPHS[name]
    refused(saved(build(), tmp_path), *words)


def test_tensors_that_lie(tmp_path: Path) -> None:
    m = up()
    m.graph.initializer[0].raw_data = m.graph.initializer[0].raw_data[:-4]
    refused(saved(m, tmp_path), "'w'", "288", "284")
    m = up()
    m.graph.initializer[0].dims[0] = -4
    refused(saved(m, tmp_path), "'w'", "negative")
    m = up()
    m.graph.initializer[0].dims[0] = 2**60
    refused(saved(m, tmp_path), "'w'", "absurd")
    m = up()
    m.graph.initializer.append(m.graph.initializer[0])
    refused(saved(m, tmp_path), "two initialisers", "'w'")
    m = up()
    m.graph.initializer[0].data_type = 999
    refused(saved(m, tmp_path), "'w'", "999")
    m = up()
    m.graph.input.append(m.graph.input[0])
    refused(saved(m, tmp_path), "same name")


def external(tmp_path: Path, location: str, offset: int = 0, length: int = 288) -> Path:
    folder = tmp_path / "models"
    folder.mkdir(exist_ok=True)
    m = up(strides=[2, 2])
    t = m.graph.initializer[0]
    t.ClearField("raw_data")
    t.data_location = TensorProto.EXTERNAL
    for key, v in {"location": location, "offset": str(offset), "length": str(length)}.items():
        t.external_data.add(key=key, value=v)
    return saved(m, folder)


def test_external_data_inside_the_folder_is_read_on_demand(tmp_path: Path) -> None:
    path = external(tmp_path, "data/weights.bin", offset=16)
    (path.parent / "data").mkdir()
    (path.parent / "data/weights.bin").write_bytes(bytes(16) + (3 * W).tobytes())
    graph = from_onnx(path)
    np.testing.assert_array_equal(graph.nodes[0].weights["weight"].load(), 3 * W)
    (path.parent / "data/weights.bin").unlink()
    with pytest.raises(ModelError, match="missing"):
        graph.nodes[0].weights["weight"].load()


def test_gigabytes_of_external_data_are_not_read(tmp_path: Path) -> None:
    m = model([make_node("MatMul", ["x", "w"], ["y"])], {"x": [1, 2**15]}, ["y"])
    t = m.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[2**15, 2**15])
    t.data_location = TensorProto.EXTERNAL
    t.external_data.add(key="location", value="weights.bin")
    path = saved(m, tmp_path)
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(2**32)  # sparse: no disk is used
    tracemalloc.start()
    graph = from_onnx(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert graph.shapes["y"] == (1, 2**15)


def test_external_data_that_is_missing_or_short(tmp_path: Path) -> None:
    path = external(tmp_path, "weights.bin", offset=16)
    refused(path, "'w'", "weights.bin", "missing")
    (path.parent / "weights.bin").write_bytes(bytes(300))
    refused(path, "'w'", "weights.bin", "304", "300")
    refused(external(tmp_path, "weights.bin", offset=-1), "'w'", "-1")
    refused(external(tmp_path, "weights.bin", length=4), "288", "4")
    refused(external(tmp_path, ""), "'w'", "names no file")
    refused(external(tmp_path, "."), "'w'", "missing")


@pytest.mark.parametrize(
    "location", ["../secret.bin", "a/../../secret.bin", "{absolute}", "link.bin", "linked/secret.bin"]
)
def test_external_data_outside_the_folder(location: str, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(288))
    path = external(tmp_path, location.format(absolute=tmp_path / "secret.bin"))
    (path.parent / "link.bin").symlink_to(tmp_path / "secret.bin")
    (path.parent / "linked").symlink_to(tmp_path)
    refused(path, "'w'", "outside the model's folder")


def test_external_data_swapped_for_a_link_after_reading(tmp_path: Path) -> None:
    path = external(tmp_path, "weights.bin")
    (path.parent / "weights.bin").write_bytes(bytes(288))
    graph = from_onnx(path)
    (path.parent / "weights.bin").unlink()
    (tmp_path / "secret.bin").write_bytes(bytes(288))
    (path.parent / "weights.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(ModelError, match="outside"):
        graph.nodes[0].weights["weight"].load()


def dynamic(tmp_path: Path) -> Path:
    nodes = [make_node("ConvTranspose", ["x", "w"], ["u"], strides=[2, 2]), make_node("Mul", ["u", "z"], ["y"])]
    return saved(model(nodes, {"x": ["n", 4, "h", "w_"], "z": ["n", 1, 1, 1]}, ["y"], {"w": W}), tmp_path)


def test_input_shapes(tmp_path: Path) -> None:
    path = dynamic(tmp_path)
    refused(path, "'x'", "nx4xhxw_", "--input x=1x4x64x64")
    refused(path, "'x'", "nx4xhxw_", inputs={})
    refused(path, "'x'", "4 dimensions", "2", inputs={"x": (3, 4)})
    refused(path, "'x'", "fixes dimension 1 at 4", "has 5", inputs=[(1, 5, 8, 8)])
    refused(path, "'n' is 2", "and 3", inputs=[(2, 4, 8, 8), (3, 1, 1, 1)])
    refused(path, "no input 'q'", "x, z", inputs={"q": (1, 4, 8, 8)})
    refused(path, "3 input shapes", "2", inputs=[(1,), (1,), (1,)])
    refused(path, "'x'", "negative", inputs={"x": (1, 4, -8, 8)})
    graph = from_onnx(path, {"x": (2, 4, 8, 9)})
    assert graph.shapes["z"] == (2, 1, 1, 1)  # the symbol n is known from x
    assert graph.shapes["y"] == (2, 2, 17, 19)
    assert from_onnx(path, [(2, 4, 8, 9)]).shapes == graph.shapes


def test_static_shapes_need_none_and_cannot_be_changed(tmp_path: Path) -> None:
    path = saved(up(), tmp_path)
    assert from_onnx(path).shapes["y"] == (1, 2, 10, 10)
    assert from_onnx(path, [(1, 4, 8, 8)]).shapes["y"] == (1, 2, 10, 10)
    refused(path, "'x'", "dimension 0 at 1", "has 2", inputs=[(2, 4, 8, 8)])


def test_input_without_a_declared_rank(tmp_path: Path) -> None:
    m = up()
    m.graph.input[0].CopyFrom(value("x", None))
    refused(saved(m, tmp_path), "'x'", "no declared shape", "--input x=")
    assert from_onnx(saved(m, tmp_path), {"x": (1, 4, 3, 3)}).shapes["y"] == (1, 2, 5, 5)


@pytest.mark.parametrize("order", [1, -1], ids=["sorted", "reversed"])
def test_long_chains_need_no_deep_stack(order: int, tmp_path: Path) -> None:
    nodes = [make_node("Relu", [f"v{k}"], [f"v{k + 1}"]) for k in range(20_000)][::order]
    graph = from_onnx(saved(model(nodes, {"v0": [1, 2, 3]}, ["v20000"]), tmp_path))
    assert graph.shapes["v20000"] == (1, 2, 3)


def test_long_chains_of_constants_need_no_deep_stack(tmp_path: Path) -> None:
    nodes = [make_node("Neg", [f"v{k}"], [f"v{k + 1}"]) for k in range(5_000)]
    nodes.append(make_node("ConvTranspose", ["x", "v5000"], ["y"]))
    graph = from_onnx(saved(model(nodes, {"x": [1, 4, 8, 8]}, ["y"], {"v0": W}), tmp_path))
    np.testing.assert_array_equal(graph.nodes[-1].weights["weight"].load(), W)
