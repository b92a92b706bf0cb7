"""The kernels that the labs compare: they are what they are called, and lines of a tone are where the spectrum is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import upweave
from upweave.labs.views.kernels import NAMES, Kernel, decibels, kernel, lines
from upweave.theory.spectrum import zero_insert


@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize("name", ["nearest", "linear", "cubic"])
def test_resizes_as_transposed_convolutions(name: str, stride: int) -> None:
    k = kernel(name, stride)
    x = np.random.default_rng(0).standard_normal(16)
    here = upweave.matrix(k.spec, 16, k.weight) @ x
    there = upweave.matrix(upweave.ResizeConv(1, stride, mode=name), 16) @ x
    inside = slice(3 * stride, -3 * stride)

    assert here.shape == there.shape
    np.testing.assert_allclose(here[inside], there[inside], atol=1e-12)


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_all_but_two_keep_a_constant(stride: int) -> None:
    flat = {n for n in NAMES if upweave.is_dc_flat(kernel(n, stride).spec, kernel(n, stride).weight.reshape(1, 1, -1))}
    assert flat == {"nearest", "linear", "cubic", "sinc"}
    with pytest.raises(KeyError):
        kernel("lanczos", 2)


@pytest.mark.parametrize("stride", [2, 3, 4, 5])
@pytest.mark.parametrize("tone", [Fraction(0), Fraction(1, 4), Fraction(5, 8), Fraction(15, 16)])
@pytest.mark.parametrize("name", ["linear", "random"])
def test_lines_are_those_of_the_transform(name: str, stride: int, tone: Fraction) -> None:
    """A long periodic tone, zero insertion, a circular convolution with the kernel: the lines of its FFT."""
    k = kernel(name, stride)
    n = 64
    x = zero_insert(np.cos(np.pi * float(tone) * np.arange(n)), stride)
    spectrum = np.abs(np.fft.fft(x) * np.fft.fft(k.weight, len(x)))
    before = np.abs(np.fft.fft(x))
    there = (before > 1e-6 * before.max()).nonzero()[0]
    wanted = {Fraction(2 * int(m), len(x)): spectrum[m] / before[m] for m in there if 2 * m <= len(x)}
    found = lines(k, tone)
    assert {q.at for q in found} == set(wanted)
    assert [q.at for q in found if q.band == 0] == [tone / stride]
    for q in found:
        assert q.level == pytest.approx(wanted[q.at], abs=1e-9)


def test_decibels() -> None:
    assert decibels(0.1, 1.0) == pytest.approx(-20)
    assert decibels(0.0, 1.0) == -np.inf
    silent = Kernel(upweave.ConvTranspose(2, 2), np.array([1.0, -1.0]))
    assert [q.level for q in lines(silent, Fraction(0)) if q.band == 0] == [pytest.approx(0, abs=1e-12)]
