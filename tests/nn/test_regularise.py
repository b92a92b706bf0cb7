"""Penalties: theory's numbers, zero where there is nothing to penalise, gradients that lead there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import upweave
from upweave.errors import SpecError
from upweave.nn import (
    SubPixelConv2d,
    image_rejection_loss,
    init,
    phase_gain_imbalance,
    phase_gain_variance,
    phase_response_similarity,
    phase_similarity,
    regularisation,
    upsampling_layers,
)

from .build import Case, cases

SHARES = [phase_gain_imbalance, image_rejection_loss, phase_similarity, phase_response_similarity]
PENALTIES = [phase_gain_variance, *SHARES]


@settings(max_examples=60)
@given(cases(gaps=True))
def test_imbalance_is_theorys(case: Case) -> None:
    found = float(phase_gain_imbalance(case.weight, **case.numbers))
    assert found == pytest.approx(upweave.gain_imbalance(case.spec, case.weight).deviation ** 2, abs=1e-12)


@settings(max_examples=30)
@given(cases(gaps=True))
def test_image_share_is_theorys(case: Case) -> None:
    found = float(image_rejection_loss(case.weight, **case.numbers))
    bands = upweave.images(case.spec, case.weight)
    assert found == pytest.approx(1 - bands.flat[0] / bands.sum(), abs=1e-9)
    decibels = upweave.image_rejection(case.spec, case.weight).typical
    if math.isfinite(decibels):
        assert 10 * math.log10((1 - found) / found) == pytest.approx(decibels, abs=1e-6)
    else:
        assert found < 1e-11


def test_imbalance_is_the_power_at_the_images_of_a_constant():
    weight = torch.randn(2, 3, 7, dtype=torch.float64)
    at = np.abs(upweave.frequency_response(upweave.ConvTranspose(7, 3), weight, n=3)) ** 2
    assert float(phase_gain_imbalance(weight, 3)) == pytest.approx(at[..., 1:].sum() / at.sum())


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(0, 5), st.integers(1, 3), st.integers(0, 2**16))
def test_filters_are_compared_as_defined(s: int, longer: int, channels: int, seed: int) -> None:
    """Against the definition by loops, on one axis without dilation."""
    k = s + longer
    w = np.random.default_rng(seed).standard_normal((channels, 2, k))
    weight = torch.from_numpy(w)
    places = -(-k // s)
    f = np.zeros((s, *w.shape[:2], places))
    for t in range(k):
        f[t % s, :, :, t // s] = w[:, :, t]
    share = ((f - f.mean(axis=0)) ** 2).sum() / (f**2).sum()
    assert float(phase_similarity(weight, s)) == pytest.approx(share, abs=1e-12)
    power = np.abs(np.fft.fft(f, 128, axis=-1)) ** 2
    share = ((power - power.mean(axis=0)) ** 2).sum() / (power**2).sum()
    assert float(phase_response_similarity(weight, s)) == pytest.approx(share, abs=1e-12)


def test_where_they_are_zero():
    tied = init.icnr_(torch.empty(4, 4, 6, 4, dtype=torch.float64), stride=(3, 2))
    for penalty in (phase_gain_variance, phase_gain_imbalance, phase_similarity, phase_response_similarity):
        assert float(penalty(tied, (3, 2))) == pytest.approx(0, abs=1e-12)
    triangle = init.triangular_(torch.empty(1, 1, 4, 4, dtype=torch.float64), stride=2)
    assert float(phase_gain_imbalance(triangle, 2)) == pytest.approx(0, abs=1e-12)
    assert float(phase_response_similarity(triangle, 2)) == pytest.approx(0, abs=1e-12)
    assert float(phase_similarity(triangle, 2)) > 0.1
    # a delay and a sign are allowed to a response, the gains are not
    opposite = torch.tensor([[[1.0, 0.0, 0.0, -1.0]]], dtype=torch.float64)
    assert float(phase_response_similarity(opposite, 2)) == pytest.approx(0, abs=1e-12)
    assert float(phase_gain_imbalance(opposite, 2)) == 1
    assert float(image_rejection_loss(torch.randn(2, 2, 5, dtype=torch.float64), 1)) == pytest.approx(0, abs=1e-12)
    assert float(image_rejection_loss(torch.ones(1, 1, 1, 1), (2, 3))) == pytest.approx(5 / 6)  # zero insertion alone


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("shape", "numbers"), [
    ((2, 2, 5), {"stride": 2}),
    ((2, 1, 2, 3), {"stride": (2, 3), "groups": 2}),
    ((4, 1, 2), {"upscale_factor": 2, "dilation": 2}),
    ((1, 1, 3, 2, 2), {"stride": 2}),
])  # fmt: skip
def test_gradients(penalty, shape, numbers):
    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda w: penalty(w, **numbers), weight)
    assert torch.autograd.gradgradcheck(lambda w: penalty(w, **numbers), weight)
    value = penalty(weight, **numbers)
    (slope,) = torch.autograd.grad(value, weight)
    degree = 0 if penalty in SHARES else 2  # Euler: a share has no pull on the scale
    assert (slope * weight).sum().item() == pytest.approx(degree * value.item(), abs=1e-9)
    assert penalty(3 * weight, **numbers).item() == pytest.approx(3**degree * value.item())


@pytest.mark.parametrize("penalty", PENALTIES)
def test_nothing_is_no_error(penalty):
    weight = torch.zeros(2, 2, 4, requires_grad=True)
    value = penalty(weight, 2)
    value.backward()
    assert value.item() == 0
    assert not weight.grad.any()
    half = torch.randn(2, 2, 4, dtype=torch.bfloat16)
    assert penalty(half, 2).item() == pytest.approx(penalty(half.double(), 2).item(), abs=1e-6)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_descent_leads_to_less(penalty):
    torch.manual_seed(0)
    layer = nn.ConvTranspose1d(2, 2, 6, 2)
    start = penalty(layer).item()
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.01)
    for _ in range(100):
        optimiser.zero_grad()
        penalty(layer).backward()
        optimiser.step()
    assert penalty(layer).item() < 0.5 * start


def test_a_models_penalty_is_the_sum_over_its_layers():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ConvTranspose2d(4, 4, 4, 2, 1),
        nn.ConvTranspose2d(4, 4, 3, 1, 1),  # no stride, no phases
        nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.PixelShuffle(2)),
        SubPixelConv2d(2, 2, 3, 2),
        upweave.nn.ResizeConv2d(2, 2, 3, 2),  # its phases cannot differ at DC
    )
    model.append(model[1])  # used twice, counted once
    found = {name: factor for name, _, factor in upsampling_layers(model)}
    assert found == {"1": None, "3.0": 2, "4": None}
    for penalty in PENALTIES:
        one, two, three = penalty(model[1]), penalty(model[3][0], upscale_factor=2), penalty(model[4])
        torch.testing.assert_close(regularisation(model, penalty), one + two + three)
    regularisation(model).backward()
    assert model[1].weight.grad.abs().sum() > 0
    with pytest.raises(SpecError, match="Linear has no transposed convolution with a stride"):
        regularisation(nn.Linear(2, 2))
