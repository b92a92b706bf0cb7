"""Interpolating initialisers: constants, ramps, torch's own interpolation, and the images that are left."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from torch import nn

import upweave
from upweave.errors import SpecError
from upweave.nn import init

from .build import CONV, TRANSPOSED, Case, cases, interior, spec_of

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


@pytest.mark.parametrize(("rank", "s"), [(1, 2), (1, 3), (1, 5), (2, 2), (2, 4), (3, 2)])
@pytest.mark.parametrize("grouped", [False, True])
def test_bilinear_is_torchs_interpolation_inside(rank, s, grouped):
    k = 2 * s - s % 2  # FCN's kernel: with odd strides the odd one is centred
    layer = TRANSPOSED[rank](3, 3, k, s, (k - s) // 2, bias=False, groups=3 if grouped else 1).double()
    init.bilinear_(layer)
    x = torch.randn(2, 3, *(5,) * rank, dtype=torch.float64)
    want = F.interpolate(x, scale_factor=float(s), mode=LINEAR[rank], align_corners=False)
    torch.testing.assert_close(interior(layer(x), s), interior(want, s))


@pytest.mark.parametrize("stride", [2, (2, 3)])
def test_bilinear_in_front_of_a_pixel_shuffle(stride):
    layer = upweave.nn.SubPixelConv2d(2, 2, 3, stride, bias=False, padding_mode="replicate", dtype=torch.float64)
    init.bilinear_(layer)
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64)
    factor = [float(s) for s in layer.stride]
    want = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    torch.testing.assert_close(layer(x), want)  # with repeated edges up to the border


@pytest.mark.parametrize(("k", "s"), [(3, 2), (4, 2), (5, 2), (7, 2), (5, 3), (6, 3), (9, 4)])
def test_kernels_that_hold_the_triangle_keep_ramps(k, s):
    layer = nn.ConvTranspose1d(1, 1, k, s, bias=False).double()
    init.triangular_(layer)
    y = layer(torch.arange(12, dtype=torch.float64)[None, None])
    slope = interior(y, 2 * k).diff()
    torch.testing.assert_close(slope, torch.full_like(slope, 1 / s))


@pytest.mark.parametrize("draw", [init.triangular_, init.windowed_sinc_, partial(init.windowed_sinc_, window="hann")])
@settings(max_examples=40)
@given(case=cases(square=True))
def test_every_phase_has_gain_one_on_its_own_channel(draw, case: Case) -> None:
    assume(all(a.dilation == 1 for a in case.spec.per_axis()))
    draw(case.weight, **case.numbers)
    gain = case.gain
    per = gain.shape[-1]
    want = np.tile(np.eye(per), (case.spec.groups, 1))
    np.testing.assert_allclose(gain, np.broadcast_to(want, gain.shape), atol=1e-12)
    assert upweave.gain_imbalance(case.spec, case.weight).deviation < 1e-12


def test_a_constant_stays_a_constant():
    layer = nn.ConvTranspose2d(2, 2, 3, 2, 1, bias=False)  # uneven coverage: 4, 2 and 1 taps
    for draw in (init.triangular_, init.windowed_sinc_):
        draw(layer)
        y = interior(layer(torch.ones(1, 2, 8, 8)), 3)
        torch.testing.assert_close(y, torch.ones_like(y))


def test_a_short_kernel_repeats_samples():
    for draw in (init.triangular_, init.windowed_sinc_):
        weight = draw(torch.empty(1, 1, 3), stride=3)
        torch.testing.assert_close(weight, torch.ones(1, 1, 3))


def test_the_longer_sinc_removes_more():
    found = []
    for k in (4, 8, 12, 16, 32):
        layer = nn.ConvTranspose1d(1, 1, k, 2, (k - 2) // 2, bias=False).double()
        init.triangular_(layer)
        triangle = upweave.image_rejection(spec_of(layer), layer.weight).typical
        init.windowed_sinc_(layer)
        found.append(upweave.image_rejection(spec_of(layer), layer.weight).typical)
    assert found == sorted(found)
    assert found[1] < triangle < found[2]  # k = 4s and k = 6s
    assert found[-1] > 20


@pytest.mark.parametrize("window", ["kaiser", "hann"])
def test_the_sinc_is_the_ideal_filter_in_the_pass_and_the_stop_band(window):
    s, k = 3, 96
    weight = init.windowed_sinc_(torch.empty(1, 1, k, dtype=torch.float64), stride=s, window=window, beta=6.0)
    response = np.abs(upweave.frequency_response(upweave.ConvTranspose(k, s), weight, n=300)[0, 0])
    m = np.minimum(np.arange(300), 300 - np.arange(300)) / 300  # ω/2π; the edge is at 1/6
    np.testing.assert_allclose(response[m < 1 / 6 - 0.03], s, rtol=0.01)
    assert response[m > 1 / 6 + 0.03].max() < 0.01 * s
    ideal = upweave.ideal_lowpass(s, 300)
    assert float(((response - ideal) ** 2).sum() / (ideal**2).sum()) < 0.05


def test_beta_shapes_the_kaiser_window_as_numpys():
    at, s, beta = np.arange(24) - 11.5, 2, 7.0
    h = np.sinc(at / s) * np.kaiser(24, beta)
    for r in range(s):
        h[r::s] /= h[r::s].sum()
    weight = init.windowed_sinc_(torch.empty(1, 1, 24, dtype=torch.float64), stride=s, beta=beta)
    np.testing.assert_allclose(weight[0, 0].numpy(), h, atol=1e-12)


@pytest.mark.parametrize(
    ("draw", "shape", "numbers", "message"),
    [
        (init.bilinear_, (2, 3, 4), {}, "a group has 2 in and 3 out"),
        (init.windowed_sinc_, (4, 4, 4), {"groups": 2}, "a group has 2 in and 4 out"),
        (init.triangular_, (1, 1, 1), {}, "1 of the 2 phases have no taps"),
        (init.triangular_, (1, 1, 3), {"dilation": 3}, "cannot be scaled to 1"),
        (init.windowed_sinc_, (1, 1, 4), {"window": "boxcar"}, "window must be 'kaiser' or 'hann', got 'boxcar'"),
        (init.windowed_sinc_, (1, 1, 4), {"beta": -1.0}, "beta must be a number from 0 on, got -1.0"),
    ],
)  # fmt: skip
def test_what_cannot_interpolate_says_so(draw, shape, numbers, message):
    weight = torch.full(shape, 5.0)
    with pytest.raises(SpecError, match=message):
        draw(weight, stride=2, **numbers)
    assert bool((weight == 5).all())  # and leaves the weight alone


def test_a_convolution_needs_no_more_than_its_factor():
    conv = CONV[2](2, 8, 5, padding=2)
    init.bilinear_(conv, upscale_factor=2)
    spec = upweave.ConvPixelShuffle((5, 5), 2, 2)
    assert upweave.is_dc_flat(spec, conv.weight)
    assert upweave.alignment(spec, conv.weight).axes[0].centroid == pytest.approx(0.5)
