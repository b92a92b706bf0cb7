"""replace_layers: what becomes ours, what stays, and that nothing else changes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.utils import parametrizations, parametrize

import upweave
import upweave.nn

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


class Own(torch.nn.ConvTranspose2d):
    """A subclass with a forward of its own."""

    def forward(self, x, output_size=None):
        return super().forward(x, output_size) + 1


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    shared = torch.nn.ConvTranspose2d(4, 4, 3, padding=1)
    return torch.nn.Sequential(
        torch.nn.ConvTranspose2d(3, 4, 4, 2, 1),
        shared,
        torch.nn.Sequential(torch.nn.ReLU(), shared),
        Own(4, 4, 3, padding=1),
    )


def test_in_place_with_the_same_parameters(core: str) -> None:
    net, x = model(), torch.randn(2, 3, 5, 5)
    expected, parameters = net(x), dict(net.named_parameters())
    names, state = [n for n, _ in net.named_modules(remove_duplicate=False)], copy.deepcopy(net.state_dict())
    net[0].eval()
    calls = []
    net[0].register_forward_hook(lambda *_: calls.append("hook"))
    net[0].register_buffer("extra", torch.ones(1))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    assert upweave.replace_layers(net) is net
    assert [type(net[n]) for n in (0, 1)] == [upweave.nn.ConvTranspose2d] * 2
    assert net[1] is net[2][1]
    assert [n for n, _ in net.named_modules(remove_duplicate=False)] == names
    assert all(p is parameters[n] for n, p in net.named_parameters())
    assert not net[0].training
    assert net[1].training
    assert torch.equal(net[0].extra, torch.ones(1))
    torch.testing.assert_close(net(x), expected, rtol=1e-4, atol=1e-5)
    assert calls == ["hook"]
    net(x).square().mean().backward()
    before = net[0].weight.clone()
    optimiser.step()
    assert not torch.equal(net[0].weight, before)
    net.load_state_dict({**state, "0.extra": torch.ones(1)})
    upweave.replace_layers(net)
    torch.testing.assert_close(copy.deepcopy(net)(x), expected, rtol=1e-4, atol=1e-5)


def test_what_was_done_and_why_not() -> None:
    net = model()
    net.append(torch.nn.ConvTranspose1d(1, 1, 2))
    net[4].forward = lambda x: x
    net.append(torch.nn.LazyConvTranspose3d(1, 2))
    net.append(upweave.nn.LazyConvTranspose2d(1, 2))
    listed = upweave.nn.replacements(net)
    assert {r.path: r.state for r in listed} == {
        "0": "replaceable", "1": "replaceable", "3": "kept", "4": "kept", "5": "kept", "6": "ours",
    }  # fmt: skip
    assert [str(r) for r in listed if r.reason] == [
        "3: Own kept, Own is a class of its own",
        "4: ConvTranspose1d kept, its forward was overwritten",
        "5: LazyConvTranspose3d kept, a lazy layer without parameters: run the model once before",
    ]
    kept = net[3].forward
    upweave.replace_layers(net)
    assert {r.path: r.state for r in upweave.nn.replacements(net)} == {
        "0": "ours", "1": "ours", "3": "kept", "4": "kept", "5": "kept", "6": "ours",
    }  # fmt: skip
    assert type(net[3]) is Own
    assert net[3].forward == kept


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_model_may_be_the_layer(core: str, rank: int) -> None:
    layer = getattr(torch.nn, f"ConvTranspose{rank}d")(2, 3, 3, stride=2, output_padding=1)
    x = torch.randn(1, 2, *(4,) * rank)
    expected, text = layer(x), repr(layer)
    found = upweave.replace_layers(layer)
    assert type(found) is getattr(upweave.nn, f"ConvTranspose{rank}d")
    assert repr(found) == text
    torch.testing.assert_close(found(x), expected, rtol=1e-4, atol=1e-5)
    (only,) = upweave.nn.replacements(found)
    assert str(only) == f"(the model itself): ConvTranspose{rank}d ours"


def test_parametrised_layers(core: str) -> None:
    layer = parametrizations.weight_norm(torch.nn.ConvTranspose2d(2, 3, 3, stride=2))
    x = torch.randn(1, 2, 4, 4)
    expected, names = layer(x), [n for n, _ in layer.named_parameters()]
    upweave.replace_layers(layer)
    assert isinstance(layer, upweave.nn.ConvTranspose2d)
    assert [n for n, _ in layer.named_parameters()] == names
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(copy.deepcopy(layer)(x), expected, rtol=1e-4, atol=1e-5)
    layer(x).sum().backward()
    assert layer.parametrizations.weight.original0.grad is not None
    assert upweave.nn.replacements(layer)[0].state == "ours"
    upweave.replace_layers(layer)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is upweave.nn.ConvTranspose2d
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", [torch.nn.utils.weight_norm, torch.nn.utils.spectral_norm])
def test_norms_by_hooks(core: str, norm) -> None:
    layer = norm(torch.nn.ConvTranspose1d(2, 3, 4, stride=2)).eval()
    x = torch.randn(1, 2, 5)
    expected = layer(x)
    upweave.replace_layers(layer)
    assert type(layer) is upweave.nn.ConvTranspose1d
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)
    assert layer.state_dict().keys() > {"bias"}


def test_what_is_no_module() -> None:
    with pytest.raises(upweave.SpecError, match=r"expected a torch.nn.Module, got list"):
        upweave.replace_layers([])
