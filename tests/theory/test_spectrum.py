"""The spectrum against the FFT and against sums over a fine grid."""

import math

import numpy as np
import pytest

from upweave.convert import impulse_response, phase_bank
from upweave.errors import SpecError
from upweave.spec import ConvTranspose, FirUpsample, ResizeConv
from upweave.testing import assert_close
from upweave.theory.matrix import matrix
from upweave.theory.spectrum import dtft, frequency_response, image_rejection, images, sinc_kernel

RNG = np.random.default_rng(0)


def test_response_is_the_fft_of_the_kernel():
    weight = RNG.standard_normal((2, 3, 4, 3))
    response = frequency_response(ConvTranspose((4, 3), 2), weight, n=16)
    assert response.shape == (3, 2, 16, 16)
    assert_close(response, np.fft.fft2(weight.swapaxes(0, 1), s=(16, 16)))


def test_padding_turns_the_phase_alone():
    weight = RNG.standard_normal(3)
    omega = 2 * np.pi * np.arange(8) / 8
    here, there = (frequency_response(ConvTranspose(3, 2, p), weight, n=8)[0, 0] for p in (0, 1))
    assert_close(there, here * np.exp(1j * omega))


def test_output_spectrum_is_the_response_times_the_images():
    """Y(e^{jω}) = H(e^{jω})·X(e^{jsω})."""
    weight, x = RNG.standard_normal(5), RNG.standard_normal(7)
    y = matrix(ConvTranspose(5, 3), 7, weight) @ x
    omega = 2 * np.pi * np.arange(24) / 24
    expected = frequency_response(ConvTranspose(5, 3), weight, n=24)[0, 0] * dtft(x, 3 * omega)
    assert_close(dtft(y, omega), expected)


@pytest.mark.parametrize("stride", [(2,), (3,), (2, 3)])
def test_images_against_a_fine_grid(stride):
    d, n = len(stride), 240
    weight = RNG.standard_normal((2, 2, *(4,) * d))
    spec = ConvTranspose((4,) * d, stride, 1)
    power = (np.abs(frequency_response(spec, weight, n=n)) ** 2).sum(axis=(0, 1)) / n**d
    found = images(spec, weight)
    assert found.shape == stride
    assert found.sum() == pytest.approx((weight**2).sum())
    bands = [np.floor((np.arange(n) / n * s + 0.5) % s).astype(int) for s in stride]
    for m in np.ndindex(*stride):
        grid = power
        for a, (band, i) in enumerate(zip(bands, m, strict=True)):
            grid = np.compress(band == i, grid, axis=a)
        assert grid.sum() == pytest.approx(found[m], rel=0.05, abs=0.02 * found.sum())


def test_rejection_by_example():
    assert image_rejection(ConvTranspose(1, 2), np.ones(1)).typical == pytest.approx(0, abs=1e-9)
    nearest = image_rejection(ResizeConv(1, 2))
    base = 2 * 0.5 + 2 * math.sin(math.pi / 2) / math.pi
    assert nearest.typical == pytest.approx(10 * math.log10(base / (2 - base)))
    assert image_rejection(ResizeConv(1, 2, mode="linear")).typical > nearest.typical + 3
    assert image_rejection(FirUpsample(tuple(sinc_kernel(2, np.arange(-60, 61))))).typical > 20
    assert image_rejection(ConvTranspose(3, 1), RNG.standard_normal(3)).typical == math.inf
    assert math.isnan(image_rejection(ConvTranspose(3, 2), np.zeros(3)).typical)


def test_worst_case_is_a_channel_direction():
    # input 0 is interpolated well, input 1 only zero-inserted: the worst case sees input 1
    weight = np.zeros((2, 1, 3))
    weight[0, 0], weight[1, 0] = [0.5, 1, 0.5], [0, 1, 0]
    found = image_rejection(ConvTranspose(3, 2, 1), weight)
    assert found.worst < found.typical
    assert found.per_pair.shape == (1, 2)
    assert found.per_pair[0, 0] > 10
    assert found.per_pair[0, 1] == pytest.approx(0, abs=1e-9)
    # by brute force over directions
    power = np.array([images(ConvTranspose(3, 2, 1), weight[[i]]) for i in (0, 1)])
    impulse = impulse_response(ConvTranspose(3, 2, 1), weight)
    assert impulse.h.shape == (1, 2, 3)
    angles = np.linspace(0, np.pi, 721)
    greatest = max(
        float(images(ConvTranspose(3, 2, 1), (np.cos(t) * weight[0] + np.sin(t) * weight[1])[None])[1]) for t in angles
    )
    assert found.worst == pytest.approx(10 * math.log10(power[:, 0].mean() / greatest), abs=1e-3)


def test_worst_case_never_beats_the_typical_one():
    for groups in (1, 2):
        spec = ConvTranspose((3, 3), 2, 1, groups=groups)
        found = image_rejection(spec, RNG.standard_normal((4, 6 // groups, 3, 3)))
        assert found.worst <= found.typical + 1e-9
    depthwise = RNG.standard_normal((3, 1, 4))
    found = image_rejection(ConvTranspose(4, 2, 1, groups=3), depthwise)
    each = [images(ConvTranspose(4, 2, 1), w[0]) for w in depthwise]
    ratio = np.mean([e[0] for e in each]) / max(e[1] for e in each)
    assert found.worst == pytest.approx(10 * math.log10(ratio))


def test_rejection_axis_by_axis_is_that_of_all_taps_together():
    spec = ConvTranspose((3, 4), (2, 3), 0, 0, (2, 1))
    weight = RNG.standard_normal((2, 3, 3, 4))
    found, impulse = image_rejection(spec, weight), impulse_response(spec, weight)
    forms = []
    for axis, s in enumerate((2, 3)):
        u = np.arange(impulse.h.shape[2 + axis])
        forms.append(np.sinc((u[:, None] - u) / s) / s)
    base = np.kron(*forms)
    h = impulse.h.reshape(3, 2, -1)
    low = np.einsum("oiu,uv,oiv->", h, base, h)
    image = np.einsum("oiu,uv,ojv->ij", h, np.eye(len(base)) - base, h)
    assert found.typical == pytest.approx(10 * math.log10(low / np.trace(image)))
    assert found.worst == pytest.approx(10 * math.log10(low / 2 / np.linalg.eigvalsh(image).max()))


def test_banks_and_bad_arguments():
    spec, weight = ConvTranspose(4, 2, 1), RNG.standard_normal(4)
    assert_close(frequency_response(phase_bank(spec, weight), n=8), frequency_response(spec, weight, n=8))
    with pytest.raises(SpecError, match="n = 0"):
        frequency_response(spec, weight, n=0)
