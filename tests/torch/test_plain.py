"""Calls that skip the dispatcher: the same results, and never where somebody watches or rewrites operators."""

from __future__ import annotations

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from upweave.ops.torch import conv_transpose
from upweave.ops.torch.plain import is_plain

from .core import StandIn

X, W = torch.randn(1, 2, 5), torch.nn.Parameter(torch.randn(2, 3, 4))
NUMBERS = ((2,), (1,), (0,), 1, (1,))


class Watch(TorchDispatchMode):
    """Notes the operators that pass."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


class Functions(TorchFunctionMode):
    """Does nothing but be there."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def test_what_is_plain() -> None:
    assert is_plain(X, W, None)
    with torch.no_grad():
        assert is_plain(X, W)
    with torch.inference_mode():
        assert is_plain(X, W, torch.ones(3))
    assert is_plain(X.transpose(1, 2), W.detach())


def test_what_is_not() -> None:
    for other in (X.to("meta"), torch.ones(1, dtype=torch.complex64).conj().imag, torch.ones(2).to_sparse()):
        assert not is_plain(X, other)
    with Watch():
        assert not is_plain(X)
    with Functions():
        assert not is_plain(X)
    with torch.profiler.profile():
        assert not is_plain(X)
    seen: list[bool] = []
    torch.vmap(lambda x: (seen.append(is_plain(W)), x)[1])(X)
    torch.func.functionalize(lambda x: (seen.append(is_plain(W)), x)[1])(X)
    assert seen == [False, False]


@torch.no_grad()
def test_watchers_see_one_operator(stand_in: StandIn) -> None:
    want = torch.nn.functional.conv_transpose1d(X, W, None, 2, 1)
    torch.testing.assert_close(conv_transpose(X, W, None, *NUMBERS), want)
    with Watch() as watch:
        torch.testing.assert_close(conv_transpose(X, W, None, *NUMBERS), want)
    assert "upweave.conv_transpose.default" in watch.seen
    with torch.profiler.profile() as profile:
        conv_transpose(X, W, None, *NUMBERS)
    assert "upweave::conv_transpose" in {event.name for event in profile.events()}


def test_watchers_see_the_operators_of_a_training_step(stand_in: StandIn) -> None:
    x = X.clone().requires_grad_()
    with Watch() as watch:
        conv_transpose(x, W, None, *NUMBERS).sum().backward()
    operators = [name for name in watch.seen if name.startswith("upweave")]
    assert operators == [f"upweave.conv_transpose{what}.default" for what in ("", "_grad_input", "_grad_weight")]


def test_a_tensor_that_outlived_its_transform_trains(stand_in: StandIn) -> None:
    kept: list[torch.Tensor] = []
    torch.func.grad(lambda x: (kept.append(x), x.sum())[1])(X)
    assert not is_plain(*kept)
    conv_transpose(kept[0], weight := W.detach().requires_grad_(), None, *NUMBERS).sum().backward()
    torch.nn.functional.conv_transpose1d(X, want := W.detach().requires_grad_(), None, 2, 1).sum().backward()
    torch.testing.assert_close(weight.grad, want.grad)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@torch.no_grad()
def test_a_trace_holds_the_operator(stand_in: StandIn) -> None:
    weight = W.detach()
    traced = torch.jit.trace(lambda x: conv_transpose(x, weight, None, *NUMBERS, backend="native"), X)
    assert "upweave::conv_transpose" in str(traced.graph)
    other = torch.randn(1, 2, 5)
    torch.testing.assert_close(traced(other), torch.nn.functional.conv_transpose1d(other, W, None, 2, 1))
