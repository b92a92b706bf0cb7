"""The comparison helpers can fail: each is fed wrong data."""

import numpy as np
import pytest

from upweave.spec import ConvTranspose
from upweave.testing import assert_close, dot_test, unit_matrix
from upweave.theory.matrix import linear_operator, matrix


def test_dot_test_fails_for_a_wrong_adjoint():
    m = matrix(ConvTranspose(3, 2, 1), 4, np.array([2.0, -1.0, 3.0]))
    assert dot_test(m) <= 1e-12
    wrong = m.T.copy()
    wrong.data[0] += 1e-3
    with pytest.raises(AssertionError, match="relative difference"):
        dot_test(m, wrong)
    with pytest.raises(AssertionError, match="cannot be"):
        dot_test(m, m)


def test_dot_test_takes_functions_and_operators():
    op = linear_operator(ConvTranspose((3, 3), 2, 1), (3, 4))
    dot_test(op)
    dot_test(op.matvec, op.rmatvec, shapes=((op.shape[1],), (op.shape[0],)))
    with pytest.raises(TypeError, match="adjoint"):
        dot_test(op.matvec, shapes=((12,), (35,)))
    with pytest.raises(AssertionError):
        dot_test(lambda x: x * np.nan, lambda y: y, shapes=((2,), (2,)))


def test_assert_close_fails_for_wrong_data():
    good = np.arange(6.0).reshape(2, 3)
    assert_close(good, good + 1e-12)
    for wrong, message in [
        (good + 1e-3, "6 of 6 entries differ"),
        (good.T, "shapes differ"),
        (np.where(good == 4, np.nan, good), r"\(1, 1\)"),
        (np.where(good == 4, np.inf, good), r"\(1, 1\)"),
    ]:
        with pytest.raises(AssertionError, match=message):
            assert_close(wrong, good)


def test_unit_matrix_finds_the_matrix():
    m = np.arange(6.0).reshape(3, 2)
    assert_close(unit_matrix(lambda x: m @ x, (2,)), m)
