"""Small ONNX files with one pattern each, and running them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from tests.graph import onnx_tools
from tests.graph.onnx_tools import saved
from upweave.rewrite.identity import choose
from upweave.rewrite.onnx.run import Rewritten, rewrite_file
from upweave.rewrite.onnx.runtime import load

node = helper.make_node
SPEED = choose(None, purposes=("speed",))
PORTABLE = choose(None, purposes=("portability",))


def model(*args: Any, **more: Any) -> onnx.ModelProto:
    """A model whose outputs have a type, as the checker wants it."""
    made = onnx_tools.model(*args, **more)
    rank = {o.name: len(o.type.tensor_type.shape.dim) for o in onnx.shape_inference.infer_shapes(made).graph.output}
    for o in made.graph.output:
        o.CopyFrom(onnx_tools.value(o.name, [f"{o.name}{a}" for a in range(rank[o.name])]))
    return made


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def scales(*factors: float) -> np.ndarray:
    return np.array(factors, np.float32)


def resize(x: str, y: str, name: str = "scales", **more: Any) -> onnx.NodeProto:
    attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"} | more
    return node("Resize", [x, "", name], [y], "up", **attributes)


def conv(x: str, y: str, w: str = "w", name: str = "conv", **more: Any) -> onnx.NodeProto:
    return node("Conv", [x, w], [y], name, **({"pads": [1] * 4} | more))


def fold_model(size: Any = 8, opset: int = 17) -> onnx.ModelProto:
    """conv(up(relu(x))), and a sigmoid behind; 16 channels."""
    nodes = [
        node("Relu", ["x"], ["r"], "first"),
        resize("r", "u"),
        conv("u", "c"),
        node("Sigmoid", ["c"], ["y"], "last", doc_string="kept"),
    ]
    made = model(
        nodes, {"x": (1, 16, size, size)}, ["y"], {"scales": scales(1, 1, 2, 2), "w": numbers(16, 16, 3, 3)}, opset
    )
    made.metadata_props.add(key="author", value="somebody")
    made.producer_name = "a test"
    made.graph.node[3].metadata_props.add(key="pkg", value="kept too")
    return made


def rewritten(
    made: onnx.ModelProto | Path, folder: Path, names: Sequence[str] = SPEED, target: str = "generic", **more: Any
) -> Rewritten:
    path = made if isinstance(made, Path) else saved(made, folder)
    found = rewrite_file(path, names, target=target, measure=False, **more)
    onnx.checker.check_model(found.model, full_check=True)
    return found


def ops(made: onnx.ModelProto) -> list[str]:
    return [n.op_type for n in made.graph.node]


def identities(found: Rewritten) -> list[str]:
    return [a.identity for a in found.report.applied]


def reasons(found: Rewritten) -> str:
    return "\n".join(str(r) for r in found.report.refused)


def run(made: onnx.ModelProto, feeds: Mapping[str, Any], runtime: str = "onnxruntime") -> dict[str, Any]:
    return dict(load(made, runtime)(dict(feeds)))


def assert_same_outputs(old: onnx.ModelProto, new: onnx.ModelProto, *shape: int, runtime: str = "onnxruntime") -> None:
    x = numbers(*shape, seed=5)
    want, got = run(old, {"x": x}, runtime), run(new, {"x": x}, runtime)
    assert set(want) == set(got)
    for name, value in want.items():
        assert value.shape == got[name].shape
        assert np.linalg.norm(value - got[name]) <= 1e-5 * np.linalg.norm(value)
