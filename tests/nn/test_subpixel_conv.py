"""SubPixelConv: torch's convolution and pixel shuffle in one to three axes, centred, with equal phases at first."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import upweave
from upweave.errors import SpecError
from upweave.nn import SubPixelConv, SubPixelConv1d, SubPixelConv2d, SubPixelConv3d
from upweave.ops.reference import reference

from .build import interior

LAYERS = {1: SubPixelConv1d, 2: SubPixelConv2d, 3: SubPixelConv3d}


@st.composite
def layers(draw: st.DrawFn) -> SubPixelConv:
    rank = draw(st.sampled_from([1, 1, 2, 2, 3]))
    groups = draw(st.integers(1, 2))
    torch.manual_seed(draw(st.integers(0, 2**16)))
    return LAYERS[rank](
        groups * draw(st.integers(1, 2)),
        groups * draw(st.integers(1, 2)),
        tuple(draw(st.sampled_from([1, 3])) for _ in range(rank)),
        tuple(draw(st.integers(1, 3)) for _ in range(rank)),
        dilation=tuple(draw(st.integers(1, 2)) for _ in range(rank)),
        groups=groups,
        bias=draw(st.booleans()),
        dtype=torch.float64,
    )


@settings(max_examples=40)
@given(layers())
def test_it_computes_its_spec(layer: SubPixelConv) -> None:
    with torch.no_grad():
        for p in layer.parameters():
            p.normal_()
    x = torch.randn(1, layer.in_channels, *range(2, 2 + layer.rank), dtype=torch.float64)
    bias = None if layer.bias is None else layer.bias.detach().numpy()
    want = reference(layer.spec, x[0].numpy(), layer.weight.detach().numpy(), bias)
    assert want.shape[1:] == tuple(s * h for s, h in zip(layer.stride, x.shape[2:], strict=True))
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), want, atol=1e-12)


@settings(max_examples=40)
@given(layers())
def test_it_is_centred_and_starts_without_a_checkerboard(layer: SubPixelConv) -> None:
    assert all(a.shift_half_pixel == 0 for a in upweave.alignment(layer.spec).axes)
    assert upweave.gain_imbalance(layer.spec, layer.weight).deviation < 1e-6
    assert float(upweave.nn.phase_similarity(layer.weight.detach(), upscale_factor=layer.stride, groups=layer.groups,
                                             dilation=layer.dilation)) == pytest.approx(0, abs=1e-9)  # fmt: skip
    x = torch.randn(1, layer.in_channels, *range(2, 2 + layer.rank), dtype=torch.float64)
    y = layer(x)
    for a, s in enumerate(layer.stride):  # a nearest resize of something
        y = y.index_select(2 + a, torch.arange(0, y.shape[2 + a], s))
    for a, s in enumerate(layer.stride):
        y = y.repeat_interleave(s, 2 + a)
    torch.testing.assert_close(layer(x), y)


@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
def test_it_is_torchs_convolution_and_pixel_shuffle(padding_mode):
    layer = SubPixelConv2d(4, 6, 3, 2, groups=2, padding_mode=padding_mode)
    conv = nn.Conv2d(4, 24, 3, padding=1, groups=2, padding_mode=padding_mode)
    model = nn.Sequential(conv, nn.PixelShuffle(2))
    nn.init.normal_(layer.weight)
    conv.load_state_dict(layer.state_dict())
    x = torch.randn(2, 4, 5, 6)
    torch.testing.assert_close(layer(x), model(x))


def test_the_first_draw_is_torchs_once_a_channel():
    torch.manual_seed(0)
    layer = SubPixelConv2d(8, 64, 3, 2)
    kernel = layer.weight[::4].detach()
    bound = 1 / math.sqrt(8 * 9)
    assert 0.99 * bound < float(kernel.abs().max()) <= bound
    # 4608 uniform draws of variance bound²/3: it scatters by √(0.8/4608) = 1.3 %
    assert float(kernel.var()) == pytest.approx(bound**2 / 3, rel=0.06)
    assert layer.bias is not None
    assert layer.bias.abs().max().item() <= bound
    y = interior(layer(torch.ones(1, 8, 6, 6)), 2)
    torch.testing.assert_close(y, y[..., :1, :1].expand_as(y))


def test_a_single_signal_and_copies():
    layer = SubPixelConv3d(2, 3, 3, (1, 2, 3))
    x = torch.randn(2, 3, 4, 5)
    assert layer(x).shape == (3, 3, 8, 15)
    assert torch.equal(layer(x), layer(x[None])[0])
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))
    assert torch.equal(torch.compile(layer, backend="eager", fullgraph=True)(x[None]), layer(x[None]))
    assert set(layer.state_dict()) == {"weight", "bias"}
    assert SubPixelConv2d(2, 3, 3, device="meta").weight.shape == (12, 2, 3, 3)


def test_repr():
    assert repr(SubPixelConv1d(2, 3, 3)) == "SubPixelConv1d(2, 3, kernel_size=(3,), stride=(2,))"
    layer = SubPixelConv2d(2, 4, (3, 1), (1, 2), groups=2, dilation=2, bias=False, padding_mode="circular")
    assert repr(layer) == (
        "SubPixelConv2d(2, 4, kernel_size=(3, 1), stride=(1, 2), dilation=(2, 2), groups=2, bias=False, "
        "padding_mode=circular)"
    )


@pytest.mark.parametrize(("rank", "stride"), [(1, 3), (2, 2), (2, (2, 3)), (3, 2)])
def test_the_audit_finds_nothing(rank, stride):
    model = nn.Sequential(LAYERS[rank](3, 4, 3, stride))
    report = upweave.audit(model, [(1, 3, *(6,) * rank)])
    assert [f.name for f in report.findings] == []
    assert len(report.layers) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SubPixelConv2d(1, 1, 2), "kernel_size 2 with dilation 1 .* take 1 or 3"),
        (lambda: SubPixelConv2d(1, 1, 3, 0), "stride must be at least 1"),
        (lambda: SubPixelConv2d(2, 3, 3, groups=2), "out_channels 3 does not split into 2 groups"),
        (lambda: SubPixelConv2d(3, 2, 3, groups=2), "in_channels 3 does not split into 2 groups"),
        (lambda: SubPixelConv2d(1, 1, 3)(torch.ones(1, 4)), "got an input of shape"),
        (lambda: SubPixelConv2d(2, 1, 3)(torch.ones(1, 3, 4, 4)), "reads 2 channels, the input has 3"),
        (lambda: SubPixelConv(1, 1, 3), "take SubPixelConv1d, SubPixelConv2d or SubPixelConv3d"),
    ],
)
def test_what_does_not_fit_says_so(make, message):
    with pytest.raises(SpecError, match=message):
        make()
