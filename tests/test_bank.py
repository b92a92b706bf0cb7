"""The bank's invariants and its composition by hand; the properties over all specs are in theory/test_matrix.py."""

import numpy as np
import pytest

from upweave.bank import PhaseBank, Taps, ungrouped
from upweave.boundary import exact_interior
from upweave.convert import phase_bank, taps
from upweave.errors import SpecError
from upweave.spec import ConvTranspose, ResizeConv
from upweave.testing import assert_close
from upweave.theory.coverage import coverage
from upweave.theory.matrix import bank_matrix

ONE = np.ones((2, 1), dtype=np.int64)


def test_shapes_that_disagree_raise():
    axis = Taps(0, ONE)
    with pytest.raises(SpecError, match="do not fit a bank"):
        PhaseBank((axis,), np.ones((2, 1, 1, 2)))
    with pytest.raises(SpecError, match="bias"):
        PhaseBank((axis,), np.ones((2, 1, 1, 1)), np.ones(1))
    with pytest.raises(SpecError, match="groups"):
        PhaseBank((axis,), np.ones((2, 3, 1, 1)), None, 2)
    with pytest.raises(SpecError, match="grid"):
        Taps(0, np.ones(3, dtype=np.int64))


def test_composition_counts_paths():
    (t,) = taps(ConvTranspose(3, 2, 1))
    both = t @ t
    assert (
        both.stride,
        coverage(phase_bank(ConvTranspose(3, 2, 1)) @ phase_bank(ConvTranspose(3, 2, 1))).tolist(),
    ) == (
        4,
        both.count.sum(axis=1).tolist(),
    )
    # phase 0 and 2 of the second layer read one middle sample (covered once or twice), 1 and 3 read two
    assert both.count.sum(axis=1).tolist() == [1, 3, 2, 3]


def test_composing_a_resize_with_itself_is_the_larger_resize():
    two, four = (phase_bank(ResizeConv(1, s)) for s in (2, 4))
    assert_close((two @ two).weights.sum(axis=-1), four.weights.sum(axis=-1))


def test_composition_refuses_what_does_not_fit():
    a = phase_bank(ConvTranspose(3, 2), np.ones((1, 2, 3)))
    with pytest.raises(SpecError, match="channels"):
        a @ a
    with pytest.raises(SpecError, match="axes"):
        phase_bank(ConvTranspose((3, 3), 2)) @ a


def test_ungrouped_has_the_same_matrix():
    spec = ConvTranspose(3, 2, 1, groups=2)
    bank = phase_bank(spec, np.random.default_rng(0).standard_normal((4, 3, 3)))
    from upweave.convert import boundary

    dense = ungrouped(bank)
    assert dense.groups == 1
    assert dense.weights.shape[2] == 4
    assert_close(bank_matrix(dense, 3, boundary(spec)), bank_matrix(bank, 3, boundary(spec)))


def test_exact_interior_by_brute_force():
    for spec in [ConvTranspose(k, s, p) for k in (1, 3, 4, 5) for s in (1, 2, 3) for p in (0, 1)]:
        (t,), size = taps(spec), 6
        length = 3 * size
        fits = [
            n for n in range(length)
            if all(0 <= n // t.stride + t.start + int(j) < size for j in t.count[n % t.stride].nonzero()[0])
        ]  # fmt: skip
        inside = exact_interior(t, size, length)
        assert set(inside) <= set(fits)
        # the longest run of outputs that fit, no shorter
        assert not inside or (inside.start - 1 not in fits or inside.start == 0)
        assert not inside or inside.stop not in fits or inside.stop == length
