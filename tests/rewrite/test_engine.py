"""Random graphs keep their outputs under every rewrite, and a second run changes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from tests.ops.close import assert_close
from upweave.graph.check import check
from upweave.graph.ir import Graph, Linear, Op, Permute, PixelShuffle, Resize, TransposedConvolution
from upweave.rewrite import engine
from upweave.rewrite.cost import TARGETS, Price
from upweave.rewrite.engine import rewrite
from upweave.rewrite.identity import all_identities

from .graphs import Net, graphs, outputs

SAFE = tuple(n for n, i in all_identities().items() if i.safety == "safe")
SPEED = tuple(n for n, i in all_identities().items() if i.purpose == "speed")


def assert_same(graph: Graph, other: Graph) -> None:
    want, got = outputs(graph), outputs(other)
    assert set(want) == set(got)
    scale = max((float(np.linalg.norm(w)) for w in want.values()), default=1.0)
    for name, value in want.items():
        assert_close(got[name], value, limit=1e-9, scale=scale)


@given(graphs(), st.sampled_from(sorted(TARGETS)))
def test_what_is_applied_for_speed_keeps_the_outputs_and_ends(graph: Graph, target: str) -> None:
    found = rewrite(graph, SPEED, TARGETS[target])
    check(found.graph)
    assert_same(graph, found.graph)
    again = rewrite(found.graph, SPEED, TARGETS[target])
    assert again.steps == ()
    assert again.graph == found.graph
    assert all(s.gain > 0 for s in found.steps)


@pytest.mark.parametrize("name", SAFE)
@settings(max_examples=60)
@given(graph=graphs())
def test_each_identity_alone_keeps_the_outputs_wherever_it_matches(graph: Graph, name: str) -> None:
    """Every proposal is applied, whether it pays or not."""
    identity = all_identities()[name]()
    for proposal in list(identity.find(engine.View(graph))):
        if isinstance(proposal, engine.Replacement):
            assert proposal.reason
            after = engine.apply(graph, proposal)
            check(after)
            assert_same(graph, after)


@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2), st.sampled_from([1, 2]))
def test_to_a_shuffle_and_back_the_outputs_are_the_originals(k: int, s: int, p: int, o: int, groups: int) -> None:
    if 2 * p >= s * 2 + k - 1 or o >= max(s, 1) or s == 1:
        return
    net = Net((2, 4, 3, 5))
    graph = net.graph(net.up(net.x, 2, k, s, p, o, groups=groups))
    there = _forced(graph, "kernel-equals-stride" if k == s and p == o == 0 else "transposed-to-shuffle")
    assert any(isinstance(n.op, PixelShuffle) for n in there.nodes)
    assert_same(graph, there)
    back = _forced(there, "shuffle-to-transposed")
    assert any(isinstance(n.op, TransposedConvolution) for n in back.nodes)
    assert_same(graph, back)


def _forced(graph: Graph, name: str) -> Graph:
    found = [p for p in all_identities()[name]().find(engine.View(graph)) if isinstance(p, engine.Replacement)]
    return engine.apply(graph, found[0])


def test_a_shared_convolution_is_folded_where_it_stands_behind_a_resize_alone() -> None:
    net = Net((1, 4, 6, 6))
    first = net.conv(net.resize(net.x), 4, 3, padding=1)
    shared = net.nodes[-1].weights
    second = net.conv(first, 4, 3, padding=1, weights=dict(shared))
    graph = net.graph(second)
    found = rewrite(graph, SPEED, TARGETS["generic"])
    assert [s.replacement.identity for s in found.steps] == ["fold-nearest-resize"]
    assert_same(graph, found.graph)
    assert found.graph.nodes[-1] == graph.nodes[-1]


def test_a_resize_that_others_read_stays_for_them() -> None:
    net = Net((1, 16, 8, 8))
    u = net.resize(net.x)
    graph = net.graph(net.conv(u, 16, 3, padding=1), net.pad(u, (1, 2)))
    found = rewrite(graph, SPEED, TARGETS["generic"])
    kinds = [type(n.op).__name__ for n in found.graph.nodes]
    assert sorted(kinds) == ["Pad", "Resize", "TransposedConvolution"]
    assert_same(graph, found.graph)


def test_a_resize_moves_behind_what_works_on_each_position_and_then_folds() -> None:
    net = Net((1, 16, 8, 8))
    y = net.point(net.norm(net.resize(net.x)), "relu")
    gate = net.sum(y, net.point(y, "sigmoid"), kind="mul")
    graph = net.graph(net.conv(gate, 16, 3, padding=1))
    found = rewrite(graph, SPEED, TARGETS["generic"])
    assert [s.replacement.identity for s in found.steps] == ["commute-resize", "fold-nearest-resize"]
    assert not any(type(n.op).__name__ == "Resize" for n in found.graph.nodes)
    assert_same(graph, found.graph)


def test_a_concatenation_with_a_skip_is_split() -> None:
    net = Net((1, 32, 8, 8))
    skip = net.input((1, 8, 16, 16))
    graph = net.graph(net.conv(net.cat(net.resize(net.x), skip), 16, 3, padding=1))
    found = rewrite(graph, SPEED, TARGETS["generic"])
    assert [s.replacement.identity for s in found.steps] == ["split-concat"]
    assert_same(graph, found.graph)
    before, after = found.steps[0].before, found.steps[0].after
    assert before.multiplies == 40 * 16 * 9 * 256
    assert after.multiplies == 32 * 16 * 16 * 64 + 8 * 16 * 9 * 256


def test_a_transposition_is_followed_as_far_as_it_is_undone() -> None:
    """Channels last, a layer normalisation and a matrix, and back; the value between is not resized in that order."""
    net = Net((1, 16, 6, 4))
    last = net.permute(net.resize(net.x, (2, 3)), (0, 2, 3, 1))
    y = net.matrix(net.over(last, "layer_normalization", (3,), (16,)), 16)
    graph = net.graph(net.conv(net.permute(y, (0, 3, 1, 2)), 16, 3, padding=1))
    found = rewrite(graph, SPEED, TARGETS["generic"])
    assert [s.replacement.identity for s in found.steps] == ["commute-resize", "fold-nearest-resize"]
    assert not any(isinstance(n.op, Resize) for n in found.graph.nodes)
    assert_same(graph, found.graph)
    for end in (y, last):
        other = replace(graph, outputs=(*graph.outputs, end))
        kept = rewrite(other, SPEED, TARGETS["generic"]).graph
        assert all(n.op.dims == (2, 3) for n in kept.nodes if isinstance(n.op, Resize))
        assert_same(other, kept)


@pytest.mark.parametrize(
    "kind", ["prelu", "layer_normalization", "softmax", "mean", "min", Permute((0, 2, 3, 1)), Linear(4, 4)], ids=str
)
def test_random_graphs_reach_what_they_are_there_for(kind: str | Op) -> None:
    """Some of them move an operator of the kind in front of a resize."""

    def moves(graph: Graph) -> bool:
        found = all_identities()["commute-resize"]().find(engine.View(graph))
        return any(
            kind in (n.op, getattr(n.op, "kind", ""))
            for p in found
            if isinstance(p, engine.Replacement)
            for n in p.added
        )

    find(
        graphs(),
        moves,
        settings=settings(max_examples=20_000, deadline=None, database=None, derandomize=True, phases=[Phase.generate]),
    )


def test_a_frozen_node_is_left_alone() -> None:
    net = Net((1, 32, 8, 8))
    graph = net.graph(net.conv(net.resize(net.x), 16, 3, padding=1))
    found = rewrite(graph, SPEED, TARGETS["generic"], {graph.nodes[0].name: "its size is computed at run time"})
    assert found.graph == graph


def test_what_does_not_pay_is_refused_with_the_numbers() -> None:
    net = Net((1, 64, 16, 16))
    graph = net.graph(net.up(net.x, 64, 5, 2, 2, 1))
    found = rewrite(graph, ["transposed-to-shuffle"], TARGETS["generic"])
    assert found.graph == graph
    (refusal,) = {r.reason.split(":")[0] for r in found.refusals}
    assert refusal == "it does not pay"
    assert "slower on generic (counted, not measured)" in found.refusals[0].reason


def test_a_rejected_replacement_is_not_tried_again() -> None:
    net = Net((1, 32, 8, 8))
    graph = net.graph(net.conv(net.resize(net.x), 16, 3, padding=1))
    asked: list[str] = []

    def judge(r: engine.Replacement, _: engine.Step) -> str:
        asked.append(r.identity)
        return "its certificate failed"

    found = rewrite(graph, SPEED, TARGETS["generic"], judge=judge)
    assert found.graph == graph
    assert asked == ["fold-nearest-resize"]
    assert [r.reason for r in found.refusals] == ["its certificate failed"]


def test_an_endless_rewriting_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from upweave.errors import UpweaveError

    monkeypatch.setattr(engine, "_unwanted", lambda *_: "")
    monkeypatch.setattr(engine, "price_of", lambda *_: Price())
    net = Net((1, 4, 8, 8))
    graph = net.graph(net.up(net.x, 4, 2))
    with pytest.raises(UpweaveError, match="does not end"):
        rewrite(graph, ["kernel-equals-stride", "shuffle-to-transposed"], TARGETS["generic"])


def test_the_shapes_of_a_rewritten_graph_are_those_of_its_values_alone() -> None:
    net = Net((1, 16, 8, 8))
    graph = net.graph(net.conv(net.resize(net.x), 16, 3, padding=1))
    found = rewrite(graph, SPEED, TARGETS["generic"]).graph
    used = {*found.inputs, *(v for n in found.nodes for v in n.outputs)}
    assert set(found.shapes) == used
    assert replace(found, nodes=(), shapes={}) == replace(graph, nodes=(), shapes={})
