"""The layers as drop-ins for PyTorch's: signature, state, sizes, repr, copies, lazy forms."""

from __future__ import annotations

import copy
import inspect
import io
import pickle

import pytest
import torch

import upweave
import upweave.nn
from upweave.errors import SpecError

RANKS = (1, 2, 3)


def pair(rank: int, *args, **kwargs):
    """Our layer and PyTorch's with the same parameters."""
    ours = getattr(upweave.nn, f"ConvTranspose{rank}d")(*args, **kwargs)
    theirs = getattr(torch.nn, f"ConvTranspose{rank}d")(*args, **kwargs)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def signal(rank: int, channels: int = 4, batch=(2,)) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(*batch, channels, *(5, 4, 3)[:rank])


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("name", ["ConvTranspose", "LazyConvTranspose"])
def test_signature_and_bases(rank: int, name: str) -> None:
    ours, theirs = (getattr(m, f"{name}{rank}d") for m in (upweave.nn, torch.nn))
    assert issubclass(ours, theirs)
    mine, other = (inspect.signature(c).parameters for c in (ours, theirs))
    assert [*mine] == [*other, "activation"]
    assert [p.default for p in mine.values()][:-1] == [p.default for p in other.values()]
    assert mine["activation"].kind is inspect.Parameter.KEYWORD_ONLY
    call = inspect.signature(ours.forward).parameters
    assert [*call] == [*inspect.signature(theirs.forward).parameters]


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("numbers", [
    (4, 6, 3), (4, 6, 4, 2, 1), (4, 6, 3, 2, 1, 1, 2), (4, 8, 3, 2, 0, 1, 4, False, 2), (4, 4, 1, 3),
], ids=str)  # fmt: skip
def test_same_values_state_and_description(core: str, rank: int, numbers) -> None:
    ours, theirs = pair(rank, *numbers)
    assert repr(ours) == repr(theirs)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    x = signal(rank)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours(x[0]), theirs(x[0]), rtol=1e-4, atol=1e-5)
    ours.load_state_dict(theirs.state_dict())


@pytest.mark.parametrize("rank", RANKS)
def test_output_size(core: str, rank: int) -> None:
    ours, theirs = pair(rank, 4, 6, 3, stride=2, padding=1)
    x = signal(rank)
    for size in ((10, 8, 6)[:rank], [9, 7, 5][:rank], (2, 6, 10, 8, 6)[: rank + 2]):
        found, expected = ours(x, size), theirs(x, output_size=size)
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        assert ours(x[0], size[-rank:]).shape == theirs(x[0], size[-rank:]).shape
        assert ours(x[0], (6, *size[-rank:])).shape == theirs(x[0], (6, *size[-rank:])).shape
    for wrong in ((11,) * rank, (8,) * rank, (10,) * (rank + 1)):
        for layer in (ours, theirs):
            with pytest.raises(ValueError, match="output"):
                layer(x, wrong)
    circular = type(ours)(4, 6, 3, stride=2, padding=1, padding_mode="circular")
    assert circular(x, (10, 8, 6)[:rank]).shape[2:] == (10, 8, 6)[:rank]


def test_output_size_with_same() -> None:
    layer = upweave.nn.ConvTranspose1d(4, 6, 3, stride=2, padding="same")
    assert layer(signal(1), [10]).shape == layer(signal(1), (2, 6, 10)).shape == (2, 6, 10)
    with pytest.raises(SpecError, match=r"size \(10,\); output_size \(9,\)"):
        layer(signal(1), [9])


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", ("leaky_relu", 0.3), "silu", "tanh", "sigmoid"])
def test_activation(core: str, activation) -> None:
    ours, theirs = pair(2, 4, 6, 4, 2, 1)
    ours.activation = activation
    name, slope = activation if isinstance(activation, tuple) else (activation, 0.01)
    f = {"leaky_relu": lambda y: torch.nn.functional.leaky_relu(y, slope), "silu": torch.nn.functional.silu}.get(
        name, getattr(torch, name, None)
    )
    x = signal(2).requires_grad_()
    with torch.no_grad():
        torch.testing.assert_close(ours(x), f(theirs(x)), rtol=1e-4, atol=1e-5)
    found, expected = (torch.autograd.grad(y.square().sum(), x)[0] for y in (ours(x), f(theirs(x))))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert f"activation={activation!r}" in repr(ours)


def test_bad_arguments_raise() -> None:
    make = upweave.nn.ConvTranspose2d
    for wrong, words in (
        ({"padding_mode": "mirror"}, "padding_mode must be one of zeros, circular"),
        ({"padding": "valid"}, 'padding must be "same" or numbers'),
        ({"padding": "same", "output_padding": 1, "stride": 2}, "fixes the output's size"),
        ({"activation": "gelu"}, "activation must be"),
    ):
        with pytest.raises(SpecError, match=words):
            make(4, 4, 3, **wrong)
    with pytest.raises(SpecError, match=r"4 axes, or 3 without a batch, got shape \(4, 5\)"):
        make(4, 4, 3)(torch.randn(4, 5))
    with pytest.raises(SpecError, match="activation"):
        make(4, 4, 3).activation = "gelu"
    with pytest.raises((SpecError, RuntimeError)):
        make(4, 4, 3)(torch.randn(1, 3, 5, 5))


def test_copies_and_pickles(core: str) -> None:
    layer = upweave.nn.ConvTranspose2d(4, 6, 3, 2, "same", padding_mode="circular", activation=("leaky_relu", 0.2))
    x = signal(2)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    state = io.BytesIO()
    torch.save(layer.state_dict(), state)
    state.seek(0)
    fresh = upweave.nn.ConvTranspose2d(4, 6, 3, 2, "same", padding_mode="circular", activation=("leaky_relu", 0.2))
    fresh.load_state_dict(torch.load(state, weights_only=True))
    safe = io.BytesIO(file.getvalue())
    with torch.serialization.safe_globals([upweave.nn.ConvTranspose2d]):
        torch.load(safe, weights_only=True)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), torch.load(file, weights_only=False), fresh):
        assert repr(other) == repr(layer)
        assert torch.equal(other(x), layer(x))
        assert other.weight is not layer.weight


@pytest.mark.parametrize("rank", RANKS)
def test_lazy(rank: int) -> None:
    lazy = getattr(upweave.nn, f"LazyConvTranspose{rank}d")(
        6, 4, 2, "same", padding_mode="replicate", activation="relu"
    )
    assert isinstance(lazy.weight, torch.nn.UninitializedParameter)
    y = lazy(signal(rank))
    eager = getattr(upweave.nn, f"ConvTranspose{rank}d")
    assert type(lazy) is eager
    assert (lazy.in_channels, lazy.padding, lazy.activation) == (4, "same", "relu")
    other = eager(4, 6, 4, 2, "same", padding_mode="replicate", activation="relu")
    other.load_state_dict(lazy.state_dict())
    assert torch.equal(other(signal(rank)), y)
    plain = getattr(upweave.nn, f"LazyConvTranspose{rank}d")(6, 3)
    assert plain(signal(rank)).shape[1] == 6


def test_other_devices_dtypes_and_formats() -> None:
    layer = upweave.nn.ConvTranspose2d(4, 6, 3, device="meta", dtype=torch.float64)
    assert layer.weight.is_meta
    assert layer(torch.randn(1, 4, 5, 5, device="meta", dtype=torch.float64)).shape == (1, 6, 7, 7)
    ours, theirs = pair(2, 4, 6, 3, 2)
    x = signal(2).to(memory_format=torch.channels_last)
    y = ours.to(memory_format=torch.channels_last)(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, theirs(x), rtol=1e-4, atol=1e-5)


def test_the_package_lists_its_names() -> None:
    assert set(upweave.nn.__all__) <= set(dir(upweave.nn))
    assert upweave.replace_layers is upweave.nn.replace_layers
    with pytest.raises(AttributeError, match="nonsense"):
        upweave.nn.nonsense  # noqa: B018
