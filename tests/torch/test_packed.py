"""The store of packed weights: what it serves, what it notices, what it forgets."""

from __future__ import annotations

import gc
import threading

import pytest
import torch

from upweave.ops.problem import problem
from upweave.ops.torch.packed import SMALL, PackedWeights

from .core import Packed, StandIn

P = problem((1, 16, 8), (16, 32, 4), stride=2)
WIDER = problem((3, 16, 40), (16, 32, 4), stride=2)
OTHER = problem((1, 16, 8), (16, 32, 4), stride=3)
NBYTES = 16 * 32 * 4 * 4


@pytest.fixture
def weight() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.nn.Parameter(torch.randn(16, 32, 4))


@pytest.fixture
def core() -> StandIn:
    return StandIn()


@pytest.fixture
def store(core: StandIn) -> PackedWeights:
    return PackedWeights(core)


def get(store: PackedWeights, weight: torch.Tensor, p=P, channels_last: bool = False) -> Packed:
    found = store.get(weight, p, "float32", channels_last)
    assert torch.equal(found.weight, weight)  # never an old one
    return found


def test_packs_once_for_every_size_of_the_same_key(store, core, weight) -> None:
    assert get(store, weight) is get(store, weight) is get(store, weight, WIDER)
    assert core.calls == ["pack"]
    assert get(store, weight, OTHER) is not get(store, weight)
    assert get(store, weight, P, True) is not get(store, weight)
    assert core.calls == ["pack"] * 3
    assert store.nbytes == 3 * NBYTES


@pytest.mark.parametrize("change", [
    lambda w: w.mul_(2), lambda w: w[3, 4].zero_(), lambda w: w.data.mul_(0.99), lambda w: w.copy_(torch.ones_like(w)),
    lambda w: w.view(-1)[5:6].add_(1), lambda w: w.detach().neg_(),
    lambda w: setattr(w, "data", torch.randn(16, 32, 4)), lambda w: w.numpy(force=False).__imul__(2),
])  # fmt: skip
def test_changes_are_noticed(store, core, weight, change) -> None:
    get(store, weight)
    with torch.no_grad():
        change(weight.requires_grad_(False))
    get(store, weight)
    assert core.calls == ["pack", "pack"]
    assert store.nbytes <= 2 * NBYTES  # the old one may lie at another address; it is dropped with its storage


def test_an_old_version_is_replaced_not_kept(store, weight) -> None:
    for _ in range(5):
        with torch.no_grad():
            weight.add_(1)
        get(store, weight)
    assert store.nbytes == NBYTES


def test_dropped_with_the_tensor(store) -> None:
    weight = torch.nn.Parameter(torch.randn(16, 32, 4))
    get(store, weight)
    get(store, weight, OTHER)
    assert store.nbytes == 2 * NBYTES
    del weight
    gc.collect()
    assert store.nbytes == 0


def test_dropped_with_the_storage(store) -> None:
    weight = torch.randn(16, 32, 4)
    get(store, weight)
    weight.set_(torch.randn(16, 32, 4))
    gc.collect()
    assert store.nbytes == 0


def test_the_address_of_a_dead_weight_is_no_proof(store, core) -> None:
    memory = bytearray(NBYTES)  # two tensors, two storages, the same memory and the same versions
    first = torch.frombuffer(memory, dtype=torch.float32).view(16, 32, 4)
    get(store, first)
    second = torch.frombuffer(memory, dtype=torch.float32).view(16, 32, 4)
    assert (second.data_ptr(), second._version) == (first.data_ptr(), first._version)
    get(store, second)
    assert core.calls == ["pack", "pack"]
    assert store.nbytes == NBYTES
    del first
    gc.collect()
    assert store.nbytes == NBYTES  # the death of the first does not take the entry of the second along
    get(store, second)
    assert core.calls == ["pack", "pack"]


def test_views_of_one_weight_are_told_apart(store, core, weight) -> None:
    w = weight.detach()
    whole, swapped = get(store, w), w.transpose(0, 1).contiguous().transpose(0, 1)
    assert get(store, swapped) is not whole
    square = torch.randn(32, 32, 4)
    p = problem((1, 32, 8), (32, 32, 4), stride=2)
    get(store, square, p)
    get(store, square.transpose(0, 1), p)  # same memory, other strides
    assert core.calls == ["pack"] * 4


def test_bounded_the_least_used_goes_first(core) -> None:
    store = PackedWeights(core, limit=2 * NBYTES)
    a, b, c = (torch.randn(16, 32, 4) for _ in range(3))
    get(store, a), get(store, b), get(store, a), get(store, c)
    assert store.nbytes == 2 * NBYTES
    core.calls.clear()
    get(store, a), get(store, c)
    assert core.calls == []
    get(store, b)
    assert core.calls == ["pack"]
    store.limit = NBYTES
    assert (store.limit, store.nbytes) == (NBYTES, NBYTES)
    store.limit = 0
    get(store, b)
    assert store.nbytes == 0
    store.limit = NBYTES
    get(store, b)
    store.clear()
    assert store.nbytes == 0


def test_small_and_versionless_weights_are_not_kept(store, core) -> None:
    assert store.get(torch.randn(SMALL - 1), P, "float32", False) is None
    with torch.inference_mode():
        inference = torch.randn(16, 32, 4)
        assert store.get(inference, P, "float32", False) is None
    assert store.get(inference, P, "float32", False) is None
    assert core.calls == []
    ordinary = torch.randn(16, 32, 4)
    with torch.inference_mode():
        get(store, ordinary)
    assert core.calls == ["pack"]


def test_many_threads(core) -> None:
    store = PackedWeights(core, limit=3 * NBYTES)
    shared, failures = [torch.randn(16, 32, 4) for _ in range(4)], []

    def work(seed: int) -> None:
        try:
            for n in range(60):
                get(store, shared[(seed + n) % 4])
                get(store, torch.full((16, 32, 4), float(seed * 100 + n)))  # dies at once
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.nbytes <= 3 * NBYTES
    shared.clear()
    gc.collect()
    assert store.nbytes == 0


def test_a_fork_leaves_no_lock_behind(store, weight) -> None:
    with store._lock:
        store.after_fork()  # as in the child of a process whose other thread holds the lock
        get(store, weight)
    assert store.nbytes == NBYTES
