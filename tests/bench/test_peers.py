from __future__ import annotations

import pytest

from upweave.ops.problem import problem

torch = pytest.importorskip("torch", reason="the benchmark compares with torch")
from bench import case as cases  # noqa: E402
from bench import peers  # noqa: E402
from bench.contender import PEERS, CannotRun, peer  # noqa: E402

TINY = {
    1: problem((2, 4, 7), (4, 3, 5), stride=3, padding=1, output_padding=2, groups=2),
    2: problem((1, 8, 6, 5), (8, 4, 4, 3), stride=(2, 1), padding=(1, 2), output_padding=(1, 0)),
    3: problem((1, 4, 3, 4, 3), (4, 2, 2, 3, 2), stride=2, padding=1),
}
# Inductor calls a C++ compiler for every layer: one is enough.
PAIRS = [(name, rank) for name in peers.NAMES for rank in TINY if name != "torch_compile" or rank == 2]


def contenders(name, rank):
    if PEERS[name].version is None:
        pytest.skip(f"{PEERS[name].package} is not installed")
    case = cases.make(TINY[rank])
    return case, PEERS[name].contenders(case, 2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "rank"), PAIRS)
def test_a_peer_agrees_with_fp64_and_returns_fresh_memory(name, rank):
    if (name, rank) == ("torch_channels_last", 1):
        with pytest.raises(CannotRun, match="no channels-last format for one axis"):
            contenders(name, rank)
        return
    case, found = contenders(name, rank)
    assert found
    expected = (cases.exact(case),)
    for contender in found:
        assert contender.name == name
        first = contender.call()
        kept = [t.clone() for t in contender.tensors(first)]
        assert cases.relative_error(kept, expected) < 1e-6, contender.variant
        second = contender.call()
        for a, b in zip(contender.tensors(first), contender.tensors(second), strict=True):
            assert a.data_ptr() != b.data_ptr(), contender.variant
        assert all(map(torch.equal, contender.tensors(first), kept)), contender.variant


def test_layouts_are_recorded():
    for name, rank, takes_nchw in [
        ("torch", 2, {True}),
        ("torch_channels_last", 2, {False}),
        ("openvino", 2, {True, False}),
    ]:
        _, found = contenders(name, rank)
        assert {c.takes_nchw for c in found} == takes_nchw


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="inductor packs weights with oneDNN alone")
def test_the_frozen_variant_of_inductor_runs_the_frozen_graph():
    """Dynamo once answered the frozen variant's calls with the graph of the variant compiled after it."""
    _, found = contenders("torch_compile", 2)
    assert [c.variant for c in found] == ["NCHW, frozen", "NCHW", "channels-last, frozen", "channels-last"]
    for contender in found:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            contender.call()
        packed = any("_convolution_transpose_pointwise" in event.key for event in profile.key_averages())
        assert packed == ("frozen" in contender.variant), contender.variant


def test_peers_by_name():
    assert [p.name for p in peers.by_name(None)] == list(peers.NAMES) == sorted(PEERS, key=peers.NAMES.index)
    assert [p.name for p in peers.by_name("jax, torch")] == ["torch", "jax"]
    with pytest.raises(ValueError, match="no peer is called tensorflow"):
        peers.by_name("torch,tensorflow")


def test_every_peer_says_what_it_is():
    for p in PEERS.values():
        assert p.about.endswith(".")
        assert p.fresh_output


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="two peers of the name torch"):
        peer("torch", package="torch", fresh_output="")(lambda case, threads: [])
