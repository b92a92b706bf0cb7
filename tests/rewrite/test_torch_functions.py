"""Convolutions that modules call as functions: known again by number and weight, and the same whatever runs them."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import upweave
from upweave.ops import native
from upweave.rewrite.torch.choose import choose, decided
from upweave.rewrite.torch.decisions import apply
from upweave.rewrite.torch.functions import TRANSPOSED, Function, Route, plain, read_call, run
from upweave.rewrite.torch.modules import Caller
from upweave.rewrite.torch.observe import observe
from upweave.rewrite.torch.work import work_of

from .test_torch_accelerate import close

pytestmark = pytest.mark.skipif(not native.available(), reason="needs the native core")


class Own(nn.Module):
    """Functions on parameters of its own, of one inside it, and an ordinary layer beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Parameter(torch.randn(6, 4, 4, 4))
        self.bias = nn.Parameter(torch.randn(8))
        self.keep = nn.Parameter(torch.randn(8, 8, 3, 3))
        self.down = nn.Conv2d(8, 8, 4, 2, 1)
        self.layer = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv_transpose2d(x, self.up, self.bias, stride=2, padding=1, groups=2)
        y = F.relu(F.conv2d(input=y, weight=self.keep, padding=(1, 1)))
        y = self.layer(self.down(y))
        return F.conv_transpose2d(y, self.down.weight, None, (2, 2), 1)


class Kept(nn.ConvTranspose1d):
    """A layer of a class of one's own."""


class Normed(nn.Module):
    """A vocoder's stage: weights that are computed in every call, in three ways, and a layer that is known."""

    def __init__(self) -> None:
        super().__init__()
        self.up = parametrizations.weight_norm(Kept(16, 8, 8, 4, 2))
        self.conv = parametrizations.orthogonal(nn.Conv1d(8, 8, 7, padding=3))
        self.known = parametrizations.weight_norm(nn.Conv1d(8, 8, 3, padding=1))
        self.v, self.g = nn.Parameter(torch.randn(8, 4, 5)), nn.Parameter(torch.rand(8, 1, 1) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.known(self.conv(F.leaky_relu(self.up(x), 0.1)))
        weight = self.g * self.v / self.v.norm(dim=(1, 2), keepdim=True)
        return F.conv_transpose1d(y, weight, stride=3, output_padding=1)


class Volume(nn.Module):
    """Three axes, a buffer as the weight, and a resize in the same module."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.randn(3, 5, 2, 3, 2))
        self.weight = nn.Parameter(torch.randn(4, 5, 3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv_transpose3d(x, self.kernel, None, (2, 1, 2), (0, 1, 0))
        return F.conv3d(F.interpolate(y, scale_factor=2), self.weight, padding=1)


MODELS: dict[str, tuple[type[nn.Module], tuple[int, ...], int]] = {
    "own": (Own, (2, 6, 5, 7), 3),
    "normed": (Normed, (1, 16, 9), 3),
    "volume": (Volume, (1, 3, 3, 4, 3), 1),
}


def made(name: str) -> tuple[Any, Tensor, int]:
    torch.manual_seed(0)
    build, shape, calls = MODELS[name]
    return build().eval(), torch.randn(shape), calls


def everything(model: nn.Module, x: Tensor, *, channels_last: bool = False) -> nn.Module:
    """The model with every function on the operator, whether that pays or not."""
    found, _ = observe(copy.deepcopy(model), ((x,), {}))
    decisions = decided(choose(found, channels_last, 0), found, channels_last)
    calls: dict[str, tuple[Route, ...]] = {}
    for call in found.calls:
        assert call.route is not None
        calls[call.path] = (*calls.get(call.path, ()), call.route)
    return apply(model, type(decisions)(decisions.sites, decisions.layers, channels_last, calls=calls))


def ours(model: nn.Module, x: Tensor) -> list[str]:
    """The convolutions that run, by operator."""
    from torch.utils._python_dispatch import TorchDispatchMode

    seen: list[str] = []

    class Log(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if "conv" in func.name():
                seen.append(func.name().split(".")[0])
            return func(*args, **(kwargs or {}))

    with torch.no_grad(), Log():
        model(x)
    return seen


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_same_on_the_operator(name: str, channels_last: bool) -> None:
    model, x, calls = made(name)
    new = everything(model, x, channels_last=channels_last)
    with torch.no_grad():
        close(new(x), model(x))
        bigger = F.pad(torch.cat([x, x]), [0, 3])
        close(new(bigger), model(bigger))
    assert sum(op.startswith("upweave::") for op in ours(new, bigger)) >= calls
    assert not any(op.startswith("upweave::") for op in ours(model, x))
    assert list(new.state_dict()) == list(model.state_dict())
    assert isinstance(new, type(model))


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_models_own(name: str) -> None:
    model, x, _ = made(name)
    model, x = model.double(), x.double()
    new = everything(model, x)
    want = torch.autograd.grad(model(x).square().sum(), list(model.parameters()), allow_unused=True)
    got = torch.autograd.grad(new(x).square().sum(), list(new.parameters()), allow_unused=True)
    for a, b in zip(want, got, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-7, atol=1e-12 + 1e-7 * float(a.abs().max()))


def test_the_layers_inside_are_not_taken_for_calls_of_the_module() -> None:
    model, x, _ = made("own")
    found, _ = observe(model, ((x,), {}))
    assert [(c.path, c.route.weight, c.layer.transposed) for c in found.calls if c.route] == [
        ("", "up", True), ("", "keep", False), ("", "down.weight", True),
    ]  # fmt: skip
    assert {x.path for x in found.layers} == {"down", "layer"}
    new = everything(model, x)
    # "layer" has the numbers of the call by "keep", and keeps its own way.
    assert ours(new, x).count("aten::convolution") == 2


def test_calls_that_were_not_seen_are_pytorchs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.other = (nn.Parameter(torch.randn(4, 4, 4, 4)) for _ in range(2))
            self.stride = 2

        def forward(self, x: Tensor) -> Tensor:
            y = F.conv_transpose2d(x, self.weight, stride=self.stride)
            return y if x.shape[-1] % 2 else F.conv_transpose2d(y, self.other, stride=self.stride)

    torch.manual_seed(0)
    model, odd, even = Two().eval(), torch.randn(1, 4, 5, 5), torch.randn(1, 4, 6, 6)
    new: Any = everything(model, odd)
    with torch.no_grad():
        close(new(even), model(even))
    assert [op.split("::")[0] for op in ours(new, even)] == ["upweave", "aten"]
    new.stride = model.stride = 1
    with torch.no_grad():
        close(new(odd), model(odd))
    assert [op.split("::")[0] for op in ours(new, odd)] == ["aten"]
    with torch.no_grad():
        close(new(odd[0]), model(odd[0]))  # without a batch


@pytest.mark.parametrize("name", ["own", "volume"])
def test_copies_pickles_and_new_weights(name: str) -> None:
    model, x, calls = made(name)
    new = everything(model, x)
    buffer = io.BytesIO()
    torch.save(new, buffer)
    buffer.seek(0)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1.1)
        close(new(x), model(x))
        for other in (copy.deepcopy(new), torch.load(buffer, weights_only=False)):
            other.load_state_dict(model.state_dict())
            close(other(x), model(x))
            assert sum(op.startswith("upweave::") for op in ours(other, x)) >= calls


@pytest.mark.parametrize("name", MODELS)
def test_compiles_as_one_graph(name: str) -> None:
    model, x, calls = made(name)
    new = everything(model, x)
    seen: list[str] = []

    def backend(graph: Any, inputs: Any) -> Any:
        seen.extend(str(node.target) for node in graph.graph.nodes)
        return graph

    torch._dynamo.reset()
    with torch.no_grad():
        close(torch.compile(new, backend=backend, fullgraph=True)(x), model(x))
    assert sum("upweave.conv_transpose" in target for target in seen) >= calls


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("strict", [False, True])
def test_exports_with_dynamic_sizes(name: str, strict: bool) -> None:
    model, x, calls = made(name)
    new = everything(model, x)
    x = torch.cat([x, x])
    dims = {0: torch.export.Dim.DYNAMIC, x.dim() - 1: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        program = torch.export.export(new, (x,), dynamic_shapes=(dims,), strict=strict)
        other = F.pad(torch.cat([x, x[:1]]), [0, 4])
        close(program.module()(other), model(other))
    assert sum("upweave.conv_transpose" in str(node.target) for node in program.graph.nodes) >= calls


@pytest.mark.parametrize("name", MODELS)
def test_accelerate_reaches_functions(name: str) -> None:
    model, x, calls = made(name)
    new = upweave.accelerate(model, x, measure=False)
    report: Any = new.report
    assert report.certificate.passed
    assert {t.dtype for t in report.certificate.trials} == {"float32", "float64"}
    functions = [c for c in report.choices if c.route is not None]
    assert len(functions) == calls
    assert {c.way for c in functions} == {"native", "torch"} or name == "volume"
    assert all(c.way == ("native" if c.route.numbers[0] else "torch") for c in functions)  # not measured
    assert any(isinstance(m, Caller) for m in new.modules())
    with torch.no_grad():
        close(new(x), model(x))
    transposed = next(c for c in functions if c.applies)
    assert f"{transposed.route.name}: conv-transpose, native" in str(report)
    index = report.choices.index(transposed)
    assert report.prices[index][0].multiplies == transposed.multiplies


def test_accelerate_measures_functions() -> None:
    model, x, _ = made("normed")
    report: Any = upweave.accelerate(model, x, seconds=0.2).report
    functions = [c for c in report.choices if c.route is not None]
    assert [c.path for c in functions] == ["up", "conv", ""]
    assert all(set(c.times) == {"torch", "native"} and c.share > 0 for c in functions)
    assert sum(c.share for c in report.choices) <= 1


def test_a_function_that_is_wrong_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    from upweave.rewrite.torch import functions

    model, x, _ = made("own")
    monkeypatch.setattr(functions, "run", lambda *a: run(*a) * 1.001)
    with pytest.warns(RuntimeWarning, match="another way for the functions of"):
        new = upweave.accelerate(model, x, measure=False)
    report: Any = new.report
    assert report.decisions.calls == {}
    assert report.certificate.passed
    with torch.no_grad():
        close(new(x), model(x))


def test_counted_with_the_module_that_owns_the_weight() -> None:
    model, x, _ = made("own")
    work = work_of(everything(model, x), ((x,), {}))
    assert {path for path, kind in work.parts if kind == "convolution"} == {
        "up", "keep", "down.weight", "layer.weight",
    }  # fmt: skip
    assert work.total.multiplies == work_of(model, ((x,), {})).total.multiplies


@pytest.mark.parametrize("function", TRANSPOSED)
def test_calls_are_read_as_pytorch_reads_them(function: Any) -> None:
    torch.manual_seed(0)
    rank, transposed = int(function.__name__[-2]), TRANSPOSED[function]
    x, w = torch.randn(2, 4, *(7,) * rank), torch.randn(4, 2, *(3,) * rank)
    bias = torch.randn(4)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((x, w), {"groups": 2}),
        ((x, w, bias, 1, (1,) * rank), {"groups": 2, "dilation": [2] * rank}),
        ((x, w, bias, 1, 2, *((0, 2) if transposed else (1, 2))), {}),
        ((), {"input": x, "weight": w, "bias": None, "groups": 2, "padding": 1}),
    ]
    if transposed:
        calls.append(((x, w, None, 3, 1, (1,) * rank, 2, 1), {}))
    for args, kwargs in calls:
        want = function(*args, **kwargs)
        given, f = read_call(function, args, kwargs)
        assert isinstance(f, Function)
        close(plain(given, f), want, 0)
        close(run(given, f), want)
