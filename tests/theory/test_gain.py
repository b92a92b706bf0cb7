"""DC gain and its imbalance: against a constant input, and by example."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upweave.convert import phase_bank
from upweave.errors import SpecError
from upweave.spec import ConvPixelShuffle, ConvTranspose, FirUpsample, ResizeConv
from upweave.theory.gain import dc_gain, gain_imbalance, is_dc_flat
from upweave.theory.matrix import matrix
from upweave.theory.spectrum import frequency_response


def test_gain_is_what_a_constant_becomes():
    rng = np.random.default_rng(0)
    spec, weight = ConvTranspose((3, 4), 2, 1), rng.standard_normal((2, 3, 3, 4))
    y = (matrix(spec, (6, 6), weight) @ np.ones(72)).reshape(3, 11, 12)
    gain = dc_gain(spec, weight)
    assert gain.shape == (2, 2, 3, 2)
    np.testing.assert_allclose(np.moveaxis(y[:, 4:6, 4:6], 0, -1), gain.sum(axis=-1))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(2, 4), st.integers(0, 99), st.booleans())
def test_flat_gain_is_a_transform_with_zeros_at_the_images(k, s, seed, flat):
    weight = np.random.default_rng(seed).standard_normal(k)
    if flat:  # convolved with a box of s, a kernel has zeros at every 2πm/s
        weight = np.convolve(weight, np.ones(s))
    spec = ConvTranspose(len(weight), s)
    at_images = np.abs(frequency_response(spec, weight, n=s)[0, 0, 1:])
    assert is_dc_flat(spec, weight) == bool((at_images < 1e-5 * np.abs(weight).sum()).all())
    if flat:
        assert is_dc_flat(spec, weight)
        assert gain_imbalance(spec, weight).max == pytest.approx(0, abs=1e-6)


def test_imbalance_by_example():
    found = gain_imbalance(ConvTranspose(3, 2, 1), np.array([1.0, 1.0, 1.0]))
    assert found.max == pytest.approx(20 * math.log10(2))
    assert found.per_phase.shape == (2,)
    assert found.per_phase[1] - found.per_phase[0] == pytest.approx(found.max)
    assert found.deviation == pytest.approx(math.sqrt(0.5 / 5))


def test_dead_phases_zeros_and_signs():
    assert gain_imbalance(ConvTranspose(1, 2), np.ones(1)).max == math.inf
    zeros = gain_imbalance(ConvTranspose(4, 2, 1), np.zeros((2, 3, 4)))
    assert (zeros.max, zeros.deviation, zeros.per_phase.tolist()) == (0, 0, [0, 0])
    assert is_dc_flat(ConvTranspose(4, 2, 1), np.zeros(4))
    # one dead output channel among live ones is 0 dB; phases of opposite sign are equal in size but not flat
    weight = np.zeros((1, 2, 2))
    weight[0, 0] = 1, -1
    found = gain_imbalance(ConvTranspose(2, 2), weight)
    assert found.per_channel.tolist() == [0, 0]
    assert found.deviation == 1


def test_interpolators_and_tied_shuffles_are_flat():
    rng = np.random.default_rng(0)
    for mode in ("nearest", "linear", "cubic"):
        assert is_dc_flat(ResizeConv(3, 2, 1, mode=mode), rng.standard_normal((4, 3, 3)))
    assert is_dc_flat(FirUpsample((1, 3, 3, 1)))
    tied = np.repeat(rng.standard_normal((3, 2, 3)), 2, axis=0)  # ICNR
    assert is_dc_flat(ConvPixelShuffle(3, 2, 1), tied)
    assert not is_dc_flat(ConvPixelShuffle(3, 2, 1), rng.standard_normal((6, 2, 3)))
    with pytest.raises(SpecError, match="of its own"):
        dc_gain(phase_bank(ConvTranspose(2, 2)), np.ones(2))
