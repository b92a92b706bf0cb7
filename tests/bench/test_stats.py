from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import geomean, spread

POSITIVE = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=50)


@given(POSITIVE)
def test_spread_is_numpys(samples):
    found = spread(samples)
    assert np.allclose([found.q1, found.median, found.q3], np.percentile(samples, [25, 50, 75]), rtol=1e-12)
    assert found.count == len(samples)


@given(POSITIVE)
def test_geomean_of_ratios_and_of_their_inverses(ratios):
    assert math.isclose(geomean(ratios) * geomean([1 / r for r in ratios]), 1, rel_tol=1e-9)


def test_geomean_by_hand():
    assert math.isclose(geomean([2, 8]), 4)


@pytest.mark.parametrize("samples", [[], [1.0, math.nan], [math.inf]])
def test_what_is_no_time_raises(samples):
    with pytest.raises(ValueError, match="samples"):
        spread(samples)


@pytest.mark.parametrize("ratios", [[], [0.0], [-1.0], [math.nan]])
def test_what_is_no_ratio_raises(ratios):
    with pytest.raises(ValueError, match="no geometric mean"):
        geomean(ratios)
