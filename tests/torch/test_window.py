"""Windows, padding modes and "same" against longer ways to the same outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st

import upweave
from upweave.nn.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from upweave.nn.window import extend, same

from ..strategies import _axes

CONV = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
NUMPY = {"zeros": "constant", "circular": "wrap", "reflect": "reflect", "replicate": "edge"}


def by_the_definition(layer, x: torch.Tensor, begin, size) -> torch.Tensor:
    """Extend far too much, run without padding, cut: begin samples before the first input's first tap, then `size`."""
    far = [k * d + s for k, d, s in zip(layer.kernel_size, layer.dilation, layer.stride, strict=True)]
    amounts = [(0, 0), (0, 0), *((f, f) for f in far)]
    wide = torch.from_numpy(np.pad(x.detach().numpy(), amounts, mode=NUMPY[layer.padding_mode]))
    y = CONV[len(far)](wide, layer.weight, None, layer.stride, 0, 0, layer.groups, layer.dilation)
    for axis, (f, s, b, n) in enumerate(zip(far, layer.stride, begin, size, strict=True), start=2):
        y = y.narrow(axis, s * f + b, n)
    return y if layer.bias is None else y + layer.bias.view(-1, *(1,) * len(far))


@st.composite
def layers(draw: st.DrawFn, padding: str | None = None):
    """A double layer with a padding mode, and an input of at least the size that reflection needs."""
    rank = draw(st.sampled_from([1, 1, 2, 3]))
    small = 5 if rank == 1 else 3
    kernel, stride, dilation = (draw(_axes(st.integers(1, n), rank)) for n in (small, small, 2))
    pads = draw(_axes(st.integers(0, 3), rank))
    more = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    mode, groups = draw(st.sampled_from(sorted(NUMPY))), draw(st.integers(1, 2))
    make = {1: ConvTranspose1d, 2: ConvTranspose2d, 3: ConvTranspose3d}[rank]
    torch.manual_seed(draw(st.integers(0, 99)))
    layer = make(
        2,
        2 * groups,
        kernel,
        stride,
        padding or pads,
        0 if padding else more,
        groups,
        draw(st.booleans()),
        dilation,
        mode,
    ).double()
    size = draw(_axes(st.integers(1, 6 if rank == 1 else 4), rank))
    return layer, torch.randn(2, 2, *size, dtype=torch.double), pads, more


@given(layers())
def test_padding_modes_extend_the_input_and_keep_size_and_phase(drawn) -> None:
    layer, x, pads, more = drawn
    spec = upweave.ConvTranspose(layer.kernel_size, layer.stride, pads, more, layer.dilation)
    try:
        size = upweave.output_size(spec, tuple(x.shape[2:]))
    except upweave.SpecError:
        assume(False)
    try:
        found = layer(x)
    except upweave.SpecError as error:
        assume("reflected" not in str(error))  # has a test of its own below
        raise
    assert found.shape[2:] == size
    assert found.is_contiguous()
    torch.testing.assert_close(found, by_the_definition(layer, x, pads, size))


@given(layers("same"))
def test_same_is_s_times_the_size_and_centred_where_it_can_be(drawn) -> None:
    layer, x, _, _ = drawn
    numbers = list(zip(layer.kernel_size, layer.stride, layer.dilation, strict=True))
    begin = []
    for k, s, d in numbers:
        excess = d * (k - 1) + 1 - s
        # Keras: tf.nn.conv_transpose is the gradient of a convolution that pads max(K − s, 0) in all, half of it
        # (rounded down) at the start; what that convolution pads, its gradient cuts.
        begin.append(excess // 2 if excess % 2 == 0 else max(excess, 0) // 2)
        if excess % 2 == 0:  # the centre of input 0's footprint against the centre of the s outputs that it covers
            assert -begin[-1] + d * (k - 1) / 2 == (s - 1) / 2
    try:
        found = layer(x)
    except upweave.SpecError as error:
        assume("reflected" not in str(error))
        raise
    size = tuple(s * n for (_, s, _), n in zip(numbers, x.shape[2:], strict=True))
    assert found.shape[2:] == size
    torch.testing.assert_close(found, by_the_definition(layer, x, begin, size))


@pytest.mark.parametrize(("kernel", "stride", "begin"), [
    (4, 2, 1), (3, 2, 0), (5, 2, 1), (2, 2, 0), (5, 3, 1), (4, 3, 0), (1, 3, -1), (1, 2, 0), (1, 4, 0), (2, 4, -1),
])  # fmt: skip
def test_same_in_numbers(kernel: int, stride: int, begin: int) -> None:
    found, surplus = same(kernel, stride, 1)
    assert found == begin
    for h in (1, 7):
        assert stride * (h - 1) + kernel - 2 * begin + surplus == stride * h


def test_same_of_an_impulse() -> None:
    layer = ConvTranspose1d(1, 1, 3, stride=2, padding="same", bias=False)
    layer.weight.data.copy_(torch.tensor([[[1.0, 2.0, 3.0]]]))
    assert layer(torch.tensor([[[1.0, 0, 0]]])).tolist() == [[[1, 2, 3, 0, 0, 0]]]
    layer = ConvTranspose1d(1, 1, 1, stride=3, padding="same", bias=False)
    layer.weight.data.fill_(1)
    assert layer(torch.tensor([[[5.0, 7]]])).tolist() == [[[0, 5, 0, 0, 7, 0]]]


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize(
    ("kernel", "padding", "output_padding"), [(4, 1, 0), (3, 1, 1), (9, 4, 1), (8, 3, 0), (7, "same", 0)]
)
def test_circular_is_exactly_periodic(size: int, kernel: int, padding, output_padding: int) -> None:
    """With an output of s·H samples, rolling the input by one rolls the output by s, also around more than once."""
    layer = ConvTranspose1d(2, 3, kernel, 2, padding, output_padding, padding_mode="circular").double()
    x = torch.randn(1, 2, size, dtype=torch.double)
    y = layer(x)
    assert y.shape[-1] == 2 * size
    torch.testing.assert_close(layer(x.roll(1, -1)), y.roll(2, -1), rtol=1e-12, atol=1e-12)
    constant = layer(torch.ones(1, 2, size, dtype=torch.double))
    torch.testing.assert_close(constant, constant[..., :2].repeat(1, 1, size))


def test_circular_in_the_plane() -> None:
    layer = ConvTranspose2d(1, 1, (5, 4), (3, 2), "same", padding_mode="circular").double()
    x = torch.randn(2, 1, 4, 3, dtype=torch.double)
    torch.testing.assert_close(layer(x.roll((1, -1), (2, 3))), layer(x).roll((3, -2), (2, 3)))


def test_replicate_has_no_border_of_its_own() -> None:
    """A constant stays free of a darker border, which zeros bring."""
    layer = ConvTranspose1d(1, 1, 4, 2, 1, bias=False, padding_mode="replicate")
    layer.weight.data.fill_(0.5)
    torch.testing.assert_close(layer(torch.ones(1, 1, 4)), torch.ones(1, 1, 8))


def test_too_far_to_reflect() -> None:
    layer = ConvTranspose1d(1, 1, 9, 2, 0, padding_mode="reflect")
    with pytest.raises(upweave.SpecError, match="size 3 cannot be reflected 4 samples far; that needs 5"):
        layer(torch.ones(1, 1, 3))


@given(st.integers(1, 4), st.integers(0, 9), st.sampled_from(sorted(NUMPY)))
def test_extend_is_numpys_pad(size: int, by: int, mode: str) -> None:
    x = torch.randn(1, 2, size, 3)
    if mode == "reflect":
        by = min(by, size - 1)
    expected = np.pad(x.numpy(), ((0, 0), (0, 0), (by, by), (1, 1)), mode=NUMPY[mode])
    torch.testing.assert_close(extend(x, (by, 1), mode), torch.from_numpy(expected))
