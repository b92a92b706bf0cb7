"""Operators against ONNX Runtime, laziness of weights, opaque operators, and what runtimes disagree about."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.helper import make_node

from tests.graph.onnx_tools import model, run, saved
from upweave.graph import ir
from upweave.graph.onnx import from_onnx, runtime_disagreements
from upweave.theory.resize import resize_matrix

onnxruntime = pytest.importorskip("onnxruntime")
onnxruntime.set_default_logger_severity(4)
RNG = np.random.default_rng(0)


def real(m: onnx.ModelProto, *arrays: np.ndarray) -> np.ndarray:
    """What ONNX Runtime computes."""
    session = onnxruntime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return session.run(None, dict(zip(names, arrays, strict=True)))[0]


def graph_of(m: onnx.ModelProto, folder: Path, inputs: Any = None) -> ir.Graph:
    return from_onnx(saved(m, folder), inputs)


# transposed convolutions

WAYS: list[dict[str, Any]] = [
    *({"auto_pad": a, "output_padding": [o]} for a in ("SAME_UPPER", "SAME_LOWER", "VALID") for o in (0, 1)),
    *({"output_shape": [n], "auto_pad": a} for n in (8, 9, 10, 11) for a in ("NOTSET", "SAME_UPPER", "SAME_LOWER")),
    *({"pads": [b, e], "output_padding": [o]} for b, e, o in itertools.product((0, 1), (0, 2), (0, 1))),
]


@pytest.mark.parametrize("opset", [1, 11, 22])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_transposed_convolutions_are_the_runtime_s(way: dict[str, Any], opset: int, tmp_path: Path) -> None:
    for k, s, d in itertools.product((1, 2, 3, 4), (1, 2, 3), (1, 2)):
        if "output_shape" in way and (k, s, d) not in ((3, 2, 1), (4, 2, 1), (2, 2, 2), (3, 2, 2)):
            continue
        if any(o >= s for o in way.get("output_padding", [])):
            continue  # ONNX Runtime refuses o ≥ s, whatever the dilation is
        x, w = RNG.standard_normal((2, 2, 5)).astype(np.float32), RNG.standard_normal((2, 3, k)).astype(np.float32)
        node = make_node("ConvTranspose", ["x", "w"], ["y"], strides=[s], dilations=[d], **way)
        m = model([node], {"x": x.shape}, ["y"], {"w": w}, opset=opset)
        graph = graph_of(m, tmp_path)
        np.testing.assert_allclose(run(graph, x), real(m, x), rtol=1e-5, atol=1e-5, err_msg=str((k, s, d)))


def test_an_output_longer_than_the_taps_reach(tmp_path: Path) -> None:
    node = make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2], output_shape=[14])
    graph = graph_of(model([node], {"x": [1, 1, 5]}, ["y"], {"w": np.ones((1, 1, 3), np.float32)}), tmp_path)
    conv, pad = graph.nodes
    assert conv.op.spec.output_padding == (1,)
    assert pad.op == ir.Pad(((0, 0), (0, 0), (0, 2)), "zeros")
    assert (graph.shapes[conv.output], graph.shapes[pad.output]) == ((1, 1, 12), (1, 1, 14))


def test_implicit_and_disagreements(tmp_path: Path) -> None:
    def found(k: int, s: int, **way: Any) -> set[str]:
        node = make_node("ConvTranspose", ["x", "w"], ["y"], strides=[s], **way)
        graph = graph_of(model([node], {"x": [1, 1, 5]}, ["y"], {"w": np.ones((1, 1, k), np.float32)}), tmp_path)
        every = runtime_disagreements(graph.nodes[0].op.implicit)
        assert all(d.source for d in every)
        return {d.runtime for d in every}

    assert found(3, 2) == found(3, 2, pads=[1, 1], output_padding=[1]) == found(3, 2, auto_pad="VALID") == set()
    odd, even = found(3, 2, auto_pad="SAME_UPPER"), found(4, 2, auto_pad="SAME_UPPER")
    assert "older ONNX Runtime" in odd - even
    assert "OpenVINO before late 2025" in even
    assert "ONNX reference implementation" in found(2, 3, auto_pad="SAME_LOWER")
    assert "ONNX shape inference" in found(3, 2, auto_pad="SAME_LOWER", output_padding=[1])
    assert {"TVM (Relax)", "Unity Barracuda"} <= found(3, 2, output_shape=[9])
    assert "ONNX Runtime" in found(3, 2, output_shape=[14])


def test_the_reference_implementation_disagrees_as_written() -> None:
    """The claims of implicit.py about the installed onnx package; if this fails, the text there is out of date."""
    from onnx.reference import ReferenceEvaluator

    x, w = np.ones((1, 1, 5), np.float32), np.ones((1, 1, 2), np.float32)
    short = model([make_node("ConvTranspose", ["x", "w"], ["y"], strides=[3], auto_pad="SAME_UPPER")],
                  {"x": x.shape}, ["y"], {"w": w})  # fmt: skip
    assert real(short, x).shape[2] == 14
    assert ReferenceEvaluator(short).run(None, {"x": x})[0].shape[2] == 15
    extra = make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2], auto_pad="SAME_UPPER", output_padding=[1])
    both = model([extra], {"x": x.shape}, ["y"], {"w": np.ones((1, 1, 3), np.float32)})
    assert real(both, x).shape[2] == 10
    inferred = onnx.shape_inference.infer_shapes(both).graph.output[0].type.tensor_type.shape.dim[2].dim_value
    assert inferred == 11


# resizes


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize("size", [(12, 10), (3, 5), (9, 15), (4, 13)], ids=str)
def test_resizes_are_the_runtime_s(mode: str, coordinates: str, size: tuple[int, int], tmp_path: Path) -> None:
    x = RNG.standard_normal((1, 2, 6, 5)).astype(np.float32)
    for nearest in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil") if mode == "nearest" else ("floor",):
        for outside in (0, 1) if mode == "cubic" else (0,):
            node = make_node("Resize", ["x", "", "", "s"], ["y"], mode=mode, nearest_mode=nearest,
                             coordinate_transformation_mode=coordinates, exclude_outside=outside)  # fmt: skip
            m = model([node], {"x": x.shape}, ["y"], {"s": np.array([1, 2, *size], np.int64)})
            graph = graph_of(m, tmp_path)
            assert graph.nodes[0].op.by_size
            np.testing.assert_allclose(run(graph, x), real(m, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("opset", "op"), [(7, "Upsample"), (9, "Upsample"), (10, "Resize"), (11, "Resize"), (13, "Resize")]
)
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_old_resizes_are_the_runtime_s(opset: int, op: str, mode: str, tmp_path: Path) -> None:
    x = RNG.standard_normal((1, 2, 5, 4)).astype(np.float32)
    scales = np.float32([1, 1, 2, 3])
    names = {7: ["x"], 9: ["x", "s"], 10: ["x", "s"], 11: ["x", "r", "s"], 13: ["x", "", "s"]}[opset]
    node = make_node(op, names, ["y"], mode=mode, **({"scales": scales.tolist()} if opset == 7 else {}))
    m = model([node], {"x": x.shape}, ["y"], {"s": scales, "r": np.zeros(0, np.float32)}, opset=opset)
    graph = graph_of(m, tmp_path)
    np.testing.assert_allclose(run(graph, x), real(m, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scale", [0.5, 0.6, 0.75, 1.5])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_opset_10_rounds_up_to_shrink(scale: float, mode: str, tmp_path: Path) -> None:
    x = RNG.standard_normal((1, 2, 6, 8)).astype(np.float32)
    node = make_node("Resize", ["x", "s"], ["y"], mode=mode)
    m = model([node], {"x": x.shape}, ["y"], {"s": np.float32([1, 1, 1, scale])}, opset=10)
    np.testing.assert_allclose(run(graph_of(m, tmp_path), x), real(m, x), rtol=1e-5, atol=1e-5)


def test_pytorch_s_resizes() -> None:
    torch = pytest.importorskip("torch")
    for size, out in ((5, 10), (5, 15), (8, 3), (7, 12), (6, 1)):
        x = torch.randn(2, 3, size, 4, dtype=torch.float64)

        def same(matrix: Any, x: Any = x, out: int = out, **how: Any) -> None:
            want = torch.nn.functional.interpolate(x, size=(out, 4), **how).numpy()
            got = np.einsum("oi,ncix->ncox", matrix.toarray(), x.numpy())
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6, err_msg=str((x.shape, out, how)))

        same(resize_matrix(size, out, "nearest", "asymmetric", nearest="floor"), mode="nearest")
        same(resize_matrix(size, out, "nearest", "half_pixel", nearest="round_prefer_ceil"), mode="nearest-exact")
        same(resize_matrix(size, out, "linear"), mode="bilinear")
        same(resize_matrix(size, out, "linear", "align_corners"), mode="bilinear", align_corners=True)
        same(resize_matrix(size, out, "cubic"), mode="bicubic")
        same(resize_matrix(size, out, "cubic", "align_corners"), mode="bicubic", align_corners=True)
        same(resize_matrix(size, out, "area"), mode="area")
        anti = {"antialias": True, "exclude_outside": True}
        same(resize_matrix(size, out, "linear", **anti), mode="bilinear", antialias=True)
        same(resize_matrix(size, out, "cubic", cubic_a=-0.5, **anti), mode="bicubic", antialias=True)


def test_a_channel_last_resize_names_its_dimensions(tmp_path: Path) -> None:
    node = make_node("Resize", ["x", "", "s"], ["y"])
    graph = graph_of(model([node], {"x": [1, 4, 6, 3]}, ["y"], {"s": np.float32([1, 2, 2, 1])}), tmp_path)
    assert graph.nodes[0].op.dims == (1, 2)
    assert graph.shapes["y"] == (1, 8, 12, 3)


# everything else: the shapes of the runtime

X = (2, 6, 9, 8)
OTHERS: dict[str, tuple[list[onnx.NodeProto], dict[str, Any]]] = {
    **{
        f"{kind} {auto} ceil{ceil}": (
            [make_node(kind, ["x"], ["y"], kernel_shape=[3, 2], strides=[2, 3], auto_pad=auto, ceil_mode=ceil)], {})
        for kind in ("MaxPool", "AveragePool")
        for auto, ceil in (("SAME_UPPER", 0), ("SAME_LOWER", 0), ("VALID", 0), ("NOTSET", 0), ("NOTSET", 1))
    },
    "pool in padding": ([make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[3, 3], pads=[1, 1, 1, 1],
                                   ceil_mode=1)], {}),
    "global": ([make_node("GlobalAveragePool", ["x"], ["y"])], {}),
    "conv same": ([make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_LOWER", strides=[2, 2], group=2)],
                  {"w": np.ones((4, 3, 3, 2), np.float32)}),
    "pad": ([make_node("Pad", ["x", "p", "", "a"], ["y"], mode="reflect")],
            {"p": np.array([1, -2, 3, 0]), "a": np.array([-1, 2])}),
    "slice": ([make_node("Slice", ["x", "b", "e", "a", "t"], ["y"])],
              {"b": np.array([-1, 1]), "e": np.array([-100, 7]), "a": np.array([2, 3]), "t": np.array([-2, 3])}),
    "split": ([make_node("Split", ["x", "p"], ["y", "z"], axis=-3)], {"p": np.array([2, 4])}),
    "split even": ([make_node("Split", ["x"], ["y", "z"], axis=2, num_outputs=2)], {}),
    "gather": ([make_node("Gather", ["x", "i"], ["y"], axis=1)], {"i": np.array(-1)}),
    "gather range": ([make_node("Gather", ["x", "i"], ["y"], axis=2)], {"i": np.array([7, 5, 3])}),
    "gather any": ([make_node("Gather", ["x", "i"], ["y"], axis=2)], {"i": np.array([[7, 0], [3, 3]])}),
    "mean": ([make_node("ReduceMean", ["x", "a"], ["y"], keepdims=0)], {"a": np.array([-1, 1])}),
    "argmax": ([make_node("ArgMax", ["x"], ["i"], axis=1, keepdims=0), make_node("Cast", ["i"], ["y"], to=1)], {}),
    "matmul": ([make_node("MatMul", ["x", "w"], ["y"])], {"w": np.ones((8, 5), np.float32)}),
    "matmul left": ([make_node("MatMul", ["w", "x"], ["y"])], {"w": np.ones((5, 9), np.float32)}),
    "gemm": ([make_node("Flatten", ["x"], ["f"]), make_node("Gemm", ["f", "w", "c"], ["y"], transB=1, alpha=2.0)],
             {"w": np.ones((5, 432), np.float32), "c": np.ones(5, np.float32)}),
    "gemm turned": ([make_node("Flatten", ["x"], ["f"]), make_node("Gemm", ["f", "w", "c"], ["y"], transA=1)],
                    {"w": np.ones((2, 5), np.float32), "c": np.ones((432, 1), np.float32)}),
    "einsum": ([make_node("Einsum", ["x", "x2"], ["y"], equation="bcij,bcjk->bcik"),
                make_node("Transpose", ["x"], ["x2"], perm=[0, 1, 3, 2])], {}),
    "einsum other": ([make_node("Einsum", ["x"], ["y"], equation="bchw->bh")], {}),
    "space to depth": ([make_node("Slice", ["x", "b", "e", "a"], ["z"]),
                        make_node("SpaceToDepth", ["z"], ["y"], blocksize=2)],
                       {"b": np.array([1]), "e": np.array([9]), "a": np.array([2])}),
    "tile": ([make_node("Tile", ["x", "r"], ["y"])], {"r": np.array([1, 2, 3, 1])}),
    "expand": ([make_node("Expand", ["x", "r"], ["y"])], {"r": np.array([3, 1, 1, 1, 1])}),
    "wider constant": ([make_node("Add", ["x", "w"], ["y"])], {"w": np.ones((3, 1, 1, 1, 1), np.float32)}),
    "where": ([make_node("Greater", ["x", "o"], ["c"]), make_node("Where", ["c", "x", "o"], ["y"])],
              {"o": np.zeros((), np.float32)}),
    "top k": ([make_node("TopK", ["x", "k"], ["y", "i"])], {"k": np.array([3])}),
    "max pool indices": ([make_node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2])], {}),
    "sequence": ([make_node("SplitToSequence", ["x", "n"], ["s"], axis=1), make_node("SequenceAt", ["s", "k"], ["y"])],
                 {"n": np.array(4), "k": np.array(-1)}),
    "stack": ([make_node("SequenceConstruct", ["x", "x"], ["s"]),
               make_node("ConcatFromSequence", ["s"], ["y"], axis=1, new_axis=1)], {}),
    "shape arithmetic": ([make_node("Shape", ["x"], ["s"], start=2), make_node("Cast", ["s"], ["f"], to=1),
                          make_node("Mul", ["f", "half"], ["h"]), make_node("Floor", ["h"], ["l"]),
                          make_node("Cast", ["l"], ["i"], to=7), make_node("Shape", ["x"], ["b"], end=2),
                          make_node("Concat", ["b", "i"], ["t"], axis=0),
                          make_node("Resize", ["x", "", "", "t"], ["y"])], {"half": np.float32(1.5)}),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_shapes_are_the_runtime_s(name: str, tmp_path: Path) -> None:
    nodes, weights = OTHERS[name]
    m = model(nodes, {"x": X}, ["y"], weights, opset=18)
    graph = graph_of(m, tmp_path)
    assert graph.shapes["y"] == real(m, RNG.standard_normal(X).astype(np.float32)).shape
    assert bool(list(graph.of(ir.Opaque))) == (name in ("gather any", "einsum other", "top k", "max pool indices"))
    assert {v for n in graph.nodes for v in (*n.inputs, *n.outputs)} <= set(graph.shapes)


def test_linear_weights_are_rows_of_outputs(tmp_path: Path) -> None:
    b, c = RNG.standard_normal((432, 5)).astype(np.float32), RNG.standard_normal(5).astype(np.float32)
    nodes = [make_node("Flatten", ["x"], ["f"]), make_node("Gemm", ["f", "w", "c"], ["y"], alpha=2.0, beta=3.0)]
    m = model(nodes, {"x": X}, ["y"], {"w": b, "c": c})
    node = graph_of(m, tmp_path).nodes[-1]
    x = RNG.standard_normal(X).astype(np.float32)
    got = x.reshape(2, -1) @ node.weights["weight"].load().T + node.weights["bias"].load()
    np.testing.assert_allclose(got, real(m, x), rtol=1e-3, atol=1e-3)


# weights


def quantised() -> onnx.ModelProto:
    nodes = [
        make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1),
        make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2]),
    ]
    weights = {
        "q": RNG.integers(-128, 127, (4, 2, 3, 3)).astype(np.int8),
        "s": np.float32([0.5, 0.25]),
        "z": np.array([3, -4], np.int8),
    }
    return model(nodes, {"x": [1, 4, 5, 5]}, ["y"], weights)


def test_a_dequantised_kernel_is_a_weight(tmp_path: Path) -> None:
    m = quantised()
    graph = graph_of(m, tmp_path)
    (node,) = graph.nodes
    assert node.weights["weight"].shape == (4, 2, 3, 3)
    x = RNG.standard_normal((1, 4, 5, 5)).astype(np.float32)
    np.testing.assert_allclose(run(graph, x), real(m, x), rtol=1e-4, atol=1e-4)


def test_weights_are_not_decoded_before_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    original = onnx.numpy_helper.to_array

    def spy(tensor: onnx.TensorProto, *args: Any) -> Any:
        decoded.append(tensor.name)
        return original(tensor, *args)

    monkeypatch.setattr("upweave.graph.onnx.tensors.numpy_helper.to_array", spy)
    path = saved(quantised(), tmp_path)
    graph = from_onnx(path)
    assert decoded == []
    graph.nodes[0].weights["weight"].load()
    assert sorted(decoded) == ["q", "s", "z"]


def test_bfloat16_comes_as_float32(tmp_path: Path) -> None:
    m = model([make_node("Conv", ["x", "w"], ["y"])], {"x": [1, 2, 5, 5]}, ["y"])
    m.graph.initializer.append(helper.make_tensor("w", TensorProto.BFLOAT16, [1, 2, 1, 1], [1.5, -2.0]))
    weight = graph_of(m, tmp_path).nodes[0].weights["weight"]
    assert weight.dtype == "bfloat16"
    assert weight.load().dtype == np.float32
    np.testing.assert_array_equal(weight.load().ravel(), [1.5, -2])


def test_a_kernel_computed_at_run_time_has_no_weight(tmp_path: Path) -> None:
    node = make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2])
    graph = graph_of(model([node], {"x": [1, 4, 5], "w": [4, 2, 4]}, ["y"]), tmp_path)
    assert graph.nodes[0].weights == {}
    assert graph.shapes["y"] == (1, 2, 12)


# what is not understood


def test_opaque_operators_say_why(tmp_path: Path) -> None:
    branch = helper.make_graph(
        [make_node("Neg", ["x"], ["b"])], "b", [], [helper.make_tensor_value_info("b", 1, [1, 4])]
    )
    nodes = [
        make_node("Mystery", ["x"], ["a"], domain="com.acme", name="m"),
        make_node("Relu", ["a"], ["r"]),
        make_node("ReduceSum", ["x"], ["t"], keepdims=0),
        make_node("Cast", ["t"], ["c"], to=9),
        make_node("If", ["c"], ["i"], then_branch=branch, else_branch=branch),
        make_node("NonZero", ["x"], ["n"]),
    ]
    m = model(nodes, {"x": [1, 4]}, ["r", "i", "n"])
    m.opset_import.append(helper.make_opsetid("com.acme", 1))
    graph = graph_of(m, tmp_path)
    reasons = {n.outputs[0]: n.op.reason for n in graph.of(ir.Opaque)}
    assert "'com.acme'" in reasons["a"]
    assert "'a'" in reasons["r"]
    assert reasons["i"].startswith("If chooses")
    assert "x" in next(n for n in graph.nodes if n.outputs == ("i",)).inputs  # read inside the branches
    assert "a" not in graph.shapes
    m.graph.value_info.append(helper.make_tensor_value_info("a", 1, [1, 7]))
    assert graph_of(m, tmp_path).shapes["r"] == (1, 7)


def test_local_functions_are_inlined(tmp_path: Path) -> None:
    body = helper.make_function(
        "local", "Up", ["a", "k"], ["b"],
        [make_node("ConvTranspose", ["a", "k"], ["c"], strides=[2]), make_node("Relu", ["c"], ["b"])],
        [helper.make_opsetid("", 19)],
    )  # fmt: skip
    m = model(
        [make_node("Up", ["x", "w"], ["y"], domain="local")], {"x": [1, 2, 5]}, ["y"], {"w": np.ones((2, 3, 4), "f4")}
    )
    m.functions.append(body)
    m.opset_import.append(helper.make_opsetid("local", 1))
    assert [type(n.op) for n in graph_of(m, tmp_path).nodes] == [ir.TransposedConvolution, ir.Pointwise]


def test_reading_needs_neither_torch_nor_scipy(tmp_path: Path) -> None:
    path = saved(quantised(), tmp_path)
    code = (
        f"import sys; from upweave.graph.onnx import from_onnx; from_onnx({str(path)!r}); print(*sorted(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "scipy", "onnx.reference", "onnxruntime"} & set(loaded)
