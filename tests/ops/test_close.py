"""The comparison helper fails on what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.close import assert_close

WANT = np.array([1.0, -2.0, 3.0])
F32 = WANT.astype(np.float32)
NAN, INF = np.nan, np.inf


def test_right_data_passes() -> None:
    assert_close(F32, WANT)
    assert_close(F32 * np.float32(1 + 5e-7), WANT)
    assert_close(np.array([NAN, INF, 1.0]), np.array([NAN, INF, 1.0]))
    assert_close(np.zeros(3, np.float32), np.zeros(3))
    assert_close(np.zeros((0, 2), np.float32), np.zeros((0, 2)))


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (F32 * np.float32(1 + 3e-6), WANT),
        (WANT * (1 + 1e-11), WANT),
        (F32[:2], WANT),
        (F32[:, None], WANT),
        (np.array([NAN, -2.0, 3.0]), WANT),
        (np.full(3, NAN), WANT),
        (np.array([1.0, INF, 3.0]), WANT),
        (WANT, np.array([NAN, -2.0, 3.0])),
        (np.array([INF, 0.0]), np.array([-INF, 0.0])),
        (np.array([NAN, 0.0]), np.array([INF, 0.0])),
        (np.array([NAN, 1.0]), np.array([NAN, 2.0])),
        (np.array([1e-30]), np.zeros(1)),
    ],
)
def test_wrong_data_raises(got: np.ndarray, want: np.ndarray) -> None:
    with pytest.raises(AssertionError):
        assert_close(got, want)


def test_scale_widens_and_no_more() -> None:
    assert_close(np.array([1e-9], np.float32), np.zeros(1), scale=1.0)
    with pytest.raises(AssertionError):
        assert_close(np.array([1e-5], np.float32), np.zeros(1), scale=1.0)
    with pytest.raises(AssertionError):
        assert_close(np.array([NAN], np.float32), np.zeros(1), scale=1e9)
