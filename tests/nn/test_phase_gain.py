"""EqualPhaseGain: an orthogonal projection on the weights that make no checkerboard of a constant."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from torch import Tensor, nn
from torch.nn.utils import parametrize

import upweave
from upweave.errors import SpecError
from upweave.nn import EqualPhaseBias, EqualPhaseGain, equal_phase_gain
from upweave.nn.layout import resolve

from .build import TRANSPOSED, Case, cases, interior, phases, spec_of


@settings(max_examples=60)
@given(cases())
def test_all_phases_get_one_gain(case: Case) -> None:
    project = EqualPhaseGain(**case.numbers)
    flat = project(case.weight)
    assert flat.shape == case.weight.shape
    assert upweave.gain_imbalance(case.spec, flat).deviation < 1e-10
    torch.testing.assert_close(project(flat), flat)
    assert project.right_inverse(flat) is flat


def _constraints(case: Case) -> np.ndarray:
    """Rows that a flat weight is orthogonal to: gain of a phase minus gain of the first, for each pair of channels."""
    count = case.weight.numel()
    gains = []
    for i in range(count):
        unit = torch.zeros(count, dtype=torch.float64)
        unit[i] = 1
        gain = upweave.dc_gain(case.spec, unit.reshape(case.weight.shape))
        gains.append((gain.reshape(-1, *gain.shape[-2:]) - gain.reshape(-1, *gain.shape[-2:])[0]).ravel())
    return np.array(gains).T


@settings(max_examples=25)
@given(cases())
def test_it_is_the_least_change(case: Case) -> None:
    """Against least squares on theory's own gains: w − Aᵀ(AAᵀ)⁺A w."""
    assume(case.weight.numel() <= 200)
    a, w = _constraints(case), case.weight.numpy().ravel()
    nearest = w - np.linalg.pinv(a) @ (a @ w)
    found = EqualPhaseGain(**case.numbers)(case.weight).numpy().ravel()
    np.testing.assert_allclose(found, nearest, atol=1e-10)


@settings(max_examples=30)
@given(cases())
def test_the_change_is_orthogonal_to_all_flat_weights(case: Case) -> None:
    project = EqualPhaseGain(**case.numbers)
    other = project(torch.randn_like(case.weight))
    change = project(case.weight) - case.weight
    assert float((change * other).sum()) == pytest.approx(0, abs=1e-9)


def test_by_hand_where_phases_differ_in_taps():
    """k = 3, s = 2: gains a + c of two taps and b of one. γ = ((a+c)/2 + b)/(3/2)."""
    w = torch.tensor([[[1.0, 4.0, 2.0]]], dtype=torch.float64)
    gamma = (3 / 2 + 4) / (1 / 2 + 1)
    want = torch.tensor([[[1 + (gamma - 3) / 2, gamma, 2 + (gamma - 3) / 2]]], dtype=torch.float64)
    torch.testing.assert_close(EqualPhaseGain(2)(w), want)


@pytest.mark.parametrize(("numbers", "shape"), [({"stride": 2}, (2, 1, 3, 3)), ({"upscale_factor": 2}, (8, 1, 2))])
def test_gradients(numbers, shape):
    project = EqualPhaseGain(**numbers)
    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(project, weight)
    assert torch.autograd.gradgradcheck(project, weight)


def _train(layer: nn.Module, x: Tensor, steps: int = 5) -> None:
    optimiser = torch.optim.AdamW(layer.parameters(), lr=0.1)
    target = torch.randn(layer(x).shape)
    for _ in range(steps):
        optimiser.zero_grad()
        (layer(x) - target).square().mean().backward()
        optimiser.step()


@pytest.mark.parametrize(
    ("rank", "k", "s", "p"), [(1, 3, 2, 1), (1, 16, 8, 4), (2, 4, 2, 1), (2, 5, 3, 1), (3, 3, 2, 1)]
)
def test_a_constant_stays_flat_through_training(rank, k, s, p):
    torch.manual_seed(0)
    layer = equal_phase_gain(TRANSPOSED[rank](2, 3, k, s, p))
    before = layer.weight.detach().clone()
    _train(layer, torch.randn(2, 2, *(4,) * rank))
    assert not torch.allclose(layer.weight, before, atol=0.05)
    y = interior(layer(torch.ones(1, 2, *(6,) * rank)), s + k)
    torch.testing.assert_close(y, y.mean(dim=tuple(range(2, 2 + rank)), keepdim=True).expand_as(y))
    assert upweave.gain_imbalance(spec_of(layer), layer.weight).deviation < 1e-5


@pytest.mark.parametrize("make", [
    lambda: equal_phase_gain(upweave.nn.SubPixelConv2d(2, 3, 3, 2, groups=1)),
    lambda: nn.Sequential(equal_phase_gain(nn.Conv2d(2, 12, 3, padding=1), upscale_factor=2), nn.PixelShuffle(2)),
])  # fmt: skip
def test_a_pixel_shuffle_stays_flat_with_its_bias(make):
    torch.manual_seed(0)
    model = make()
    _train(model, torch.randn(2, 2, 5, 5))
    parts = phases(interior(model(torch.ones(1, 2, 6, 6)), 4), 2)
    for part in parts.values():
        torch.testing.assert_close(part, parts[(0, 0)])
    assert parts[(0, 0)].std().item() > 0.01  # of the channels: nothing trivial


def test_the_state_goes_round():
    layer = equal_phase_gain(nn.ConvTranspose1d(2, 3, 4, 2))
    other = equal_phase_gain(nn.ConvTranspose1d(2, 3, 4, 2))
    assert set(layer.state_dict()) == {"bias", "parametrizations.weight.original"}
    other.load_state_dict(layer.state_dict())
    x = torch.randn(1, 2, 5)
    assert torch.equal(other(x), layer(x))
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer))
    assert torch.equal(other(x), layer(x))


def test_removing_it_leaves_an_ordinary_weight():
    layer = equal_phase_gain(nn.ConvTranspose2d(2, 3, 4, 2))
    x = torch.randn(1, 2, 5, 5)
    before = layer(x)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.ConvTranspose2d
    assert set(layer.state_dict()) == {"weight", "bias"}
    assert torch.equal(layer(x), before)
    assert upweave.is_dc_flat(spec_of(layer), layer.weight, tolerance=1e-5)


def test_a_weight_can_be_assigned():
    layer = equal_phase_gain(nn.ConvTranspose1d(1, 1, 4, 2))
    triangle = torch.tensor([[[0.25, 0.75, 0.75, 0.25]]])
    layer.weight = triangle
    torch.testing.assert_close(layer.weight, triangle)
    layer.weight = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]])  # not flat: the nearest that is
    torch.testing.assert_close(layer.weight, torch.tensor([[[0.75, 0.25, -0.25, 0.25]]]))


def test_for_layer_reads_the_layer():
    layer = nn.ConvTranspose2d(4, 6, (3, 4), (2, 3), groups=2, dilation=(3, 1))
    made = EqualPhaseGain.for_layer(layer)
    assert repr(made) == "EqualPhaseGain(stride=(2, 3), dilation=(3, 1), groups=2)"
    by_hand = EqualPhaseGain((2, 3), dilation=(3, 1), groups=2)
    assert torch.equal(made(layer.weight), by_hand(layer.weight))
    conv = nn.Conv1d(2, 6, 3)
    assert "upscale_factor=(3,)" in repr(EqualPhaseGain.for_layer(conv, upscale_factor=3))
    assert resolve(conv, upscale_factor=3)[1].shuffled


def test_autocast_does_not_round_the_gains():
    layer = equal_phase_gain(nn.ConvTranspose1d(8, 8, 4, 2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        weight = layer.weight
        share = upweave.nn.phase_gain_imbalance(layer)
    assert weight.dtype == share.dtype == torch.float32
    assert upweave.gain_imbalance(spec_of(layer), weight).deviation < 1e-5
    assert share.item() < 1e-10


def test_it_compiles_and_exports():
    layer = equal_phase_gain(nn.ConvTranspose2d(2, 3, 3, 2))
    x = torch.randn(1, 2, 5, 5)
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x), layer(x))
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), layer(x))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: equal_phase_gain(nn.ConvTranspose2d(1, 1, (2, 1), 2)), "axis 1: 1 of the 2 phases have no taps"),
        (
            lambda: EqualPhaseGain.for_layer(nn.ConvTranspose1d(1, 1, 8, 2, dilation=2)),
            "1 of the 2 phases have no taps",
        ),
        (lambda: EqualPhaseGain(3)(torch.ones(1, 1, 2)), "1 of the 3 phases have no taps"),
        (lambda: EqualPhaseGain(), "either a stride or the upscale_factor"),
        (lambda: EqualPhaseGain(2, upscale_factor=2), "either a stride or the upscale_factor"),
        (lambda: equal_phase_gain(nn.Linear(2, 2)), "got a Linear"),
        (lambda: EqualPhaseBias(0), "phases must be at least 1, got 0"),
        (lambda: EqualPhaseBias(4)(torch.ones(6)), "6 entries does not split into 4 phases"),
    ],
)
def test_what_cannot_be_made_equal_says_so(act, message):
    with pytest.raises(SpecError, match=message):
        act()
