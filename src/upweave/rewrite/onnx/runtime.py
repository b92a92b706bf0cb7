"""Running ONNX models: on ONNX Runtime or OpenVINO where they are installed, else on ONNX's own reference."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from ...errors import UpweaveError
from ...graph.ir import Shape
from ...graph.onnx.reader import tensors
from .extents import Extent, declared_extents, symbol_values
from .store import LARGEST, save

Feeds: TypeAlias = dict[str, npt.NDArray[Any]]
Run: TypeAlias = Callable[[Feeds], Mapping[str, npt.NDArray[Any]]]


def is_installed(runtime: str) -> bool:
    """Whether a runtime can be imported."""
    return importlib.util.find_spec(runtime) is not None


def best_runtime(target: str) -> str:
    """What to compare models with: the target itself if it is a runtime that is installed, else ONNX Runtime, else
    ONNX's reference implementation."""
    for name in (target, "onnxruntime"):
        if name in ("onnxruntime", "openvino") and is_installed(name):
            return name
    return "onnx.reference"


def load(model: onnx.ModelProto, runtime: str) -> Run:
    """A function that runs the model, whose weights are in memory. Raises whatever the runtime raises for a model that
    it refuses."""
    if runtime == "onnx.reference":
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(model)
        return lambda feeds: dict(zip(evaluator.output_names, evaluator.run(None, feeds), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        source: Any
        if sum(len(t.raw_data) for t in tensors(model.graph)) > LARGEST:
            copy = onnx.ModelProto()
            copy.CopyFrom(model)
            source = str(save(copy, Path(folder) / "model.onnx", external=True))
        else:
            source = model.SerializeToString()
        return _onnxruntime(source) if runtime == "onnxruntime" else _openvino(source)


def _onnxruntime(source: Any) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return lambda feeds: dict(zip(names, session.run(None, feeds), strict=True))


def _openvino(source: Any) -> Run:
    import openvino as ov

    core = ov.Core()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
    compiled = core.compile_model(core.read_model(source), "CPU", settings)
    request = compiled.create_infer_request()
    names = [o.any_name for o in compiled.outputs]
    return lambda feeds: {n: np.array(v) for n, v in zip(names, request.infer(feeds).values(), strict=True)}


def random_inputs(
    model: onnx.ModelProto, shapes: Mapping[str, Shape], given: Feeds | None = None
) -> Iterator[tuple[str, Feeds]]:
    """Inputs to compare on: the given ones, random ones at these shapes, and at other, odd sizes of dynamic axes."""
    if given is not None:
        yield "the given inputs", given
    inputs = _Inputs.of(model, shapes)
    tried: set[tuple[Shape, ...]] = set()
    for seed, change in enumerate((None, None, *_CHANGES)):
        sizes = inputs.sizes(change)
        key = tuple(sizes.values())
        if seed > 1 and key in tried:
            continue
        tried.add(key)
        yield inputs.random(sizes, seed, loud=10.0 if seed == 1 else 1.0)


def small_inputs(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> tuple[str, Feeds]:
    """Random inputs at sizes as small as dynamic axes can be expected to allow, odd where they may be."""
    inputs = _Inputs.of(model, shapes)
    return inputs.random(inputs.sizes(lambda n, batch, coarse: 1 if batch or coarse else min(n, 9)), 7)


@dataclass(frozen=True)
class _Inputs:
    """The inputs of a model: their types, their sizes in symbols, and the symbols' values at the recorded sizes."""

    elem: Mapping[str, int]
    declared: Mapping[str, tuple[Extent, ...]]
    symbols: Mapping[str, int]

    @classmethod
    def of(cls, model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> _Inputs:
        """Those of a model at these sizes."""
        infos = [i for i in model.graph.input if i.name not in {t.name for t in model.graph.initializer}]
        open_rank = {n: tuple(Extent(1, f"{n}[{a}]") for a in range(len(s))) for n, s in shapes.items()}
        declared = {i.name: declared_extents(i) or open_rank[i.name] for i in infos}
        elem = {i.name: i.type.tensor_type.elem_type for i in infos}
        return cls(elem, declared, symbol_values(shapes, declared))

    def sizes(self, change: Change | None) -> dict[str, Shape]:
        """The shapes after the symbols have changed."""
        first: dict[str, int] = {}
        for axes in self.declared.values():
            for a, e in enumerate(axes):
                first.setdefault(e.symbol, a)
        coarse = {e.symbol for axes in self.declared.values() for e in axes if e.factor > 1}
        values = dict(self.symbols)
        if change is not None:
            values = {s: change(n, first[s] == 0, s in coarse) for s, n in values.items()}
        return {n: tuple(e.at(values.get(e.symbol, 0)) for e in axes) for n, axes in self.declared.items()}

    def random(self, sizes: Mapping[str, Shape], seed: int, loud: float = 1.0) -> tuple[str, Feeds]:
        """Random numbers of these shapes, and how to call them."""
        rng = np.random.default_rng(seed)
        feeds = {n: _random(rng, s, self.elem[n], loud) for n, s in sizes.items()}
        said = ", ".join(f"{n} {'x'.join(map(str, s))}" for n, s in sizes.items())
        return f"random {said}" + (f" times {loud:g}" if loud != 1 else ""), feeds


Change: TypeAlias = Callable[[int, bool, bool], int]
"""A symbol's value, whether it is the batch, and whether sizes are multiples of it, to another value."""

_CHANGES: tuple[Change, ...] = (
    lambda n, batch, coarse: n if batch else max(1, n // 2) if coarse else max(3, n // 2 | 1),
    lambda n, batch, coarse: n + 1 if batch else max(1, n - 1) if coarse else max(5, n // 3 * 2 | 1),
    lambda n, batch, coarse: n if batch else n + 1 if coarse else max(8, n // 4 * 2),
)
"""How the symbols of dynamic axes are changed: the batch by one, space to odd sizes and to an even one, multiples of a
symbol only a little, since sizes are to stay small."""


def _random(rng: np.random.Generator, shape: Shape, elem: int, loud: float) -> npt.NDArray[Any]:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(elem or onnx.TensorProto.FLOAT)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return rng.integers(0, 8, shape).astype(dtype)
    if dtype.kind != "f":
        raise UpweaveError(f"inputs of type {dtype} cannot be made up; give them with --inputs file.npz")
    return (loud * rng.standard_normal(shape)).astype(dtype)


def compare_times(runs: Sequence[Run], feeds: Feeds, *, seconds: float = 4.0, least: int = 5) -> tuple[float, ...]:
    """Median seconds of each model, run in turns after a warm-up, for about `seconds`."""
    times: tuple[list[float], ...] = tuple([] for _ in runs)
    for run in runs:
        run(feeds)
    start = perf_counter()
    while len(times[0]) < least or perf_counter() - start < seconds:
        for run, found in zip(runs, times, strict=True):
            began = perf_counter()
            run(feeds)
            found.append(perf_counter() - began)
        if perf_counter() - start > 6 * seconds and len(times[0]) >= 2:
            break
    return tuple(median(found) for found in times)
