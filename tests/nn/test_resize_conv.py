"""ResizeConv: torch's resize and convolution, centred, and the transposed convolution that it folds into."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import upweave
from upweave.errors import NotRepresentable, SpecError
from upweave.nn import ResizeConv, ResizeConv1d, ResizeConv2d, ResizeConv3d
from upweave.ops.reference import reference

from .build import CONV, interior

LAYERS = {1: ResizeConv1d, 2: ResizeConv2d, 3: ResizeConv3d}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


@st.composite
def layers(draw: st.DrawFn, modes: tuple[str, ...] = ("nearest", "linear")) -> ResizeConv:
    rank = draw(st.sampled_from([1, 1, 2, 2, 3]))
    groups = draw(st.integers(1, 2))
    dilation = tuple(draw(st.integers(1, 2)) for _ in range(rank))
    odd, any_ = ([1, 3, 5], [1, 2, 4, 5]) if rank == 1 else ([1, 3], [1, 2, 3])
    kernel = tuple(draw(st.sampled_from(odd if d == 1 else any_)) for d in dilation)
    torch.manual_seed(draw(st.integers(0, 2**16)))
    return LAYERS[rank](
        groups * draw(st.integers(1, 2)),
        groups * draw(st.integers(1, 2)),
        kernel,
        tuple(draw(st.integers(1, 4 if rank == 1 else 3)) for _ in range(rank)),
        mode=draw(st.sampled_from(modes)),
        dilation=dilation,
        groups=groups,
        bias=draw(st.booleans()),
        dtype=torch.float64,
    )


def _signal(layer: ResizeConv, size: int = 3) -> torch.Tensor:
    return torch.randn(1, layer.in_channels, *range(size, size + layer.rank), dtype=torch.float64)


@settings(max_examples=40)
@given(layers())
def test_it_computes_its_spec(layer: ResizeConv) -> None:
    x = _signal(layer)
    bias = None if layer.bias is None else layer.bias.detach().numpy()
    want = reference(layer.spec, x[0].numpy(), layer.weight.detach().numpy(), bias)
    assert want.shape[1:] == tuple(s * h for s, h in zip(layer.stride, x.shape[2:], strict=True))
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), want, atol=1e-12)


@settings(max_examples=40)
@given(layers())
def test_it_is_centred(layer: ResizeConv) -> None:
    assert all(a.shift_half_pixel == 0 for a in upweave.alignment(layer.spec).axes)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate"])
def test_it_is_torchs_upsample_and_convolution(rank, mode, padding_mode):
    layer = LAYERS[rank](2, 4, 5, 3, mode=mode, padding_mode=padding_mode, groups=2)
    up = nn.Upsample(scale_factor=3, mode="nearest" if mode == "nearest" else LINEAR[rank])
    conv = CONV[rank](2, 4, 5, padding=2, padding_mode=padding_mode, groups=2)
    conv.load_state_dict(layer.state_dict())
    x = torch.randn(2, 2, *(4,) * rank)
    torch.testing.assert_close(layer(x), conv(up(x)))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_circular_is_periodic(mode):
    layer = ResizeConv2d(1, 2, 3, (2, 3), mode=mode, padding_mode="circular", dtype=torch.float64)
    x = torch.randn(1, 1, 4, 5, dtype=torch.float64)
    y = layer(x.roll((1, 2), (2, 3)))
    torch.testing.assert_close(y, layer(x).roll((2, 6), (2, 3)))
    zeros = ResizeConv2d(1, 2, 3, (2, 3), mode=mode, dtype=torch.float64)
    zeros.load_state_dict(layer.state_dict())
    torch.testing.assert_close(interior(y, 6), interior(zeros(x.roll((1, 2), (2, 3))), 6))


@settings(max_examples=50)
@given(layers(modes=("nearest",)))
def test_folded_computes_the_same_to_the_border(layer: ResizeConv) -> None:
    folded = layer.folded()
    for k, n, s, d, p in zip(
        folded.kernel_size, layer.kernel_size, layer.stride, layer.dilation, folded.padding, strict=True
    ):
        assert k == d * (n - 1) + s
        assert p == d * (n - 1) // 2
    x = _signal(layer, size=1)
    torch.testing.assert_close(folded(x), layer(x), atol=1e-12, rtol=1e-12)


def test_the_fold_is_the_articles():
    layer = ResizeConv1d(1, 1, 3, 2, bias=False)
    folded = layer.folded()
    w = layer.weight.detach().numpy().ravel()
    np.testing.assert_allclose(folded.weight.detach().numpy().ravel(), np.convolve(w[::-1], np.ones(2)), rtol=1e-6)
    assert folded.weight.requires_grad
    assert not layer.eval().folded().training


def test_what_does_not_fold_says_why():
    with pytest.raises(NotRepresentable, match="repeats its edge sample"):
        ResizeConv2d(1, 1, 3, mode="linear").folded()
    with pytest.raises(NotRepresentable, match="zeros at the border, not padding 'reflect'"):
        ResizeConv2d(1, 1, 3, padding_mode="reflect").folded()


@pytest.mark.parametrize("s", [41, 47, 61])
def test_nearest_is_exact_for_every_factor(s):
    """Where torch's own "nearest" misses a sample: ⌊n/s⌋ from a rounded 1/s."""
    layer = ResizeConv1d(1, 1, 1, s, bias=False)
    nn.init.ones_(layer.weight)
    x = torch.arange(7.0)[None, None]
    assert torch.equal(layer(x), x.repeat_interleave(s, -1))


def test_a_constant_stays_flat_whatever_the_weights():
    for mode in ("nearest", "linear"):
        layer = ResizeConv2d(3, 2, 3, 2, mode=mode)
        y = interior(layer(torch.ones(1, 3, 6, 6)), 2)
        torch.testing.assert_close(y, y[..., :1, :1].expand_as(y))


def test_a_single_signal_and_copies():
    layer = ResizeConv2d(2, 3, 3, 2)
    x = torch.randn(2, 4, 5)
    assert layer(x).shape == (3, 8, 10)
    assert torch.equal(layer(x), layer(x[None])[0])
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))
    assert torch.equal(torch.compile(layer, backend="eager", fullgraph=True)(x[None]), layer(x[None]))
    assert set(layer.state_dict()) == {"weight", "bias"}
    assert ResizeConv2d(2, 3, 3, device="meta").weight.is_meta
    # the same draw as a convolution's
    torch.manual_seed(0)
    layer.reset_parameters()
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 3, 3)
    assert torch.equal(layer.weight, conv.weight)
    assert torch.equal(layer.bias, conv.bias)


def test_repr():
    assert repr(ResizeConv1d(2, 3, 3)) == "ResizeConv1d(2, 3, kernel_size=(3,), stride=(2,), mode=nearest)"
    layer = ResizeConv2d(2, 4, (3, 1), (1, 2), mode="linear", groups=2, dilation=2, bias=False, padding_mode="reflect")
    assert repr(layer) == (
        "ResizeConv2d(2, 4, kernel_size=(3, 1), stride=(1, 2), dilation=(2, 2), groups=2, bias=False, "
        "padding_mode=reflect, mode=linear)"
    )


def test_the_audit_sees_a_resize():
    report = upweave.audit(nn.Sequential(ResizeConv2d(3, 4, 3, 2)), [(1, 3, 8, 8)])
    assert [f.name for f in report.findings] == ["foldable-resize"]
    report = upweave.audit(nn.Sequential(ResizeConv2d(3, 4, 3, 2).folded()), [(1, 3, 8, 8)])
    assert not [f for f in report.findings if f.name != "wrong-fan-initialisation"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ResizeConv2d(1, 1, 4), "kernel_size 4 with dilation 1 .* take 3 or 5"),
        (lambda: ResizeConv2d(1, 1, 3, mode="cubic"), "mode must be 'nearest' or 'linear', got 'cubic'"),
        (lambda: ResizeConv2d(1, 1, 3, padding_mode="same"), "padding_mode must be one of .* got 'same'"),
        (lambda: ResizeConv2d(1, 1, 3, 0), "stride must be at least 1"),
        (lambda: ResizeConv2d(1, 1, 3, 2.0), "stride must be an int"),
        (lambda: ResizeConv2d(1, 1, (3, 3, 3)), "does not fit 2 axes"),
        (lambda: ResizeConv2d(3, 4, 3, groups=2), "in_channels 3 does not split into 2 groups"),
        (lambda: ResizeConv2d(0, 4, 3), "in_channels must be at least 1"),
        (lambda: ResizeConv2d(1, 1, 3)(torch.ones(1, 1, 1, 4, 4)), "got an input of shape"),
        (lambda: ResizeConv2d(2, 1, 3)(torch.ones(1, 3, 4, 4)), "reads 2 channels, the input has 3"),
        (lambda: ResizeConv(1, 1, 3), "take ResizeConv1d, ResizeConv2d or ResizeConv3d"),
    ],
)
def test_what_does_not_fit_says_so(make, message):
    with pytest.raises(SpecError, match=message):
        make()
