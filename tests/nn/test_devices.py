"""Everything is made where the weight is: on the meta device, operations with a tensor of another device raise."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import upweave
from upweave.nn import init

INITIALISERS = [
    init.he_normal_,
    init.he_uniform_,
    init.glorot_normal_,
    init.glorot_uniform_,
    init.orthogonal_,
    init.triangular_,
    init.windowed_sinc_,
    init.icnr_,
]
PENALTIES = [
    upweave.nn.phase_gain_variance,
    upweave.nn.phase_gain_imbalance,
    upweave.nn.image_rejection_loss,
    upweave.nn.phase_similarity,
    upweave.nn.phase_response_similarity,
]
WEIGHTS = [((4, 2, 5, 4), {"stride": 2, "groups": 2}), ((8, 1, 3, 3), {"upscale_factor": 2, "groups": 2})]


@pytest.mark.parametrize(("shape", "numbers"), WEIGHTS)
@pytest.mark.parametrize("function", [*INITIALISERS, *PENALTIES])
def test_functions(function, shape, numbers):
    if function in (init.triangular_, init.windowed_sinc_):
        numbers = {k: v for k, v in numbers.items() if k != "groups"}
        shape = (2, 2, 5, 4) if "stride" in numbers else (4, 1, 3, 3)
    weight = torch.empty(shape, device="meta")
    out = function(weight, **numbers)
    assert out.is_meta
    assert out.shape == (weight.shape if function in INITIALISERS else ())


@pytest.mark.parametrize(("shape", "numbers"), WEIGHTS)
def test_a_draw_for_each_phase_and_the_projection(shape, numbers):
    weight = torch.empty(shape, device="meta")
    assert init.he_normal_(weight, per_phase=True, **numbers).is_meta
    assert upweave.nn.EqualPhaseGain(**numbers)(weight).is_meta


def test_layers():
    x = torch.empty(1, 2, 5, 5, device="meta")
    for kind in (upweave.nn.ResizeConv2d, upweave.nn.SubPixelConv2d):
        assert kind(2, 4, 3, 2, device="meta")(x).shape == (1, 4, 10, 10)
    assert upweave.nn.ResizeConv2d(2, 4, 3, 2, device="meta").folded()(x).is_meta
    model = nn.Sequential(nn.ConvTranspose2d(2, 2, 4, 2, device="meta"))
    assert upweave.nn.regularisation(model).is_meta
