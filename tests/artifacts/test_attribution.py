"""Which layer made the pattern: models in which it is known."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import upweave
from upweave.artifacts import attribution
from upweave.errors import SpecError


def even(layer: nn.Module, **factor: int) -> nn.Module:
    with torch.no_grad():
        project = upweave.nn.EqualPhaseGain.for_layer(layer, upscale_factor=factor.get("upscale_factor"))
        layer.weight.copy_(project(layer.weight))
    return layer


def uneven(layer: nn.Module, by: float) -> nn.Module:
    with torch.no_grad():
        layer.weight[..., ::2] *= by
    return layer


def chain(first: bool, second: bool) -> nn.Sequential:
    """Two doublings with positive weights, of which the wanted ones have unequal phases."""
    torch.manual_seed(0)
    layers = [nn.ConvTranspose2d(2, 2, 4, 2, 1), nn.ConvTranspose2d(2, 1, 4, 2, 1)]
    for layer, bad in zip(layers, (first, second), strict=True):
        nn.init.uniform_(layer.weight, 0.1, 0.3)
        even(layer)
        if bad:
            uneven(layer, 1.3 if layer is layers[0] else 1.1)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1])


X = 3 + 0.2 * torch.randn(2, 2, 40, 40, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("first", "second", "guilty"), [(True, False, "0"), (False, True, "2")])
def test_the_guilty_layer_is_named(first: bool, second: bool, guilty: str) -> None:
    found = attribution(chain(first, second), X, 4)
    assert found.found
    assert found.imbalance > 0.01
    assert found.layers[0].path == guilty
    assert found.layers[0].share > 0.95
    assert found.layers[0].deviation > 0.001
    assert abs(found.layers[1].share) < 0.05
    assert found.layers[1].deviation < 1e-9
    assert found.together > 0.95
    assert guilty in str(found).splitlines()[1]


def test_both_take_a_share() -> None:
    found = attribution(chain(True, True), X, 4)
    assert all(0.05 < x.share < 0.99 for x in found.layers)
    assert found.together > 0.95


def test_a_sound_model_has_nothing_to_share() -> None:
    found = attribution(chain(False, False), X, 4)
    assert not found.found
    assert "may be chance" in str(found)


def test_the_share_is_what_the_projection_really_takes() -> None:
    from upweave.artifacts import score

    model = chain(True, False)
    found = attribution(model, X, 4)
    before = score(model(X).detach(), 4)
    even(model[0])
    after = score(model(X).detach(), 4)
    expected = 1 - float((after.imbalance * after.variance).sum() / (before.imbalance * before.variance).sum())
    assert found.layers[0].share == pytest.approx(min(expected, 1), abs=1e-4)


@pytest.mark.parametrize("bare", [False, True])
def test_pixel_shuffles(bare: bool) -> None:
    """The convolution in front is found whether or not the two stand in one Sequential, and its bias counts."""

    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.weave = nn.Conv2d(2, 4, 3, padding=1), nn.PixelShuffle(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.weave(self.conv(x))

    torch.manual_seed(0)
    model = Bare() if bare else nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.PixelShuffle(2))
    found = attribution(model, X, 2)
    assert [x.path for x in found.layers] == ["conv" if bare else "0"]
    assert found.layers[0].share > 0.95
    assert found.found


def test_our_layers_and_parametrised_ones() -> None:
    torch.manual_seed(0)
    for layer in (
        upweave.nn.ConvTranspose2d(2, 1, 4, stride=2, padding=1, activation="relu"),
        nn.utils.parametrizations.weight_norm(nn.ConvTranspose2d(2, 1, 4, 2, 1)),
        upweave.nn.SubPixelConv2d(2, 1, 3, 2),
    ):
        with torch.no_grad():
            if isinstance(layer, upweave.nn.SubPixelConv2d):
                nn.init.uniform_(layer.weight, 0.1, 0.5)
            elif hasattr(layer, "parametrizations"):
                layer.parametrizations.weight.original1.uniform_(0.1, 0.5)
            else:
                nn.init.uniform_(layer.weight, 0.1, 0.5)
        found = attribution(layer, X, 2)
        assert [x.path for x in found.layers] == [""], type(layer)
        assert found.layers[0].share > 0.95, type(layer)


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(chain(True, True), nn.BatchNorm2d(1), nn.Dropout())
    model[1].eval()
    state = copy.deepcopy(model.state_dict())
    modes = [m.training for m in model.modules()]
    attribution(model, X, 4)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert [m.training for m in model.modules()] == modes
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    with pytest.raises(RuntimeError):
        attribution(model, torch.zeros(1, 5, 40, 40), 4)
    assert [m.training for m in model.modules()] == modes
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())


def test_what_cannot_be_equalised_is_said() -> None:
    gaps = nn.Sequential(nn.ConvTranspose2d(2, 2, 4, 2, 1), nn.Upsample(scale_factor=2), nn.ConvTranspose2d(2, 1, 1, 2))
    found = attribution(gaps, X[:1], 8)
    assert [x.path for x in found.layers] == ["0"]
    assert dict(found.skipped).keys() == {"1", "2"}
    with pytest.raises(SpecError, match="no upsampling layer"):
        attribution(nn.Conv2d(2, 1, 3), X, 2)
    with pytest.raises(SpecError, match="returns tuple"):
        attribution(Two(), X, 2)
    assert attribution(Two(), X, 2, output=lambda y: y[0]).layers


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(2, 1, 4, 2, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        return self.up(x), 1
