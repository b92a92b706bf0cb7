"""The arithmetic progressions against the definition, n = s·i + d·t − p, tap by tap."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upweave.ops.problem import problem
from upweave.ops.triton.phases import Axis, Group, backward_axis, combinations, forward_axes, forward_axis, groups


def pairs(axis: Axis, size: int, out: int) -> dict[int, set[tuple[int, int]]]:
    """(tap, input) of every output, as a kernel walks through the groups."""
    found: dict[int, set[tuple[int, int]]] = {}
    for q in range(axis.positions):
        a = q + axis.low
        for g in axis.groups:
            for f in range(g.phases):
                n = axis.weave * a + g.first + g.step * f - axis.pad
                if not 0 <= n < out:
                    continue
                assert n not in found, "an output is written twice"
                reads = [(g.tap + f + axis.skip * j, axis.reach * a + g.base - axis.hop * j) for j in range(g.taps)]
                found[n] = {(t, i) for t, i in reads if 0 <= i < size}
    return found


@given(
    h=st.integers(1, 12), k=st.integers(1, 20), s=st.integers(1, 9), d=st.integers(1, 9), p=st.integers(0, 12),
    more=st.integers(0, 8),
)  # fmt: skip
def test_every_output_has_its_taps_and_no_others(h: int, k: int, s: int, d: int, p: int, more: int) -> None:
    o = min(more, max(s, d) - 1)
    p = min(p, (s * (h - 1) + d * (k - 1) + o) // 2)
    layer = problem((1, 1, h), (1, 1, k), stride=s, padding=p, output_padding=o, dilation=d)
    (out,) = layer.out
    want = {
        n: {(t, (n + p - d * t) // s) for t in range(k) if (n + p - d * t) % s == 0 and 0 <= (n + p - d * t) // s < h}
        for n in range(out)
    }
    assert pairs(forward_axis(layer, 0), h, out) == want
    backward = {i: {(t, s * i + d * t - p) for t in range(k) if 0 <= s * i + d * t - p < out} for i in range(h)}
    assert pairs(backward_axis(layer, 0), out, h) == backward


@given(k=st.integers(1, 30), s=st.integers(1, 12), d=st.integers(1, 12))
def test_groups_share_out_the_phases_and_the_taps(k: int, s: int, d: int) -> None:
    found = groups(k, s, d)
    phases = [g.first + g.step * f for g in found for f in range(g.phases)]
    assert sorted(phases) == list(range(s))
    assert sum(g.phases * g.taps for g in found) == k
    assert [g.taps for g in found] == sorted((g.taps for g in found), reverse=True)


@pytest.mark.parametrize(
    ("k", "s", "d", "want"),
    [
        (4, 2, 1, (Group(0, 1, 2, 0, 2, 0),)),  # s | k: one group
        (3, 2, 1, (Group(0, 1, 1, 0, 2, 0), Group(1, 1, 1, 0, 1, 1))),
        (2, 5, 1, (Group(0, 1, 2, 0, 1, 0), Group(2, 1, 3, 0, 0, 0))),  # k < s: three phases without taps
        (3, 2, 2, (Group(0, 2, 1, 0, 3, 0), Group(1, 1, 1, 0, 0, 0))),  # gcd(d, s) = 2: odd phases without taps
    ],
)
def test_groups_by_hand(k: int, s: int, d: int, want: tuple[Group, ...]) -> None:
    assert groups(k, s, d) == want


def test_combinations_begin_with_most_taps() -> None:
    layer = problem((1, 1, 4, 4), (1, 1, 3, 3), stride=2, padding=1)
    taps = [math.prod(g.taps for g in c) for c in combinations(forward_axes(layer))]
    assert taps == [4, 2, 2, 1]
