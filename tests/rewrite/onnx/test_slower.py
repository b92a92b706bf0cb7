"""Rewrites that make a model slower are found one by one, by a made-up clock, and refused with their figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.graph.onnx_tools import saved
from upweave.rewrite.cost import TARGETS
from upweave.rewrite.onnx import compare
from upweave.rewrite.onnx import run as running
from upweave.rewrite.onnx.run import Rewritten, rewrite_file
from upweave.rewrite.onnx.runtime import load
from upweave.rewrite.onnx.slower import RACES, SLOWER, Group, slower_groups

from .files import SPEED, model, node, numbers, resize, scales

FACTORS = st.lists(st.sampled_from([0.5, 0.8, 0.95, 1.0, 1.05, 1.3]), min_size=1, max_size=12)


def after(factors: Sequence[float]) -> list[float]:
    """The times of a model after so many steps."""
    return [prod(factors[:k]) for k in range(len(factors) + 1)]


@given(FACTORS, st.sampled_from([0.6, 0.9]))
def test_every_slow_step_is_found_where_races_are_not_counted(factors: list[float], each: float) -> None:
    """All steps promise the same, so that no group with a slow one delivers."""
    times = after(factors)
    promised = after([each] * len(factors))
    found, spent = slower_groups(promised, times[-1], lambda counts: [times[n] for n in counts], 100)
    assert spent < max(2, len(factors))
    slow = {k for k, f in enumerate(factors) if f > SLOWER}
    if all(f >= each for f in factors):
        assert {g.first for g in found} == slow
        assert all(g.size == 1 for g in found)
    assert all(g.ratio > SLOWER for g in found)


@given(FACTORS, st.integers(0, 5))
def test_races_are_bounded_and_a_slower_model_is_never_kept(factors: list[float], races: int) -> None:
    times = after(factors)
    asked: list[tuple[int, ...]] = []

    def race(counts: Sequence[int]) -> list[float]:
        asked.append(tuple(counts))
        return [times[n] for n in counts]

    found, spent = slower_groups(after([0.9] * len(factors)), times[-1], race, races)
    assert spent == len(asked) <= races
    assert all(a < b < c for a, b, c in asked)
    assert found or times[-1] <= SLOWER
    assert all(times[g.last] / times[g.first] == pytest.approx(g.ratio) for g in found)


def test_a_step_that_others_are_built_on_is_judged_with_them() -> None:
    times = after([1.05, 0.7, 1.05, 0.99])
    promised = after([0.9, 0.5, 0.9, 0.9])

    def found(needs: dict[int, set[int]]) -> list[Group]:
        return slower_groups(promised, times[-1], lambda counts: [times[n] for n in counts], 9, needs)[0]

    assert [g.last for g in found({})] == [1, 3]
    assert [g.last for g in found({2: {1}, 3: set(), 4: {3}})] == [3]
    assert [g.last for g in found({2: {1}, 4: {2}})] == [3]


# -- whole files -----------------------------------------------------------------------------------------------------


def folds(many: int) -> onnx.ModelProto:
    """So many resizes with a convolution behind them, of 10, 11, … channels."""
    nodes, weights = [], {"scales": scales(1, 1, 2, 2)}
    for k in range(many):
        nodes += [resize(f"x{k}", f"u{k}"), node("Conv", [f"u{k}", f"w{k}"], [f"y{k}"], f"conv{k}", pads=[1] * 4)]
        nodes[-2].name = f"up{k}"
        weights[f"w{k}"] = numbers(16, 10 + k, 3, 3, seed=k)
    return model(nodes, {f"x{k}": (1, 10 + k, 8, 8) for k in range(many)}, [f"y{k}" for k in range(many)], weights)


def timed(
    monkeypatch: pytest.MonkeyPatch, folder: Path, made: onnx.ModelProto, seconds: Callable[[int], float]
) -> tuple[Rewritten, int]:
    """(the rewritten file, how often models were timed) where a folded convolution of so many channels takes `seconds`,
    and one that is not folded a second."""
    races: list[int] = []

    def loading(proto: onnx.ModelProto, runtime: str) -> Any:
        run = load(proto, runtime)

        def traced(feeds: Any) -> Any:
            return run(feeds)

        inits = {t.name: t.dims for t in proto.graph.initializer}
        traced.seconds = sum(  # type: ignore[attr-defined]
            seconds(inits[n.input[1]][0]) if n.op_type == "ConvTranspose" else float(n.op_type == "Conv")
            for n in proto.graph.node
        )
        return traced

    def clock(runs: Sequence[Any], feeds: Any, **_: Any) -> tuple[float, ...]:
        races.append(len(runs))
        return tuple(run.seconds for run in runs)

    monkeypatch.setattr(compare, "load", loading)
    monkeypatch.setattr(compare, "compare_times", clock)
    monkeypatch.setattr(running, "target_of", lambda _: replace(TARGETS["generic"], name="onnxruntime"))
    return rewrite_file(saved(made, folder), SPEED, target="onnxruntime"), len(races)


def refused(found: Rewritten) -> dict[str, str]:
    return {r.path: r.reason for r in found.report.refused if "measured in" in r.reason}


@pytest.mark.parametrize("slow", [(3,), (0,), (2, 6)])
def test_of_one_kind_the_harmful_are_refused_and_the_useful_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: tuple[int, ...]
) -> None:
    found, races = timed(monkeypatch, tmp_path, folds(7), lambda c: 2.0 if c - 10 in slow else 0.45)
    assert sorted(a.path for a in found.report.applied) == [f"conv{k}" for k in range(7) if k not in slow]
    reasons = refused(found)
    assert set(reasons) == {f"conv{k}" for k in slow}
    assert all(r.startswith("measured in onnxruntime: with it the model takes 1.") for r in reasons.values())
    assert found.report.timing is not None
    assert found.report.timing.after == pytest.approx(0.45 * (7 - len(slow)) + len(slow))
    assert found.report.certificate is not None
    assert found.report.certificate.passed
    assert found.report.warnings == ()
    assert races <= 2 + 2 * len(slow) * 3


def test_what_is_faster_as_promised_is_not_looked_at_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, races = timed(monkeypatch, tmp_path, folds(5), lambda c: 0.4)
    assert len(found.report.applied) == 5
    assert races == 1


def test_a_model_that_no_rewrite_helps_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, races = timed(monkeypatch, tmp_path, folds(16), lambda c: 1.5)
    assert not found.report.changed
    assert set(refused(found)) == {f"conv{k}" for k in range(16)}
    assert races <= RACES + 1
    assert found.model.graph == onnx.load(tmp_path / "model.onnx").graph


def test_many_that_each_cost_less_than_noise_are_not_kept_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, races = timed(monkeypatch, tmp_path, folds(6), lambda c: 1.04)
    if found.report.timing is not None:
        assert found.report.timing.after <= SLOWER * found.report.timing.before
    assert refused(found)
    assert races <= RACES + 1
