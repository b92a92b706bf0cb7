"""Mode `rewrites`: single patterns as ONNX files, before and after one rewrite, in ONNX Runtime and OpenVINO.

Every rewrite is applied whether it pays or not, so that the table also shows what to leave alone; the last column is
what the engine would do, by its own prices.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import machine, results

RUNTIMES = ("onnxruntime", "openvino")
SCHEMA = 1
FILE = "rewrites.json"

Nodes = list[onnx.NodeProto]
node = helper.make_node


@dataclass(frozen=True)
class Pattern:
    """One pattern: its name, the identity to apply, and what builds it.

    `build` gives nodes from "x" to "y" and initialisers; `channels` and `size` are those of "x".
    """

    name: str
    identity: str
    channels: int
    size: int
    build: Callable[[], tuple[Nodes, dict[str, Any]]]
    skip: tuple[int, int] | None = None

    def model(self) -> onnx.ModelProto:
        """The file, all sizes fixed; opset 17, which every runtime reads."""
        nodes, weights = self.build()
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, self.channels, self.size, self.size))]
        if self.skip is not None:
            c, n = self.skip
            inputs.append(helper.make_tensor_value_info("skip", TensorProto.FLOAT, (1, c, n, n)))
        graph = helper.make_graph(
            nodes, "pattern", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.ascontiguousarray(a), n) for n, a in weights.items()],
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@dataclass(frozen=True)
class Row:
    """One pattern in one runtime: milliseconds before and after, and whether the engine would rewrite it."""

    name: str
    identity: str
    runtime: str
    before_ms: float
    after_ms: float
    chosen: bool
    calls: int

    @property
    def ratio(self) -> float:
        """Times faster."""
        return self.before_ms / self.after_ms


def _weight(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    numbers = np.random.default_rng(len(shape)).standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return np.asarray(numbers, dtype=np.float32)


def _up(x: str, y: str) -> onnx.NodeProto:
    return node(
        "Resize", [x, "", "scales"], [y], f"up {y}",
        mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip


SCALES = np.array([1, 1, 2, 2], np.float32)


def _fold(c: int, out: int) -> tuple[Nodes, dict[str, Any]]:
    nodes = [_up("x", "u"), node("Conv", ["u", "w", "b"], ["y"], "conv", pads=[1] * 4)]
    return nodes, {"scales": SCALES, "w": _weight(out, c, 3, 3), "b": _weight(out)}


def _skip(c: int, s: int, out: int) -> tuple[Nodes, dict[str, Any]]:
    nodes = [
        _up("x", "u"), node("Concat", ["u", "skip"], ["c"], "cat", axis=1),
        node("Conv", ["c", "w", "b"], ["y"], "conv", pads=[1] * 4),
    ]  # fmt: skip
    return nodes, {"scales": SCALES, "w": _weight(out, c + s, 3, 3), "b": _weight(out)}


def _transposed(c: int, out: int, k: int, **more: Any) -> tuple[Nodes, dict[str, Any]]:
    made = node("ConvTranspose", ["x", "w", "b"], ["y"], "up", **({"strides": [2, 2]} | more))
    return [made], {"w": _weight(c, out, k, k), "b": _weight(out)}


def _shuffle(c: int, out: int) -> tuple[Nodes, dict[str, Any]]:
    nodes = [
        node("Conv", ["x", "w"], ["p"], "conv", pads=[1] * 4),
        node("DepthToSpace", ["p"], ["y"], "shuffle", blocksize=2, mode="CRD"),
    ]
    return nodes, {"w": _weight(4 * out, c, 3, 3)}


def _normed(c: int, out: int) -> tuple[Nodes, dict[str, Any]]:
    (made,), weights = _transposed(c, out, 4, pads=[1] * 4)
    made.output[0] = "t"
    norm = node("BatchNormalization", ["t", "s", "h", "m", "v"], ["n"], "norm")
    # An activation behind, as models have it: it writes the file's output, so that what is timed before it does not
    # also pay for that memory.
    return [made, norm, node("Relu", ["n"], ["y"], "act")], weights | {
        r: np.abs(_weight(out)) + np.float32(0.1) for r in ("s", "h", "m", "v")
    }


def _activated(c: int, out: int) -> tuple[Nodes, dict[str, Any]]:
    nodes = [_up("x", "u"), node("Sigmoid", ["u"], ["s"], "act"), node("Mul", ["u", "s"], ["a"], "gate")]
    nodes.append(node("Conv", ["a", "w"], ["y"], "conv"))
    return nodes, {"scales": SCALES, "w": _weight(out, c, 1, 1)}


def _squeezed(c: int, out: int) -> tuple[Nodes, dict[str, Any]]:
    nodes = [node("Conv", ["x", "w"], ["m"], "wide", pads=[1] * 4), node("Conv", ["m", "v"], ["y"], "narrow")]
    return nodes, {"w": _weight(4 * out, c, 3, 3), "v": _weight(out, 4 * out, 1, 1)}


PATTERNS = (
    *(
        Pattern(f"nearest ×2 + conv3, {c}→{o}, {n}²", "fold-nearest-resize", c, n, partial(_fold, c, o))
        for c, o, n in ((512, 512, 32), (256, 256, 64), (128, 128, 64), (64, 64, 64), (32, 32, 128), (64, 3, 64))
    ),
    *(
        Pattern(
            f"conv3 of (nearest ×2, skip), {c}+{s}→{o}, {n}²", "split-concat", c, n,
            partial(_skip, c, s, o), (s, 2 * n),
        )
        for c, s, o, n in ((512, 256, 256, 16), (256, 128, 128, 32), (128, 64, 64, 64), (64, 64, 32, 64))
    ),
    *(
        Pattern(
            f"conv-transpose k4 s2, {c}→{o}, {n}²", "transposed-to-shuffle", c, n,
            partial(_transposed, c, o, 4, pads=[1] * 4),
        )
        for c, o, n in ((512, 256, 16), (128, 64, 32), (64, 3, 64))
    ),
    *(
        Pattern(
            f"conv-transpose k2 s2, {c}→{o}, {n}²", "kernel-equals-stride", c, n, partial(_transposed, c, o, 2)
        )
        for c, o, n in ((512, 256, 32), (128, 64, 128))
    ),
    *(
        Pattern(f"conv3 + shuffle ×2, {c}→{o}, {n}²", "shuffle-to-transposed", c, n, partial(_shuffle, c, o))
        for c, o, n in ((64, 64, 64), (64, 3, 128))
    ),
    Pattern(
        "conv-transpose k4 s2 + batch norm + ReLU, 64→64, 64²", "fold-batch-norm", 64, 64, partial(_normed, 64, 64)
    ),
    Pattern("nearest ×2 + SiLU + conv1, 64→64, 64²", "commute-resize", 64, 64, partial(_activated, 64, 64)),
    Pattern("conv3 + conv1, 64→256→64, 64²", "merge-linear", 64, 64, partial(_squeezed, 64, 64)),
    Pattern(
        "conv-transpose k3 s2 p1 o1, 128→64, 64²", "absorb-output-padding", 128, 64,
        partial(_transposed, 128, 64, 3, pads=[1] * 4, output_padding=[1, 1]),
    ),
)  # fmt: skip


def forms(pattern: Pattern, folder: Path) -> tuple[onnx.ModelProto, onnx.ModelProto, dict[str, bool]]:
    """The pattern, its rewritten form (the first proposal of its identity), and which targets would choose it."""
    from upweave.rewrite.cost import target_of
    from upweave.rewrite.engine import apply, rewrite
    from upweave.rewrite.identity import Replacement, all_identities
    from upweave.rewrite.onnx.edit import edited
    from upweave.rewrite.onnx.source import read_source
    from upweave.rewrite.view import View

    path = folder / "pattern.onnx"
    model = pattern.model()
    path.write_bytes(model.SerializeToString())
    source = read_source(path)
    identity = all_identities()[pattern.identity]
    found = [p for p in identity().find(View(source.graph)) if isinstance(p, Replacement)]
    new = edited(source, apply(source.graph, found[0]))
    for_speed = identity.purpose == "speed"
    chosen = {
        r: for_speed and bool(rewrite(source.graph, [pattern.identity], target_of(r), source.frozen).steps)
        for r in RUNTIMES
    }
    return model, new, chosen


def measure(pattern: Pattern, runtimes: tuple[str, ...], budget: float) -> Iterator[Row]:
    """One row a runtime: both forms in turns, medians, about `budget` seconds each. Raises if they differ."""
    with TemporaryDirectory() as folder:
        old, new, chosen = forms(pattern, Path(folder))
    rng = np.random.default_rng(0)
    feeds = {
        i.name: rng.standard_normal([d.dim_value for d in i.type.tensor_type.shape.dim]).astype(np.float32)
        for i in old.graph.input
    }
    for runtime in runtimes:
        runs = [_load(m, runtime) for m in (old, new)]
        want, got = (run(feeds) for run in runs)
        off = float(np.linalg.norm(want - got) / np.linalg.norm(want))
        if not off < 1e-5:
            raise RuntimeError(f"{pattern.name}: {pattern.identity} is off by {off:.1e} in {runtime}")
        times: tuple[list[float], list[float]] = ([], [])
        start = time.perf_counter()
        while len(times[0]) < 5 or (time.perf_counter() - start < budget and len(times[0]) < 200):
            for run, found in zip(runs, times, strict=True):
                began = time.perf_counter()
                run(feeds)
                found.append(1e3 * (time.perf_counter() - began))
            if time.perf_counter() - start > 4 * budget:
                break
        yield Row(
            pattern.name, pattern.identity, runtime, median(times[0]), median(times[1]), chosen[runtime], len(times[0])
        )


def _load(model: onnx.ModelProto, runtime: str) -> Callable[[dict[str, Any]], Any]:
    """With the settings of the peer of that name (`bench/peers`)."""
    if runtime == "onnxruntime":
        from .peers.onnxruntime import session

        made = session(model, 2)
        return lambda feeds: made.run(None, feeds)[0]
    import openvino as ov

    from .peers.openvino import settings

    core = ov.Core()
    request = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings(2)).create_infer_request()
    return lambda feeds: np.array(next(iter(request.infer(feeds).values())))


def save(rows: list[Row], folder: Path, command: str) -> Path:
    """Write the rows, with the other rows of today's patterns that are there already, and the machine."""
    path = folder / FILE
    fresh = {(r.runtime, r.name) for r in rows}
    known = {p.name for p in PATTERNS}
    there, said = load(folder) if path.exists() else ([], {})
    kept = [r for r in there if (r.runtime, r.name) not in fresh and r.name in known]
    order = {p.name: k for k, p in enumerate(PATTERNS)}
    every = sorted([*kept, *rows], key=lambda r: (RUNTIMES.index(r.runtime), order.get(r.name, len(order))))
    data = {
        "schema": SCHEMA, "mode": "rewrites", "date": machine.now(),
        "commands": list(dict.fromkeys([*(said.get("commands", []) if kept else []), command])),
        "machine": machine.describe(), "versions": {r: _version(r) for r in RUNTIMES},
        "rows": [asdict(r) for r in every],
    }  # fmt: skip
    results.write(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def load(folder: Path) -> tuple[list[Row], dict[str, Any]]:
    """The rows of a folder's results and what else the file says; `ValueError` for another schema."""
    data = json.loads((folder / FILE).read_text(encoding="utf-8"))
    if data.get("schema") != SCHEMA:
        raise ValueError(f"{folder / FILE} has schema {data.get('schema')}, but this reads {SCHEMA}; measure again")
    return [Row(**r) for r in data.pop("rows")], data


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def section(folder: Path) -> str:
    """The page's section, or "" without results."""
    if not (folder / FILE).exists():
        return ""
    rows, data = load(folder)
    cpu = data["machine"].get("cpu")
    lines = [
        "## Rewrites",
        "",
        "One layer-level rewrite of `upweave accelerate` and `upweave fix` at a time, in an ONNX file of its own: "
        "median ms before and after, in turns, two threads. Each is applied here whether it pays or not; “chosen” is "
        "what `upweave accelerate` does for that runtime by its price table. Where the ratio is below 1, the honest "
        "answer is to leave the layer alone.",
        "",
    ]
    for runtime in RUNTIMES:
        found = [r for r in rows if r.runtime == runtime]
        if not found:
            continue
        lines += [
            f"### {_TITLES[runtime]}",
            "",
            "| pattern | rewrite | before | after | × | chosen |",
            "|---|---|---:|---:|---:|---|",
        ]
        lines += [
            f"| {r.name} | `{r.identity}` | {r.before_ms:.3g} | {r.after_ms:.3g} | {r.ratio:.2f} | {_verdict(r)} |"
            for r in found
        ]
        lines.append("")
    versions = ", ".join(f"{_TITLES[r]} {v}" for r, v in data["versions"].items())
    lines += [
        f"Measured with {' and '.join(f'`{c}`' for c in data['commands'])} on {cpu}, {data['date']}; {versions}.",
        "",
    ]
    return "\n".join(lines)


def _verdict(row: Row) -> str:
    from upweave.rewrite.identity import all_identities

    if all_identities()[row.identity].purpose != "speed":
        return "by name, not for speed"
    return "yes" if row.chosen else "left alone"


_TITLES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
