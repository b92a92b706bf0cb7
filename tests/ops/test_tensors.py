"""torch tensors: what the front hands on, what it refuses, and the backends that go through NumPy."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import upweave
from tests.ops.cases import Case, cases
from tests.ops.close import assert_close

torch = pytest.importorskip("torch")

from tests.ops.peer import by_torch  # noqa: E402
from upweave.ops.problem import problem, uncached_problem  # noqa: E402
from upweave.ops.torch.repeat import Calls  # noqa: E402


def tensors(case: Case, dtype: str = "float32") -> list[Any]:
    return [None if a is None else torch.from_numpy(a) for a in case.operands(dtype)]


def named(case: Case) -> tuple[str, float]:
    return case.activation if isinstance(case.activation, tuple) else (case.activation or "none", 0.01)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=50)
@given(case=cases())
def test_aten_against_the_loops(dtype: str, case: Case) -> None:
    got = by_torch(*tensors(case, dtype), case.p, *named(case))
    want, scale = case.expected(dtype)
    assert_close(got.numpy(), want, scale=scale)


@pytest.mark.parametrize("activation", ["none", "relu", "leaky_relu", "silu", "tanh", "sigmoid"])
def test_aten_has_gradients_of_both_orders(activation: str) -> None:
    torch.manual_seed(0)
    p = problem((1, 2, 3), (2, 1, 3), stride=2)
    operands = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((1, 2, 3), (2, 1, 3), (1,))]
    call = lambda *t: by_torch(*t, p, activation, 0.1)  # noqa: E731
    assert torch.autograd.gradcheck(call, operands, fast_mode=True)
    assert torch.autograd.gradgradcheck(call, operands, fast_mode=True)


class Handed:
    """Stands for the torch operator: keeps what it is given, remembers no call, and answers with PyTorch's own."""

    def __init__(self) -> None:
        self.last: tuple[Any, ...] = ()

    def __call__(self, key: Any, x: Any, weight: Any, bias: Any, *rest: Any) -> Any:
        self.last = (x, weight, bias, *rest)
        stride, padding, more, groups, dilation, activation, slope, _ = rest
        p = uncached_problem(
            x.shape, weight.shape, None if bias is None else bias.shape,
            stride=stride, padding=padding, output_padding=more, groups=groups, dilation=dilation,
        )  # fmt: skip
        return by_torch(x, weight, bias, p, activation, slope)


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> Handed:
    """What `upweave.ops.torch` is called with."""
    stand_in, seen = ModuleType("upweave.ops.torch"), Handed()
    stand_in.long_way = seen  # type: ignore[attr-defined]
    stand_in.CALLS = Calls()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "upweave.ops.torch", stand_in)
    return seen


def test_the_torch_operator_gets_checked_numbers_and_a_batch(handed: Handed) -> None:
    x, weight = torch.randn(4, 5, 6), torch.randn(4, 3, 4, 4)
    y = upweave.conv_transpose(x, weight, stride=2, padding=(1, 0), groups=2, activation=("leaky_relu", 0.3))
    assert y.shape == (6, 10, 14)
    assert handed.last[0].shape == (1, 4, 5, 6)
    assert handed.last[1] is weight
    assert handed.last[2:] == (None, (2, 2), (1, 0), (0, 0), 2, (1, 1), "leaky_relu", 0.3, "auto")
    upweave.conv_transpose(x[None], weight, backend="torch")
    assert handed.last[-1] == "torch"


def test_gradients_pass_the_front(handed: Handed) -> None:
    x = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: upweave.conv_transpose(a, b, stride=2), (x, weight))
    assert torch.autograd.gradcheck(lambda a, b: upweave.conv_transpose(a, b, stride=2), (x[0], weight))


def test_autocast_may_mix_dtypes(handed: Handed) -> None:
    x, weight = torch.randn(1, 2, 5, dtype=torch.bfloat16), torch.randn(2, 2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert upweave.conv_transpose(x, weight).dtype == torch.bfloat16
    with pytest.raises(upweave.SpecError, match=r"x is torch.bfloat16 and weight is torch.float32; all must have one"):
        upweave.conv_transpose(x, weight)


@pytest.mark.filterwarnings("error:.*lru_cache")
@pytest.mark.parametrize("dynamic", [False, True])
def test_tracing_passes_the_front(handed: Handed, dynamic: bool) -> None:
    """No branch of the front depends on values, so the whole call is one graph; sizes may be symbols."""
    torch.compiler.reset()
    weight, bias = torch.randn(3, 2, 4), torch.randn(2)

    def call(x: Any, weight: Any, bias: Any) -> Any:
        return upweave.conv_transpose(x, weight, bias, stride=2, padding=1, activation="relu") + 1

    compiled = torch.compile(call, fullgraph=True, backend="eager", dynamic=dynamic)
    for length in (5, 6):
        x = torch.randn(2, 3, length)
        assert_close(compiled(x, weight, bias).numpy(), call(x, weight, bias).numpy())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"weight": torch.ones(4, 3, 4, 4, dtype=torch.float64)}, "x is torch.float32 and weight is torch.float64"),
        ({"bias": torch.ones(3, dtype=torch.int64)}, "bias is torch.int64; all must have one dtype"),
        (
            {"weight": torch.ones(4, 3, 4, 4, device="meta")},
            "x is on cpu and weight on meta; all must be on one",
        ),
        ({"weight": torch.ones(5, 3, 4, 4)}, "input has 4 channels"),
        ({"bias": torch.ones(2)}, r"bias of shape \(2,\) does not fit 3"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"output_padding": 1}, "output_padding 1 must be smaller than stride 1 or dilation 1"),
    ],
)
def test_misfits(change: dict[str, Any], match: str) -> None:
    arguments = {"x": torch.ones(2, 4, 5, 6), "weight": torch.ones(4, 3, 4, 4), **change}
    with pytest.raises(upweave.SpecError, match=match):
        upweave.conv_transpose(**arguments)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@settings(max_examples=40)
@given(case=cases())
def test_backends_that_go_through_arrays(backend: str, case: Case) -> None:
    got = upweave.conv_transpose(*tensors(case), **case.keywords, backend=backend)
    want, scale = case.expected("float32")
    assert got.dtype == torch.float32
    assert_close(got.numpy(), want, scale=scale)


def test_the_reference_takes_half_precision() -> None:
    x, weight = torch.randn(1, 2, 5).bfloat16(), torch.randn(2, 2, 3).bfloat16()
    got = upweave.conv_transpose(x, weight, backend="reference")
    assert got.dtype == torch.bfloat16
    want = by_torch(x.double(), weight.double(), None, problem((1, 2, 5), (2, 2, 3)))
    torch.testing.assert_close(got, want.bfloat16())


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_they_have_no_gradients_and_say_so(backend: str) -> None:
    x, weight = torch.randn(1, 2, 5, requires_grad=True), torch.randn(2, 2, 3)
    with pytest.raises(upweave.BackendError, match=f"backend '{backend}' has no gradients"):
        upweave.conv_transpose(x, weight, backend=backend)
    with torch.no_grad():
        assert upweave.conv_transpose(x, weight, backend=backend).shape == (1, 2, 7)


@pytest.mark.parametrize(
    ("dtype", "device", "backend", "match"),
    [
        ("float16", "cpu", "native", "native core"),
        ("float32", "meta", "native", "native core"),
        ("float32", "meta", "numpy", "runs on the CPU, and the tensors are on meta"),
        ("bfloat16", "cpu", "numpy", "NumPy backend takes float32, float64, not bfloat16"),
        ("int64", "cpu", "reference", "not int64"),
        ("float64", "cpu", "triton", "backend .triton. cannot run this"),
        ("float32", "cpu", "cuda", "no backend is called 'cuda'"),
    ],
)
def test_explicit_backends_that_cannot_run_raise(dtype: str, device: str, backend: str, match: str) -> None:
    x, weight = (torch.ones(s, dtype=getattr(torch, dtype), device=device) for s in ((1, 2, 5), (2, 2, 3)))
    with pytest.raises(upweave.BackendError, match=match):
        upweave.conv_transpose(x, weight, backend=backend)


class TestOut:
    """`out=` for tensors."""

    X, W = torch.randn(2, 4, 5), torch.randn(4, 3, 4)

    @pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
    @pytest.mark.parametrize("backend", ["auto", "torch", "reference"])
    def test_it_is_written_and_returned(self, backend: str, dtype: str) -> None:
        x, weight = (t.to(getattr(torch, dtype)) for t in (self.X, self.W))
        want = by_torch(x.double(), weight.double(), None, problem(x.shape, weight.shape, stride=2))
        for one, exact in ((x, want), (x[1], want[1])):
            out = torch.full(exact.shape, torch.nan, dtype=x.dtype)
            assert upweave.conv_transpose(one, weight, stride=2, backend=backend, out=out) is out
            torch.testing.assert_close(out, exact.to(x.dtype))

    def test_parameters_need_no_grad(self) -> None:
        weight = torch.nn.Parameter(self.W)
        out = torch.empty(2, 3, 8)
        with pytest.raises(upweave.SpecError, match="out= has no gradients"):
            upweave.conv_transpose(self.X, weight, out=out)
        with torch.no_grad():
            upweave.conv_transpose(self.X, weight, out=out)
        torch.testing.assert_close(out, torch.nn.functional.conv_transpose1d(self.X, self.W))

    @pytest.mark.parametrize(
        ("out", "match"),
        [
            (torch.ones(2, 3, 7), r"out has shape \(2, 3, 7\), the output has \(2, 3, 8\)"),
            (torch.ones(2, 3, 8).double(), "out is torch.float64 on cpu, x is torch.float32 on cpu"),
            (torch.ones(2, 3, 8, device="meta"), "out is torch.float32 on meta"),
            (torch.ones(2, 8, 3).transpose(1, 2), "must be contiguous"),
            (np.ones((2, 3, 8), np.float32), "out is a NumPy array"),
        ],
    )
    def test_misfits(self, out: Any, match: str) -> None:
        with pytest.raises(upweave.SpecError, match=match):
            upweave.conv_transpose(self.X, self.W, out=out)

    def test_overlap(self) -> None:
        room = torch.ones(200)
        with pytest.raises(upweave.SpecError, match="out overlaps"):
            upweave.conv_transpose(room[20:60].view(2, 4, 5), self.W, out=room[:48].view(2, 3, 8))
        apart = upweave.conv_transpose(
            room[:40].view(2, 4, 5), self.W, out=room[40:88].view(2, 3, 8), backend="reference"
        )
        torch.testing.assert_close(apart, torch.nn.functional.conv_transpose1d(torch.ones(2, 4, 5), self.W))


class TestMerged:
    """The real torch operator behind the front."""

    @pytest.fixture(autouse=True)
    def _operator(self) -> None:
        pytest.importorskip("upweave.ops.torch", reason="the torch operator is not part of this tree")

    @pytest.mark.parametrize("backend", ["auto", "torch"])
    @settings(max_examples=80)
    @given(case=cases())
    def test_against_the_loops(self, backend: str, case: Case) -> None:
        got = upweave.conv_transpose(*tensors(case), **case.keywords, backend=backend)
        want, scale = case.expected("float32")
        assert_close(got.detach().numpy(), want, scale=scale)

    def test_gradients(self) -> None:
        x = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
        weight = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda a, b: upweave.conv_transpose(a, b, stride=2), (x, weight))
