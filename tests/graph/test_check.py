"""The invariants of a graph, each broken once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from upweave.errors import ModelError
from upweave.graph.check import check
from upweave.graph.ir import Graph, Node, Pointwise

RELU = Pointwise("relu")
GOOD = Graph(
    ("x",), ("b",), (Node("a", RELU, ("x",), ("a",)), Node("b", RELU, ("a",), ("b",))),
    {"x": (1, 2), "a": (1, 2), "b": (1, 2)},
)  # fmt: skip


def test_a_sound_graph_is_returned() -> None:
    assert check(GOOD) is GOOD


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (replace(GOOD, nodes=GOOD.nodes[::-1]), "reads 'a'"),
        (replace(GOOD, nodes=(GOOD.nodes[0], replace(GOOD.nodes[1], name="a"))), "named 'a'"),
        (replace(GOOD, nodes=(GOOD.nodes[0], replace(GOOD.nodes[1], outputs=("a",)))), "already written"),
        (replace(GOOD, nodes=(*GOOD.nodes, Node("c", RELU, ("x",), ("x",)))), "already written"),
        (replace(GOOD, shapes={"x": (1, 2), "a": (1, 2)}), "'b' of node 'b' has no shape"),
        (replace(GOOD, shapes={**GOOD.shapes, "b": (1, -2)}), "no tuple of extents"),
        (replace(GOOD, outputs=("nowhere",), shapes={**GOOD.shapes, "nowhere": (1,)}), "written by no node"),
        (replace(GOOD, inputs=("x", "x")), "two inputs"),
    ],
)
def test_unsound_graphs_are_refused(bad: Graph, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check(bad)


def test_without_topology_values_may_come_from_nowhere() -> None:
    check(replace(GOOD, nodes=GOOD.nodes[1:], has_topology=False))
    with pytest.raises(ModelError, match="no shape"):
        check(replace(GOOD, nodes=GOOD.nodes[1:], has_topology=False, shapes={"x": (1,), "b": (1,)}))
