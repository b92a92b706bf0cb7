"""What lab 7 tells of the remedies holds for every draw that it offers."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("marimo")
pytest.importorskip("torch")

import torch

import upweave
from upweave.artifacts import score
from upweave.labs.kit import scene, shrunk
from upweave.labs.views.remedies import BASE, REMEDIES, STEPS, Snapshot, study

DRAWS = [(seed, 20) for seed in range(3)]


def board(snapshot: Snapshot) -> float:
    found = score(snapshot.output, 2)
    return float(found.decibels) if found.found else -math.inf


@pytest.mark.parametrize("name", REMEDIES)
def test_snapshots_are_the_layers_outputs(name: str) -> None:
    """The spec and weight of a snapshot give its output again, by the library's matrix."""
    snapshots = study(name, 1, 20)
    assert [s.step for s in snapshots] == list(STEPS)
    x = shrunk(scene(64, 101), 2)
    for s in (snapshots[0], snapshots[-1]):
        y = (upweave.matrix(s.spec, x.shape, s.weight) @ x.reshape(-1)).reshape(64, 64)
        np.testing.assert_allclose(s.output, y, atol=2e-5)
        assert s.error == pytest.approx(np.sqrt(((y - scene(64, 101)) ** 2).mean()), abs=1e-4)


@pytest.mark.parametrize(("seed", "noise"), DRAWS)
def test_initialisations_are_forgotten(seed: int, noise: int) -> None:
    plain = study("none", seed, noise)[-1]
    for name in ("icnr", "bilinear"):
        first, *_, last = study(name, seed, noise)
        assert upweave.is_dc_flat(first.spec, first.weight)
        assert board(first) == -math.inf
        assert board(last) > board(plain) - 3
        assert upweave.gain_imbalance(last.spec, last.weight).deviation > 0.02


@pytest.mark.parametrize(("seed", "noise"), DRAWS)
def test_structure_holds(seed: int, noise: int) -> None:
    for name in ("resize", "equal"):
        for s in study(name, seed, noise):
            assert upweave.is_dc_flat(s.spec, s.weight, tolerance=1e-5)
            assert board(s) == -math.inf


@pytest.mark.parametrize(("seed", "noise"), DRAWS)
def test_even_coverage_is_no_guarantee_but_better(seed: int, noise: int) -> None:
    plain = study("none", seed, noise)[-1]
    for name in ("divisible", "widen"):
        first, *_, last = study(name, seed, noise)
        assert upweave.coverage_variance(last.spec) == 0
        assert board(first) > -10
        assert board(last) < board(plain) - 19
        ours, theirs = (upweave.image_rejection(s.spec, s.weight).typical for s in (last, plain))
        assert ours > 1.7 * theirs
        assert upweave.gain_imbalance(last.spec, last.weight).deviation > 1e-4


@pytest.mark.parametrize(("seed", "noise"), DRAWS)
def test_widening_starts_with_the_same_outputs_and_the_penalty_bargains(seed: int, noise: int) -> None:
    plain, wide, paid = (study(n, seed, noise) for n in ("none", "widen", "penalty"))
    np.testing.assert_allclose(wide[0].output, plain[0].output, atol=1e-6)
    assert -math.inf < board(paid[-1]) < board(plain[-1]) - 4
    assert all(
        upweave.image_rejection(s[-1].spec, s[-1].weight).typical < 8.2
        for s in (study(n, seed, noise) for n in REMEDIES)
        if s[-1].spec == BASE
    )


@pytest.mark.parametrize("seed", range(5))
def test_no_draw_gets_stuck_under_the_penalty(seed: int) -> None:
    assert study("penalty", seed, 20)[-1].error < 1.1 * study("none", seed, 20)[-1].error


def test_training_leaves_torch_as_it_was() -> None:
    torch.manual_seed(5)
    before, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(5)
    study.__wrapped__("equal", 4, 10)
    assert torch.equal(torch.rand(3), before)
    assert torch.get_num_threads() == threads
