"""Spec to bank and back: same matrix, or a reason."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upweave.bank import PhaseBank, Taps
from upweave.boundary import Boundary
from upweave.convert import (
    boundary,
    impulse_response,
    phase_bank,
    shuffle_crop,
    taps,
    to_conv_pixel_shuffle,
    to_conv_transpose,
)
from upweave.errors import NotRepresentable, SpecError
from upweave.spec import Conv, ConvPixelShuffle, ConvTranspose, FirUpsample, ResizeConv, ZeroInsertConv
from upweave.testing import assert_close
from upweave.theory.matrix import bank_matrix, matrix

from .strategies import UPSAMPLERS, layers


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("name", UPSAMPLERS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_zero_extended_bank_is_a_transposed_convolution(name, symmetric, data):
    layer = data.draw(layers(name))
    bank = phase_bank(layer.spec, layer.weight, rank=layer.rank, channels=layer.channels)
    edges = boundary(layer.spec, layer.rank)
    if any(b.extension != "zero" for b in edges):
        with pytest.raises(NotRepresentable, match="border"):
            to_conv_transpose(bank, edges, symmetric=symmetric)
        return
    spec, weight, bias = to_conv_transpose(bank, edges, symmetric=symmetric)
    assert bias is None
    assert_close(
        matrix(spec, layer.size, weight), matrix(layer.spec, layer.size, layer.weight, channels=layer.channels)
    )
    if symmetric:
        assert all(isinstance(p, int) for p in spec.padding)


@pytest.mark.parametrize("name", UPSAMPLERS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_zero_extended_bank_is_a_pixel_shuffle_up_to_a_crop(name, data):
    layer = data.draw(layers(name))
    bank = phase_bank(layer.spec, layer.weight, layer.bias, rank=layer.rank, channels=layer.channels)
    edges = boundary(layer.spec, layer.rank)
    longer, crops = shuffle_crop(bank, edges)
    if any(b.extension != "zero" for b in edges):
        with pytest.raises(NotRepresentable, match="border"):
            to_conv_pixel_shuffle(bank, longer)
        return
    if any(crops):
        with pytest.raises(NotRepresentable, match="multiple"):
            to_conv_pixel_shuffle(bank, edges)
    spec, weight, bias = to_conv_pixel_shuffle(bank, longer)
    expected = bank_matrix(bank, layer.size, edges).toarray()
    found = matrix(spec, layer.size, weight).toarray()
    out = [e.output_size(s, n) for e, s, n in zip(edges, bank.stride, layer.size, strict=True)]
    whole = [n + c for n, c in zip(out, crops, strict=True)]
    kept = found.reshape(bank.out_channels, *whole, -1)[(slice(None), *(slice(n) for n in out))]
    assert_close(kept.reshape(expected.shape), expected)
    again = phase_bank(spec, weight, bias)
    if layer.bias is not None:
        assert_close(again.bias, bank.bias)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_conv_transpose_comes_back_as_it_was(data):
    layer = data.draw(layers("ConvTranspose"))
    axes = layer.spec.per_axis(layer.rank)
    if any(a.begin != a.end or a.kernel == 1 for a in axes):
        return
    bank = phase_bank(layer.spec, layer.weight, layer.bias)
    spec, weight, bias = to_conv_transpose(bank, boundary(layer.spec, layer.rank))
    assert spec.per_axis() == axes
    np.testing.assert_array_equal(weight, layer.weight)
    np.testing.assert_array_equal(bias, layer.bias)


def test_the_identity_nearest_and_convolution_is_a_transposed_convolution():
    """nearest×s + Conv(k, p) = ConvT(k+s−1, s, k−1−p), kernel flip(w) ∗ ones(s) (DESIGN, exact identities)."""
    w = np.array([1.0, 10.0, 100.0])
    spec, weight, _ = to_conv_transpose(phase_bank(ResizeConv(3, 2, 1), w), boundary(ResizeConv(3, 2, 1)))
    assert spec == ConvTranspose((4,), (2,), (1,), (0,), (1,))
    np.testing.assert_array_equal(weight[0, 0], np.convolve(w[::-1], np.ones(2)))


def test_zero_insertion_padding_is_the_complement_of_the_transposed_padding():
    """p' = d(k−1) − p."""
    w = np.array([1.0, 2.0, 3.0])
    spec, weight, _ = to_conv_transpose(phase_bank(ZeroInsertConv(3, 2, 1, 1), w), boundary(ZeroInsertConv(3, 2, 1, 1)))
    assert spec == ConvTranspose((3,), (2,), (1,), (1,), (1,))
    np.testing.assert_array_equal(weight[0, 0], w[::-1])


def test_taps_of_k3_s2_p1():
    (t,) = taps(ConvTranspose(3, 2, 1))
    assert (t.start, t.count.tolist()) == (0, [[1, 0], [1, 1]])
    bank = phase_bank(ConvTranspose(3, 2, 1), np.array([2, -1, 3]))
    assert bank.weights[:, 0, 0].tolist() == [[-1, 0], [3, 2]]
    assert bank.weights.dtype == np.array([1]).dtype


def test_weights_keep_their_precision():
    for spec in (ConvTranspose(3, 2, 1), ResizeConv(3, 2, 1, mode="linear")):
        assert phase_bank(spec, np.ones((1, 1, 3), dtype=np.float32)).weights.dtype == np.float32


def test_what_has_no_bank_or_no_layer_says_why():
    with pytest.raises(NotRepresentable, match="adjoint"):
        phase_bank(Conv(3, 2, 1), np.ones(3))
    with pytest.raises(NotRepresentable, match="adjoint"):
        taps(Conv(3, 2, 1))
    with pytest.raises(NotRepresentable, match="upsampler"):
        boundary(Conv(3, 2, 1))
    shuffle = ConvPixelShuffle(3, 2, 1)
    uneven = phase_bank(shuffle, np.ones((2, 1, 3)), np.array([0.0, 0.5]))
    with pytest.raises(NotRepresentable, match=r"up to 0\.5"):
        to_conv_transpose(uneven, boundary(shuffle))
    with pytest.raises(SpecError, match="boundaries"):
        to_conv_transpose(uneven, ())
    replicate = boundary(ResizeConv(1, 2, 0, mode="linear"))
    assert replicate[0].extension == "replicate"
    with pytest.raises(NotRepresentable, match="repeats"):
        to_conv_transpose(phase_bank(ResizeConv(1, 2, 0, mode="linear")), replicate)


def test_wrong_biases_and_weights_are_named():
    with pytest.raises(SpecError, match=r"\(2,\).*\(1,\)"):
        phase_bank(ConvTranspose(3, 2), np.ones(3), np.ones(2))
    with pytest.raises(SpecError, match="weights of its own"):
        impulse_response(phase_bank(ConvTranspose(3, 2)), np.ones(3))
    with pytest.raises(SpecError, match="no weight"):
        phase_bank(FirUpsample((1.0, 1.0)), np.ones(2))
    with pytest.raises(SpecError, match="channels"):
        phase_bank(FirUpsample((1.0, 1.0)), channels=0)


def test_a_bank_of_dead_taps_is_still_a_layer():
    (t,) = taps(ConvTranspose(1, 2))
    empty = dataclasses.replace(t, count=np.zeros_like(t.count))
    bank = PhaseBank((empty,), np.zeros((2, 1, 1, 1)))
    spec, weight, _ = to_conv_transpose(bank, (Boundary(0),))
    assert not weight.any()
    assert matrix(spec, 3, weight).shape == (6, 3)
    spec, weight, _ = to_conv_pixel_shuffle(bank, (Boundary(0),))
    assert not weight.any()
    assert matrix(spec, 3, weight).shape == (6, 3)


def test_a_bank_without_live_taps_is_one_zero() -> None:
    """Wherever its frame starts: the response of an axis on which nothing is connected."""
    for start in (-3, 0, 1):
        bank = PhaseBank((Taps(start, np.zeros((2, 3), dtype=np.int64)),), np.zeros((2, 1, 1, 3)))
        found = impulse_response(bank)
        assert found.low == (0,)
        np.testing.assert_array_equal(found.h, np.zeros((1, 1, 1)))
