"""Every instruction set × every algorithm, by name, in every dtype, order and activation, against float64."""

from __future__ import annotations

import numpy as np
import pytest

from tests.native.problems import LIMITS, SHAPES, Operands, Run, from_bits, runs, to_bits
from tests.ops.close import assert_close
from upweave.ops import native
from upweave.ops.activation import ACTIVATIONS
from upweave.ops.schedule import ALGORITHMS

TARGETS = native.targets() or ("none",)
every = pytest.mark.parametrize
ORDERS = (False, True)


@every("channels_last", ORDERS, ids=["contiguous", "channels-last"])
@every("dtype", LIMITS)
@every("algorithm", ALGORITHMS)
@every("isa", TARGETS)
def test_algorithm(isa: str, algorithm: str, dtype: str, channels_last: bool) -> None:
    found = runs(isa, dtype, channels_last)[algorithm]
    assert found, f"no problem here is run by {algorithm}"
    for n, run in enumerate(found):
        for name in ACTIVATIONS:
            operands = Operands(run, bias=n % 2 == 0 or name != "none")
            want = operands.expected(name, 0.2)
            scale = float(np.linalg.norm(operands.expected()))  # relu may leave next to nothing
            assert_close(operands.compute(name, 0.2), want, limit=LIMITS[dtype], scale=scale)


@every("isa", TARGETS)
def test_more_threads_than_work(isa: str) -> None:
    for p in SHAPES:
        one, many = (Operands(Run(p, "float32", False, isa, threads)) for threads in (1, 7))
        assert_close(many.compute(), one.expected(), limit=1e-6)


def test_all_targets_are_listed_best_first_and_the_best_is_used() -> None:
    assert len(set(native.targets())) == len(native.targets()) >= 1
    assert native.isa() in native.targets()
    lanes = [native.tile(isa, "float32")[0] for isa in native.targets()]
    assert lanes == sorted(lanes, reverse=True)
    assert all(native.tile(isa, "float64")[0] * 2 == n for isa, n in zip(native.targets(), lanes, strict=True))


def test_bits_of_bfloat16() -> None:
    a = np.array([1.0, -2.5, 3.140625, 1 + 2**-8, 1 + 3 * 2**-8, 65280.0], np.float32)
    np.testing.assert_array_equal(from_bits(to_bits(a)), np.float32([1, -2.5, 3.140625, 1, 1 + 2**-6, 65280]))
    rounded = from_bits(to_bits(np.random.default_rng(0).standard_normal(1000)))
    np.testing.assert_array_equal(from_bits(to_bits(rounded)), rounded)
