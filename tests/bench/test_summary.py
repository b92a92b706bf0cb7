from __future__ import annotations

import math

import pytest

from bench import summary, words
from bench.table import best, cell, names, summary_lines

from . import made_up
from .made_up import outcome, row


def run():
    return made_up.run([
        row("a", [outcome("upweave", 1.0), outcome("torch", 4.0), outcome("ort", 2.0),
                  outcome("ov", 0.5, takes_nchw=False), outcome("jax", 0.1, status="trial")], floor=0.8),
        row("b", [outcome("upweave", 2.0), outcome("torch", 8.0), outcome("ort", 9.0),
                  outcome("torch (seen)", 0.1)], core=False, floor=0.4),
    ])  # fmt: skip


def test_ratios_by_hand():
    a, b = summary.compare(run())
    assert [a.ratio(o) for o in (a.torch, a.nchw, a.any)] == [4.0, 2.0, 0.5]
    assert (a.nchw.name, a.any.name) == ("ort", "ov")
    assert [b.ratio(o) for o in (b.torch, b.nchw, b.any)] == [4.0, 4.0, 4.0]  # what was seen before does not compete
    assert (a.roofline, b.roofline) == (0.8, 0.2)


def test_means_by_hand():
    found = summary.summarise(summary.compare(run()))
    assert math.isclose(found.torch, 4)
    assert math.isclose(found.nchw, math.sqrt(8))
    assert math.isclose(found.any, math.sqrt(2))
    assert math.isclose(found.roofline, 0.4)
    assert math.isclose(found.roofline_mean, 0.5)
    assert found.slow == (("a", 0.5),)
    assert found.slow_torch == ()
    assert words.slow(found) == "Under 0.9× of the best peer: a (0.50×)."


def test_the_total_of_lengths_by_hand():
    a, b = (row(n, [outcome("upweave", u), outcome("torch", t)]) for n, u, t in (("a", 1.0, 3.0), ("b", 2.0, 12.0)))
    lengths = made_up.run([a, b, row("peers", [outcome("torch", 100.0)])], mode="lengths")
    assert math.isclose(summary.summarise(summary.compare(lengths), "lengths").torch, 15 / 3)
    assert summary_lines(lengths)[0].startswith("Total of 3 rows: 5.00× PyTorch, NCHW (aim ≥ 5.00×)")


def test_groups_are_one_where_they_are_the_same():
    comparisons = summary.compare(run())
    assert {k: len(v) for k, v in summary.groups(comparisons).items()} == {"core rows": 1, "rows": 2}
    assert list(summary.groups(comparisons[:1])) == list(summary.groups(comparisons[1:])) == ["rows"]


def test_peers_alone_have_no_ratios():
    peers = made_up.run([row("a", [outcome("torch", 4.0), outcome("ort", 2.0)])], ours=None)
    [c] = summary.compare(peers)
    assert c.ours is c.ratio(c.any) is c.roofline is None
    assert c.any.name == "ort"
    found = summary.summarise([c])
    assert found.torch is found.roofline is None
    assert words.found("forward", found) == []
    assert words.slow(found) == "Nothing was compared."


def test_the_torch_backend_is_not_taken_for_the_native_core():
    other = made_up.run([row("a", [outcome("upweave (torch backend)", 4.0), outcome("torch", 4.0)])])
    [c] = summary.compare(other)
    assert c.ours is None


def test_cells_and_columns():
    r = run()
    assert names(r) == ["upweave", "torch", "ort", "ov", "jax", "torch (seen)"]
    assert cell(best(r.rows[0], "jax")) == "(0.1)"
    assert cell(best(r.rows[1], "jax")) == words.NOTHING
    both = row("c", [outcome("ort", 1.0, status="trial"), outcome("ort", 2.0)])
    assert cell(best(both, "ort")) == "2"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "—"), (0.00123, "0.00123"), (3.456, "3.46"), (34.56, "34.6"), (345.6, "346")]
)
def test_ms(value, text):
    assert words.ms(value) == text


def test_overheads_and_memory():
    overhead = made_up.run([row("one", [outcome("upweave", 0.012), outcome("torch", 0.005)])], "overhead")
    assert words.overheads(summary.compare(overhead)) == ["one: 7.0 µs above torch (aim ≤ 15 µs)."]
    assert words.memory(made_up.memory().memory, "upweave").startswith("At most 1.5 MiB a thread")
    assert words.memory(made_up.memory(None).memory, None) == "Upweave was not part of this run."
