"""The transposed convolution as a prolongation: interpolation, adjoint, and the textbook's convergence."""

from __future__ import annotations

import numpy as np
import pytest

from upweave.labs.applied import multigrid as mg
from upweave.labs.applied.multigrid import laplacian, prolong, reductions, restrict, two_grid_factor, v_cycle
from upweave.testing import assert_close, dot_test


def test_prolongation_is_bilinear_interpolation() -> None:
    n, fine = 7, 15
    at = np.arange(1, fine + 1) / (fine + 1)
    values = np.random.default_rng(0).normal(size=(n, n))
    padded = np.pad(values, 1)
    knots = np.arange(n + 2) / (n + 1)
    rows = np.stack([np.interp(at, knots, padded[:, j]) for j in range(n + 2)], 1)
    expected = np.stack([np.interp(at, knots, row) for row in rows])
    assert_close(prolong(values), expected, tolerance=1e-12)


def test_restriction_is_the_adjoint() -> None:
    dot_test(prolong, lambda y: 4 * restrict(y), shapes=((7, 7), (15, 15)))


@pytest.mark.parametrize(("before", "after", "textbook"), [(1, 0, 0.6), (1, 1, 0.36), (2, 1, 0.216)])
def test_a_v_cycle_reduces_the_residual_as_the_textbook_says(before: int, after: int, textbook: float) -> None:
    assert two_grid_factor(before, after) == pytest.approx(textbook, rel=0.01)
    measured = reductions(6, before, after)[-5:].mean()
    assert measured == pytest.approx(textbook, rel=0.1)


def test_a_wrong_prolongation_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = mg.prolong
    monkeypatch.setattr(
        mg, "prolong", lambda c, line: np.roll(right(c, line), 1, axis=0)
    )  # as a padding off by one would
    assert reductions(6, 1, 1)[-5:].mean() != pytest.approx(0.36, rel=0.1)


def test_it_solves_the_equation() -> None:
    n = 63
    x = np.arange(1, n + 1) / (n + 1)
    exact = np.outer(np.sin(np.pi * x), np.sin(2 * np.pi * x))
    u = np.zeros((n, n))
    f = 5 * np.pi**2 * exact
    for _ in range(25):
        u = v_cycle(u, f)
    assert np.linalg.norm(f - laplacian(u)) < 1e-8 * np.linalg.norm(f)
    assert np.abs(u - exact).max() < 2e-3  # h²·π²·17/60 = 7e-4 for the five-point differences
