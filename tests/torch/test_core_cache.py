"""Packed weights with the real core: what is packed when, and that no call ever sees an old one."""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import upweave
from upweave.nn import ConvTranspose1d, ConvTranspose2d
from upweave.ops import native
from upweave.ops.problem import problem
from upweave.ops.torch import PACKED

pytestmark = pytest.mark.skipif(not native.available(), reason=f"native core not available: {native.why_not()}")


class Packings:
    """Counts the calls of `native.pack`."""

    def __init__(self) -> None:
        self.number = 0
        self.pack = native.pack

    def __call__(self, *args: Any, **more: Any) -> Any:
        self.number += 1
        return self.pack(*args, **more)


@pytest.fixture
def packings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Packings]:
    PACKED.clear()
    counted = Packings()
    monkeypatch.setattr(native, "pack", counted)
    yield counted
    PACKED.clear()


def layer() -> ConvTranspose2d:
    torch.manual_seed(0)
    return ConvTranspose2d(32, 16, 4, 2, 1)


X = torch.randn(1, 32, 7, 9)


def right(found: ConvTranspose2d, x: torch.Tensor = X) -> None:
    with torch.no_grad():
        want = F.conv_transpose2d(x.double(), found.weight.double(), found.bias.double(), 2, 1)
        got = found(x).double()
        assert (got - want).norm() < 1e-6 * want.norm()


def test_one_packing_serves_frozen_weights(packings: Packings) -> None:
    one = layer()
    for _ in range(3):
        right(one)
    right(one, torch.randn(2, 32, 7, 9))
    assert packings.number == 1
    assert PACKED.nbytes >= one.weight.nbytes
    with torch.inference_mode():
        one(X)
    one.requires_grad_(False)
    one(X)
    assert packings.number == 1


def test_training_packs_nothing_for_later(packings: Packings) -> None:
    one = layer()
    for _ in range(2):
        one(X).sum().backward()
    assert packings.number == 0
    assert PACKED.nbytes == 0


def average(one: ConvTranspose2d) -> None:
    one.weight.data.mul_(0.9).add_(torch.randn(32, 16, 4, 4), alpha=0.1)


def step(one: ConvTranspose2d) -> None:
    optimiser = torch.optim.SGD(one.parameters(), 0.1, momentum=0.9)
    one(X).square().sum().backward()
    optimiser.step()


def assign(one: ConvTranspose2d) -> None:
    one.weight.data = torch.randn(32, 16, 4, 4)


def reassign(one: ConvTranspose2d) -> None:
    one.weight = torch.nn.Parameter(torch.randn(32, 16, 4, 4))


def single(one: ConvTranspose2d) -> None:
    with torch.no_grad():
        one.weight[3, 2, 1, 0] += 10


def out_argument(one: ConvTranspose2d) -> None:
    """A write by ourselves counts as one in place as well."""
    flat, made = one.weight.detach(), torch.randn(1, 32, 16, 16)
    with torch.no_grad():
        upweave.conv_transpose(made, torch.eye(32)[..., None, None], out=flat.view(1, 32, 16, 16), backend="native")


@pytest.mark.parametrize("change", [
    average, step, assign, reassign, single, out_argument,
    lambda one: one.load_state_dict({k: torch.randn_like(v) for k, v in one.state_dict().items()}),
    lambda one: torch.nn.init.normal_(one.weight),
    lambda one: one.weight.data.copy_(torch.randn(32, 16, 4, 4)),
    lambda one: one.weight.data.neg_(),
])  # fmt: skip
def test_every_change_is_seen(packings: Packings, change: Any) -> None:
    one = layer()
    for _ in range(2):
        right(one)
        change(one)
        right(one)


def test_memory_is_freed_with_the_weight(packings: Packings) -> None:
    one, other = layer(), layer()
    right(one)
    right(other)
    both = PACKED.nbytes
    del one
    gc.collect()
    assert PACKED.nbytes == both // 2
    twin = copy.deepcopy(other)
    right(twin)
    assert PACKED.nbytes == both
    del other, twin
    gc.collect()
    assert PACKED.nbytes == 0


def test_lengths_share_one_packing(packings: Packings) -> None:
    """Two hundred lengths, and two layers that share a weight: it is arranged once for each way of computing."""
    torch.manual_seed(0)
    one, other = (ConvTranspose1d(48, 24, 16, 8, 4) for _ in range(2))
    other.weight = one.weight
    with torch.no_grad():
        for length in range(57, 257):
            x = torch.randn(1, 48, length)
            for each in (one, other):
                got, want = each(x), F.conv_transpose1d(x.double(), each.weight.double(), each.bias.double(), 8, 4)
                assert (got - want).norm() < 1e-6 * want.norm()
    problems = [problem((1, 48, n), (48, 24, 16), (24,), stride=8, padding=4) for n in range(57, 257)]
    ways = {native.pack_key(p, "float32", False) for p in problems}
    assert packings.number == len(ways) <= 3  # the direct loops, and tiles of three and of four cells


def test_threads_that_share_a_weight(packings: Packings) -> None:
    one = layer()
    inputs = [torch.randn(1, 32, 5 + n, 6) for n in range(8)]
    with torch.no_grad():
        alone = [one(x) for x in inputs]
        PACKED.clear()

    def work(n: int) -> bool:
        with torch.no_grad():  # grad mode is a thread's own
            return torch.equal(one(inputs[n % 8]), alone[n % 8])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(64)))


class TestOut:
    """`out=` for tensors: in place, by the packed weight, in either order of memory."""

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
    @pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels last"])
    @pytest.mark.parametrize("from_last", [False, True], ids=["from contiguous", "from channels last"])
    def test_in_place(
        self, packings: Packings, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, last: bool, from_last: bool
    ) -> None:
        x, weight, bias = torch.randn(2, 32, 5, 6), torch.randn(32, 16, 4, 4), torch.randn(16)
        x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
        order = torch.channels_last if last else torch.contiguous_format
        want = F.conv_transpose2d(x.double(), weight.double(), bias.double(), 2, 1).relu()
        if from_last:
            x = x.contiguous(memory_format=torch.channels_last)
        out = torch.empty(2, 16, 10, 12, dtype=dtype).fill_(torch.nan).contiguous(memory_format=order)
        version, addresses, forward = out._version, [], native.forward
        monkeypatch.setattr(native, "forward", lambda *a: (addresses.append(a[6]), forward(*a)))
        for _ in range(2):
            found = upweave.conv_transpose(x, weight, bias, stride=2, padding=1, activation="relu", out=out)
            assert found is out
        assert addresses == [out.data_ptr()] * 2
        assert packings.number == 1
        assert out._version == version + 2
        assert (out.double() - want).norm() < {torch.float32: 1e-6, torch.float64: 1e-12}.get(dtype, 1e-2) * want.norm()
        one = torch.empty(16, 10, 12, dtype=dtype)
        upweave.conv_transpose(x[1], weight, bias, stride=2, padding=1, activation="relu", out=one)
        # another batch may go another way: the same but for rounding
        near = {torch.float32: 1e-6, torch.float64: 1e-12}.get(dtype, 1e-2)
        assert (one - out[1]).double().norm() < near * want[1].norm()

    @pytest.mark.parametrize("backend", ["torch", "numpy", "reference"])
    def test_other_backends_fill_it(self, backend: str) -> None:
        x, weight = torch.randn(1, 2, 3, 4), torch.randn(2, 3, 4, 4)
        out = torch.empty(1, 3, 8, 10).contiguous(memory_format=torch.channels_last)
        upweave.conv_transpose(x, weight, stride=2, out=out, backend=backend)
        torch.testing.assert_close(out, F.conv_transpose2d(x, weight, stride=2), rtol=1e-5, atol=1e-5)

    def test_what_is_more_than_memory(self) -> None:
        """A lazy negation has the memory of its opposite."""
        z = torch.randn(1, 2, 5, dtype=torch.complex64)
        x, weight = z.conj().imag, torch.randn(2, 3, 4)
        assert x.is_neg()
        want, out = F.conv_transpose1d(x, weight, stride=2), torch.empty(1, 3, 12)
        upweave.conv_transpose(x, weight, stride=2, out=out, backend="native")
        torch.testing.assert_close(out, want)
        torch.testing.assert_close(upweave.conv_transpose(x, weight, stride=2, backend="native"), want)
        negated = torch.empty(1, 3, 12, dtype=torch.complex64).conj().imag.contiguous()
        upweave.conv_transpose(x, weight, stride=2, out=negated)
        torch.testing.assert_close(negated, want)

    def test_under_autocast_it_keeps_its_dtype(self) -> None:
        x, weight, out = torch.randn(1, 2, 5), torch.randn(2, 3, 4).bfloat16(), torch.empty(1, 3, 12)
        with torch.autocast("cpu", torch.bfloat16):
            upweave.conv_transpose(x, weight, stride=2, out=out)
        torch.testing.assert_close(out, F.conv_transpose1d(x, weight.float(), stride=2), rtol=3e-2, atol=3e-2)
