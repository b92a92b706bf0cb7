"""Outputs beyond 32 MiB, which the core writes past the caches where a line starts on a vector's boundary.

With k = s every output is one product, so that float32 has exactly one right answer.
"""

from __future__ import annotations

import numpy as np
import pytest

import upweave
from upweave.ops import native

pytestmark = pytest.mark.skipif(not native.available(), reason=native.why_not() or "the native core is there")

LARGE = 9 * 2**20
"""Output elements of float32, more than 32 MiB."""


@pytest.mark.parametrize("width", [None, 4096, 1021], ids=["one line", "whole lines", "odd lines"])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 8])
def test_every_output_is_its_product(stride: int, width: int | None) -> None:
    rng = np.random.default_rng(stride)
    columns = LARGE // stride + 5 if width is None else width
    rows = -(-LARGE // (columns * stride))
    x = rng.standard_normal((1, 1, rows, columns), dtype=np.float32)
    weight = rng.standard_normal((1, 1, 1, stride), dtype=np.float32)
    y = upweave.conv_transpose(x, weight, stride=(1, stride), backend="native")
    assert y.nbytes > 32 * 2**20
    assert np.array_equal(y[0, 0], (x[0, 0, :, :, None] * weight[0, 0, 0]).reshape(rows, columns * stride))
