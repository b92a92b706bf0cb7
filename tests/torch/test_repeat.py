"""Calls that are remembered: the short way is taken, and never where anything that matters is not as it was."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import forward_ad

import upweave
from upweave.errors import SpecError
from upweave.nn import ConvTranspose2d
from upweave.ops import native
from upweave.ops.torch import CALLS, PACKED, kernels, repeat

from ..native.scripts import run
from .core import StandIn
from .test_plain import Functions, Watch

needs_core = pytest.mark.skipif(not native.available(), reason=f"native core not available: {native.why_not()}")

X = torch.randn(2, 32, 7, 9)


class Long:
    """Counts the calls that go the long way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        self.forward = kernels.forward
        monkeypatch.setattr(kernels, "forward", self)

    def __call__(self, *args: Any) -> torch.Tensor:
        self.number += 1
        return self.forward(*args)


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> Iterator[Long]:
    CALLS.clear()
    yield Long(monkeypatch)
    CALLS.clear()


def layer() -> ConvTranspose2d:
    torch.manual_seed(0)
    return ConvTranspose2d(32, 16, 4, 2, 1).requires_grad_(False)


def right(one: ConvTranspose2d, x: torch.Tensor = X) -> None:
    got = one(x)
    bias = None if one.bias is None else one.bias.double()
    want = F.conv_transpose2d(x.double(), one.weight.double(), bias, 2, 1)
    assert (got.double() - want).norm() < 1e-6 * want.norm()


def by_function(one: ConvTranspose2d, x: torch.Tensor = X) -> None:
    got = upweave.conv_transpose(x, one.weight, one.bias, stride=2, padding=(1, 1))
    assert torch.equal(got, one(x))


@pytest.mark.parametrize("call", [right, by_function])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last], ids=str)
@needs_core
def test_the_third_call_is_short(long: Long, call: Callable[..., None], order: torch.memory_format) -> None:
    one, x = layer(), X.contiguous(memory_format=order)
    for _ in range(2):
        call(one, x)
    before = long.number
    for _ in range(3):
        call(one, torch.randn_like(x))
    assert long.number == before
    assert one(x).is_contiguous(memory_format=order)


def test_the_core_gets_what_it_got(stand_in: StandIn, long: Long) -> None:
    one = layer()
    for _ in range(4):
        right(one)
    assert long.number == 2
    assert stand_in.calls == ["pack", *["forward packed"] * 4]


CHANGES: dict[str, Callable[[ConvTranspose2d], Any]] = {
    "in place": lambda one: one.weight.mul_(2),
    "behind the version's back": lambda one: one.weight.data.mul_(0.9),
    "other data": lambda one: setattr(one.weight, "data", torch.randn(32, 16, 4, 4)),
    "other strides": lambda one: setattr(one.weight, "data", one.weight.data.transpose(2, 3)),
    "other weight": lambda one: setattr(one, "weight", torch.nn.Parameter(torch.randn(32, 16, 4, 4), False)),
    "bias in place": lambda one: one.bias.add_(1),
    "other bias": lambda one: setattr(one, "bias", torch.nn.Parameter(torch.randn(16), False)),
    "strided bias": lambda one: setattr(one.bias, "data", torch.randn(32)[::2]),
    "no bias": lambda one: setattr(one, "bias", None),
    "nothing packed": lambda _: PACKED.clear(),
}


@pytest.mark.parametrize("name", CHANGES)
@needs_core
def test_changes_are_seen(long: Long, name: str) -> None:
    one = layer()
    for _ in range(3):
        right(one)
    CHANGES[name](one)
    for _ in range(3):
        right(one)


@needs_core
def test_a_bias_of_another_size_is_refused(long: Long) -> None:
    one = layer()
    for _ in range(3):
        right(one)
    for data in (torch.randn(8), torch.randn(4, 4)):
        one.bias.data = data
        with pytest.raises((SpecError, RuntimeError), match="bias"):
            one(X)


@needs_core
def test_a_bias_where_there_was_none(long: Long) -> None:
    one, bias = layer(), torch.randn(16)
    one.bias = None
    for _ in range(3):
        right(one)
    one.bias = torch.nn.Parameter(bias, False)
    for _ in range(3):
        right(one)


@needs_core
def test_both_orders_of_memory(long: Long) -> None:
    one, turned = layer(), X.contiguous(memory_format=torch.channels_last)
    for _ in range(3):
        for x in (X, turned, X.transpose(2, 3).contiguous().transpose(2, 3)):
            right(one, x)
            assert one(x).is_contiguous(memory_format=torch.channels_last) == (x is turned)


@needs_core
def test_gradients_where_they_are_wanted(long: Long) -> None:
    one = layer()
    for _ in range(3):
        right(one)
    one.requires_grad_(True)
    one(X).sum().backward()
    torch.testing.assert_close(one.bias.grad, torch.full((16,), 2.0 * 14 * 18))
    x = X.clone().requires_grad_()
    (gx,) = torch.autograd.grad(one(x).sum(), x)
    assert gx.shape == X.shape
    with torch.no_grad():
        assert not one(X).requires_grad


@needs_core
def test_who_watches_sees_it(long: Long) -> None:
    one = layer()
    for _ in range(3):
        right(one)
    before = long.number
    with Watch() as watch:
        one(X)
    assert "upweave.conv_transpose.default" in watch.seen
    with torch.profiler.profile() as profile:
        one(X)
    assert "upweave::conv_transpose" in {event.name for event in profile.events()}
    with torch.autocast("cpu", torch.bfloat16):
        assert one(X).dtype is torch.bfloat16
    many = torch.vmap(one)(torch.stack([X, -X]))
    torch.testing.assert_close(many[0], one(X))
    with forward_ad.dual_level():
        y = one(forward_ad.make_dual(X, torch.ones_like(X)))
        assert forward_ad.unpack_dual(y).tangent is not None
    with Functions():
        right(one)
    assert long.number > before
    with pytest.raises((RuntimeError, SpecError)):
        one(X.double())
    right(one)


@needs_core
def test_another_number_of_threads(long: Long) -> None:
    one, before = layer(), torch.get_num_threads()
    try:
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            for _ in range(3):
                right(one)
    finally:
        torch.set_num_threads(before)


@needs_core
def test_a_sample_that_is_no_number(long: Long) -> None:
    """The kernel may not know what to do with it: then the long way does."""
    one, x = layer(), X.clone()
    for _ in range(3):
        right(one)
    x[0, 0, 3, 4] = torch.nan
    found = one(x)
    assert torch.equal(found.isnan(), F.conv_transpose2d(x, one.weight, one.bias, 2, 1).isnan())


@needs_core
def test_numbers_of_other_kinds_stay_refused(long: Long) -> None:
    one = layer()
    for _ in range(3):
        by_function(one)
    for padding in ((1.0, 1.0), (True, True), 1.0, True):
        with pytest.raises(SpecError, match="padding"):
            upweave.conv_transpose(X, one.weight, one.bias, stride=2, padding=padding)
    for activation in (["leaky_relu", 0.1], 3, ("leaky_relu", [0.1])):
        with pytest.raises(SpecError, match="leaky_relu"):
            upweave.conv_transpose(X, one.weight, one.bias, stride=2, padding=1, activation=activation)  # type: ignore[arg-type]


@needs_core
def test_no_weight_is_kept_alive(long: Long) -> None:
    PACKED.clear()
    one = layer()
    for _ in range(3):
        right(one)
    assert PACKED.nbytes
    del one
    gc.collect()
    assert PACKED.nbytes == 0


@needs_core
def test_bounded(long: Long, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeat, "MOST", 8)
    one = layer()
    for n in range(2, 20):
        for _ in range(3):
            right(one, torch.randn(1, 32, 3, n))
        assert len(CALLS) <= 8
    assert len(CALLS)


@pytest.mark.parametrize("made", ["small", "in inference mode"])
@needs_core
def test_weights_that_are_packed_in_every_call(long: Long, made: str) -> None:
    with torch.inference_mode(made != "small"):
        one = torch.nn.Module()
        one.weight, one.bias = torch.randn(2, 16 if made != "small" else 1, 8, 8), None
        x = torch.randn(1, 2, 5, 6)

        def call() -> None:
            got = upweave.conv_transpose(x, one.weight, one.bias, stride=2, padding=1)
            want = F.conv_transpose2d(x.double(), one.weight.double(), None, 2, 1)
            assert (got.double() - want).norm() < 1e-6 * want.norm()

        for _ in range(3):
            call()
        assert long.number == 2
        for change in (
            lambda: one.weight.mul_(2),
            lambda: setattr(one.weight, "data", torch.randn_like(one.weight)),
            lambda: setattr(one.weight, "data", torch.randn_like(one.weight).transpose(2, 3)),
            lambda: setattr(one, "weight", torch.randn_like(one.weight)),
        ):
            change()
            for _ in range(3):
                call()


@needs_core
@pytest.mark.parametrize("trained", [False, True])
def test_nothing_is_said_to_leak_at_the_end(trained: bool) -> None:
    script = f"""
        import os
        import torch, upweave
        os.dup2(1, 2)  # what is said at the end, too
        x, layer = torch.randn(1, 64, 16, 16), upweave.nn.ConvTranspose2d(64, 64, 4, 2, 1)
        with torch.no_grad():
            for _ in range(3):
                layer(x)
        if {trained}:  # a graph that is still there keeps modules alive
            loss = layer(x).sum()
            loss.backward()
        from upweave.ops.torch import CALLS, PACKED
        print(len(CALLS), PACKED.nbytes > 0)
    """
    assert run(script) == "1 True"
