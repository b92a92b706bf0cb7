"""Penalties on unequal gains: what the variance means and leaves alone, and where descent on either of them ends."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import upweave
from upweave.nn import EqualPhaseGain, init, phase_gain_imbalance, phase_gain_variance

from .build import Case, cases, phases

STARTS = range(50)
SPECS = [
    ((1, 1, 3), {"stride": 2}),
    ((2, 3, 4), {"stride": 2}),
    ((2, 2, 5), {"stride": 3, "groups": 2}),
    ((1, 1, 3, 3), {"stride": 2}),
    ((2, 1, 4, 4), {"stride": (2, 3)}),
    ((8, 2, 3, 3), {"upscale_factor": 2}),
    ((1, 1, 3, 3, 2), {"stride": 2}),
]


def deviation(weight: Tensor, **numbers: object) -> float:
    """The share of the gains' size that differs between phases."""
    return math.sqrt(phase_gain_imbalance(weight, **numbers).item())


@settings(max_examples=60)
@given(cases(gaps=True))
def test_the_variance_is_that_of_theorys_gains(case: Case) -> None:
    gain = case.gain.reshape(-1, *case.gain.shape[-2:])  # phases, C_out, C_in/g
    assert float(phase_gain_variance(case.weight, **case.numbers)) == pytest.approx(
        gain.var(axis=0).sum(axis=-1).mean(), abs=1e-12
    )


@pytest.mark.parametrize("groups", [1, 2])
def test_it_is_what_a_constant_gets(groups: int) -> None:
    """PyTorch's own layer, each input channel by itself 1 and all others 0, far from the border."""
    weight = torch.randn(4, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = torch.eye(4, dtype=torch.float64)[:, :, None, None].expand(-1, -1, 9, 9)
    y = F.conv_transpose2d(x, weight, stride=2, groups=groups)[..., 6:14, 6:14]
    means = torch.stack([part.mean(dim=(-1, -2)) for part in phases(y, 2).values()])
    torch.testing.assert_close(means[0], y[..., 0, 0])  # constant in each phase
    expected = means.var(dim=0, correction=0).sum(dim=0).mean()
    torch.testing.assert_close(phase_gain_variance(weight, 2, groups=groups), expected)


def test_it_is_the_power_at_the_images_of_a_constant() -> None:
    weight = torch.randn(2, 3, 7, dtype=torch.float64)
    at = np.abs(upweave.frequency_response(upweave.ConvTranspose(7, 3), weight, n=3)) ** 2
    assert float(phase_gain_variance(weight, 3)) == pytest.approx(at[..., 1:].sum() / (3**2 * 3))


@settings(max_examples=40)
@given(cases(), st.floats(-3, 3), st.integers(0, 2**16))
def test_what_it_leaves_alone(case: Case, scale: float, seed: int) -> None:
    """Weights of equal gains may be added; the scale counts twice; phases, channels and their bases have no order."""
    value = float(phase_gain_variance(case.weight, **case.numbers))
    torch.manual_seed(seed)
    even = EqualPhaseGain(**case.numbers)(torch.randn_like(case.weight))
    assert float(phase_gain_variance(scale * case.weight + even, **case.numbers)) == pytest.approx(
        scale**2 * value, abs=1e-9
    )
    assert float(phase_gain_variance(even, **case.numbers)) == pytest.approx(0, abs=1e-12)
    if case.numbers["groups"] == 1:
        turn, _ = torch.linalg.qr(torch.randn(case.weight.shape[0], case.weight.shape[0], dtype=torch.float64))
        if "stride" in case.numbers:  # the first axis is C_in
            turned = torch.tensordot(turn, case.weight, dims=1)
            assert float(phase_gain_variance(turned, **case.numbers)) == pytest.approx(value, abs=1e-9)
    twice = torch.cat([case.weight, case.weight], dim=1)  # C_out of one, C_in of the other
    more = 1 if "stride" in case.numbers else 2
    assert float(phase_gain_variance(twice, **case.numbers)) == pytest.approx(more * value, abs=1e-9)


@pytest.mark.parametrize(("shape", "numbers"), [
    ((48, 32, 3, 3), {"stride": 2}),
    ((96, 64, 4, 4), {"stride": 2, "groups": 2}),
    ((64, 64, 5), {"stride": 3}),
    ((256, 32, 3, 3), {"upscale_factor": 2}),
])  # fmt: skip
def test_weights_that_keep_the_variance_have_a_constant_on_average(shape, numbers) -> None:
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(20):
        weight = init.he_normal_(torch.empty(shape), nonlinearity="linear", generator=generator, **numbers)
        found.append(phase_gain_variance(weight, **numbers).item())
    s = numbers.get("stride", numbers.get("upscale_factor"))
    assert np.mean(found) == pytest.approx(1 - 1 / s ** (len(shape) - 2), rel=0.03)


@pytest.mark.parametrize(("shape", "numbers"), SPECS)
def test_descent_on_the_variance_reaches_balance_from_everywhere(shape, numbers) -> None:
    """With the step 1/λ that its curvature allows at most, found by power iteration: no start is a bad one."""
    step = 1 / _curvature(lambda w: phase_gain_variance(w, **numbers), shape)
    for seed in STARTS:
        weight = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        nearest = EqualPhaseGain(**numbers)(weight)
        for _ in range(70):
            weight = weight - step * _slope(lambda w: phase_gain_variance(w, **numbers), weight)
        assert deviation(weight, **numbers) < 1e-5
        torch.testing.assert_close(weight, nearest, atol=1e-4, rtol=0)  # descent moves at right angles to balance


@pytest.mark.parametrize(("shape", "numbers"), SPECS[2:4])
def test_descent_on_the_share_alone_reaches_balance_too(shape, numbers) -> None:
    """Its slope goes as 1/‖g‖, so the step is measured by the weight."""
    for seed in STARTS:
        weight = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        for _ in range(80):
            step = 0.2 * weight.square().sum()
            weight = weight - step * _slope(lambda w: phase_gain_imbalance(w, **numbers), weight)
        assert deviation(weight, **numbers) < 1e-3


def test_beside_a_loss_the_share_can_trap_and_the_variance_cannot() -> None:
    """One channel wants the gains (1, 1.2) and starts below 0; the loss is ‖w − v‖² + 2·penalty."""
    wanted = torch.tensor([[[0.6, 1.2, 0.4]]], dtype=torch.float64)
    starts = range(10)
    there = torch.stack([_trained(phase_gain_variance, wanted, seed) for seed in starts]).reshape(-1, 3)
    # V = d²/4 for the difference d of both gains, and to change d by δ takes ‖w − v‖² = δ²/3, shared over three taps
    d = 0.2 / (1 + 2 * 3 / 4)
    off = (0.2 - d) / 3
    minimum = torch.tensor([0.6 + off, 1.2 - off, 0.4 + off], dtype=torch.float64)
    torch.testing.assert_close(there, minimum.expand_as(there), atol=0.01, rtol=0)
    trapped = torch.stack([_trained(phase_gain_imbalance, wanted, seed) for seed in starts]).sum(dim=(1, 2, 3)) < 0
    assert trapped.sum() >= 4


def _trained(penalty: Callable[..., Tensor], wanted: Tensor, seed: int) -> Tensor:
    weight = -torch.rand(1, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    weight.requires_grad_()
    adam = torch.optim.Adam([weight], lr=0.03)
    for _ in range(200):
        adam.zero_grad()
        ((weight - wanted).square().sum() + 2 * penalty(weight, 2)).backward()
        adam.step()
    return weight.detach()


def _slope(function: Callable[[Tensor], Tensor], weight: Tensor) -> Tensor:
    weight = weight.detach().requires_grad_()
    (slope,) = torch.autograd.grad(function(weight), weight)
    return slope


def _curvature(function: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> float:
    """The greatest eigenvalue of a quadratic form's Hessian, which is its slope as a linear map."""
    v = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    size = 0.0
    for _ in range(60):
        v = _slope(function, v / v.norm())
        size = v.norm().item()
    return size
