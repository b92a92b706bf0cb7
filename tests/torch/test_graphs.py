"""torch.compile, torch.export, traces and ONNX."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

import upweave.nn
from upweave.ops.torch import aten, conv_transpose
from upweave.ops.torch.library import FORWARD

from .cases import CASES
from .core import StandIn

close = torch.testing.assert_close
case = CASES["2d-groups"]
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning", "ignore::DeprecationWarning")


def ours(x, weight, bias):
    return conv_transpose(x, weight, bias, *case.numbers, "silu")


def theirs(x, weight, bias):
    return aten.activate(case.torch(x, weight, bias), "silu", 0.0)


def with_gradients(run, tensors):
    y = run(*tensors)
    return [y, *torch.autograd.grad(y.square().sum(), tensors)]


@pytest.mark.parametrize("dynamic", [False, True])
def test_compile(core: str, dynamic: bool) -> None:
    check_compiled("aot_eager", dynamic)


@pytest.mark.slow
def test_compile_with_inductor(core: str) -> None:
    if core == "without":
        pytest.skip("without a core nothing of ours is in the graph")
    check_compiled("inductor", dynamic=True)


def check_compiled(backend: str, dynamic: bool) -> None:
    """Values and gradients over several sizes, then channels-last, then autocast."""
    torch._dynamo.reset()
    compiled = torch.compile(ours, fullgraph=True, dynamic=dynamic, backend=backend)
    _, weight, bias = case.tensors(torch.float32, requires_grad=True)
    for size in ((3, 4), (5, 4), (7, 6)) if dynamic else ((3, 4),):
        tensors = [torch.randn(2, 4, *size, requires_grad=True), weight, bias]
        for a, b in zip(with_gradients(compiled, tensors), with_gradients(theirs, tensors), strict=True):
            close(a, b, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        last = tensors[0].detach().to(memory_format=torch.channels_last)
        close(compiled(last, weight, bias), theirs(last, weight, bias), rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert compiled(*tensors).dtype == torch.bfloat16


def test_compiled_training_runs_the_core_both_ways(stand_in: StandIn) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    with_gradients(compiled, case.tensors(requires_grad=True))
    assert {"grad_input", "grad_weight"} < set(stand_in.calls)


def test_compiled_gradients_sample_by_sample(core: str) -> None:
    torch._dynamo.reset()
    x, weight, bias = case.tensors()

    def each(run):
        loss = grad(lambda w, x: run(x[None], w, bias).square().sum())
        return lambda w, x: vmap(loss, (None, 0))(w, x)

    compiled = torch.compile(each(ours), fullgraph=True, backend="aot_eager")
    close(compiled(weight, x), each(theirs)(weight, x))


class Model(torch.nn.Module):
    """A layer of ours among others."""

    def __init__(self, **more) -> None:
        super().__init__()
        self.up = upweave.nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1, groups=2, activation="relu", **more)
        self.end = torch.nn.Conv2d(6, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.up(x))


@pytest.mark.parametrize("strict", [False, True])
def test_export_round_trip(core: str, strict: bool) -> None:
    model, x = Model(), torch.randn(2, 4, 5, 6)
    shapes = {"x": {0: torch.export.Dim("n"), 2: torch.export.Dim("h"), 3: torch.export.Dim("w")}}
    program = torch.export.export(model, (x,), dynamic_shapes=shapes, strict=strict)
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert ("upweave.conv_transpose.default" in targets) == (core != "without")
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    other = torch.randn(3, 4, 7, 2)
    close(loaded(other), model(other))
    loaded(other).sum().backward()
    model(other).sum().backward()
    close(loaded.up.weight.grad, model.up.weight.grad)  # an exported program trains on
    decomposed = program.run_decompositions().module()
    close(decomposed(other), model(other))


def test_layers_compile_with_every_padding(core: str) -> None:
    torch._dynamo.reset()
    for more in (
        {"padding": "same"},
        {"padding": 1, "padding_mode": "circular"},
        {"padding": "same", "padding_mode": "reflect"},
    ):
        layer = upweave.nn.ConvTranspose2d(2, 2, 5, stride=2, **more)
        compiled = torch.compile(layer, fullgraph=True, dynamic=True, backend="aot_eager")
        for size in (5, 8):
            x = torch.randn(1, 2, size, size)
            close(compiled(x), layer(x))


def test_traces_for_others_hold_torchs_operator(stand_in: StandIn) -> None:
    model = Model().eval()
    x = torch.randn(1, 4, 5, 6)
    traced = torch.jit.trace(model, x)
    assert "upweave::" not in str(traced.inlined_graph)
    close(traced(x), model(x))


def test_symbolic_trace(core: str) -> None:
    model = torch.nn.Sequential(Model(), upweave.nn.ConvTranspose2d(2, 2, 3, 2, "same", padding_mode="circular"))
    traced = torch.fx.symbolic_trace(model)
    assert sum(node.op == "call_function" for node in traced.graph.nodes) == 2  # one for each layer of ours
    x = torch.randn(1, 4, 5, 6)
    close(traced(x), model(x))
    assert traced.get_parameter("0.up.weight") is model[0].up.weight


def test_onnx(stand_in: StandIn, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="compares with ONNX Runtime")
    pytest.importorskip("onnxscript", reason="torch.onnx.export needs it")
    model, x, file = Model().eval(), torch.randn(1, 4, 5, 6), tmp_path / "model.onnx"
    torch.onnx.export(model, (x,), file, dynamo=True, verbose=False)
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(found, model(x).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_fake_tensors_and_make_fx(core: str) -> None:
    x, weight, bias = case.tensors(requires_grad=True)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fakes = [mode.from_tensor(t) for t in (x, weight, bias)]
        y = ours(*fakes)
        assert (y.shape, y.dtype) == (theirs(x, weight, bias).shape, x.dtype)
        y.sum().backward()
        assert fakes[1].grad.shape == weight.shape
    traced = make_fx(lambda *t: torch.autograd.grad(ours(*t).sum(), t), tracing_mode="symbolic")(x, weight, bias)
    names = {str(node.target) for node in traced.graph.nodes}
    assert (
        core == "without"
        or {"upweave.conv_transpose_grad_input.default", "upweave.conv_transpose_grad_weight.default"} < names
    )
    for a, b in zip(
        traced(x, weight, bias), torch.autograd.grad(theirs(x, weight, bias).sum(), (x, weight, bias)), strict=True
    ):
        close(a, b)


def test_the_operator_of_a_graph_runs_without_a_core_too(core: str) -> None:
    graph = torch.fx.Graph()
    inputs = [graph.placeholder(n) for n in ("x", "weight", "bias")]
    graph.output(graph.call_function(FORWARD, (*inputs, *case.numbers, "silu", 0.0)))
    module = torch.fx.GraphModule(torch.nn.Module(), graph)
    tensors = case.tensors(requires_grad=True)
    for a, b in zip(with_gradients(module, tensors), with_gradients(theirs, tensors), strict=True):
        close(a, b)
