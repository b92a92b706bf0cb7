"""The weight maps against PyTorch, against matrices, and against their own definitions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import upweave
from tests.ops.close import assert_close
from upweave.errors import NotRepresentable
from upweave.rewrite.weights.gains import equal_gains, imbalance, phase_gains
from upweave.rewrite.weights.initial import he_transposed, icnr
from upweave.rewrite.weights.merge import conv_after, conv_before
from upweave.rewrite.weights.pixel_shuffle import channel_order, shuffle_to_transposed, transposed_to_shuffle
from upweave.rewrite.weights.recentre import recentred, shifts
from upweave.rewrite.weights.resize_fit import fit_resize_conv
from upweave.rewrite.weights.scale_shift import scale_outputs
from upweave.rewrite.weights.widen import add_taps, widened, without_output_padding
from upweave.spec import Conv, ConvPixelShuffle, ConvTranspose

rng = np.random.default_rng(0)


def layer(x: torch.Tensor, spec: ConvTranspose, w: Any, b: Any = None) -> torch.Tensor:
    """PyTorch's transposed convolution without padding, then the crop and the output padding."""
    axes = spec.per_axis(x.ndim - 2)
    function = {1: F.conv_transpose1d, 2: F.conv_transpose2d}[len(axes)]
    y = function(
        x, torch.from_numpy(w), None, tuple(a.stride for a in axes), 0, 0, spec.groups, tuple(a.dilation for a in axes)
    )
    y = F.pad(y, [n for a in reversed(axes) for n in (0, a.output_padding)])
    for n, a in enumerate(axes):
        y = y.narrow(2 + n, a.begin, y.shape[2 + n] - a.begin - a.end)
    return y if b is None else y + torch.from_numpy(b).reshape(-1, *(1,) * len(axes))


@st.composite
def layers(draw: st.DrawFn, dilated: bool = True) -> tuple[ConvTranspose, np.ndarray, torch.Tensor]:
    rank, g = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    k = tuple(draw(st.integers(1, 5)) for _ in range(rank))
    s = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    d = tuple(draw(st.integers(1, 2)) if dilated else 1 for _ in range(rank))
    size = tuple(draw(st.integers(3, 5)) for _ in range(rank))
    room = [min(4, (t * (n - 1) + e * (q - 1)) // 2) for n, t, e, q in zip(size, s, d, k, strict=True)]
    p = tuple((draw(st.integers(0, n)), draw(st.integers(0, n))) for n in room)
    o = tuple(draw(st.integers(0, max(t, e) - 1)) for t, e in zip(s, d, strict=True))
    made = np.random.default_rng(draw(st.integers(0, 99)))
    weight = made.standard_normal((2 * g, 3, *k))
    return ConvTranspose(k, s, p, o, d, g), weight, torch.from_numpy(made.standard_normal((1, 2 * g, *size)))


@given(layers(), st.booleans())
def test_convolution_shuffle_and_crop_are_the_transposed_convolution(case: Any, crop: bool) -> None:
    spec, w, x = case
    b = rng.standard_normal(w.shape[1] * spec.groups)
    want = layer(x, spec, w, b)
    try:
        form = transposed_to_shuffle(spec, w, b, crop=crop)
    except NotRepresentable:
        assert not crop
        assert any((n % a.stride) for n, a in zip(want.shape[2:], spec.per_axis(), strict=True))
        return
    axes = form.spec.per_axis()
    small = F.pad(x, [n for a in reversed(axes) for n in (a.begin, a.end)])
    function = {1: F.conv1d, 2: F.conv2d}[len(axes)]
    y = function(
        small, torch.from_numpy(form.weight), torch.from_numpy(form.bias), 1, 0,
        tuple(a.dilation for a in axes), form.spec.groups,
    ).numpy()  # fmt: skip
    s = [a.stride for a in axes]
    c = y.shape[1] // int(np.prod(s))
    split = y.reshape(1, c, *s, *y.shape[2:])
    order = (0, 1, *(v for a in range(len(s)) for v in (2 + len(s) + a, 2 + a)))
    woven = split.transpose(order).reshape(1, c, *(n * f for n, f in zip(y.shape[2:], s, strict=True)))
    cut = woven[(..., *(slice(lo, n - hi) for n, (lo, hi) in zip(woven.shape[2:], form.crop, strict=True)))]
    assert_close(cut, want)
    if crop and all(a.dilation == 1 and a.begin <= a.stride - 1 for a in spec.per_axis()):
        least = [-(-a.kernel // a.stride) for a in spec.per_axis()]
        assert list(form.weight.shape[2:]) == least or all(
            k >= n for k, n in zip(form.weight.shape[2:], least, strict=True)
        )


def test_k4_s2_p1_has_two_taps_a_phase() -> None:
    form = transposed_to_shuffle(ConvTranspose((4, 4), (2, 2), (1, 1)), np.ones((1, 1, 4, 4)))
    assert form.weight.shape == (4, 1, 2, 2)
    assert form.crop == ((1, 1), (1, 1))
    plain = transposed_to_shuffle(ConvTranspose((4, 4), (2, 2), (1, 1)), np.ones((1, 1, 4, 4)), crop=False)
    assert plain.weight.shape == (4, 1, 3, 3)
    assert not plain.is_cropped


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2))
def test_a_shuffle_is_a_transposed_convolution(k: int, s: int, p: int) -> None:
    w = rng.standard_normal((3 * s * s, 2, k, k))
    b = np.repeat(rng.standard_normal(3), s * s)
    x = torch.from_numpy(rng.standard_normal((1, 2, 4, 5)))
    want = F.pixel_shuffle(F.conv2d(x, torch.from_numpy(w), torch.from_numpy(b), padding=p), s)
    spec, new, bias = shuffle_to_transposed(ConvPixelShuffle((k, k), (s, s), (p, p)), w, b)
    assert_close(layer(x, spec, new, bias), want)


def test_biases_that_differ_between_phases_have_no_transposed_convolution() -> None:
    with pytest.raises(NotRepresentable, match="bias differs"):
        shuffle_to_transposed(ConvPixelShuffle(3, 2, 1), np.ones((4, 1, 3, 3)), np.arange(4.0))


def test_the_channel_orders_of_onnx() -> None:
    crd = np.arange(12)  # channel c·4 + r
    dcr = np.empty(12, int)
    dcr[channel_order(3, 4)] = crd
    assert dcr[2 * 3 + 1] == 1 * 4 + 2  # phase 2 of channel 1


@given(layers(dilated=False))
def test_widening_changes_no_output(case: Any) -> None:
    spec, w, x = case
    try:
        new, before, after = widened(spec, w.ndim - 2)
    except NotRepresentable:
        return
    assert all(a.kernel % a.stride == 0 for a in new.per_axis(w.ndim - 2))
    assert torch.equal(layer(x, new, add_taps(w, before, after)), layer(x, spec, w)) or np.allclose(
        layer(x, new, add_taps(w, before, after)), layer(x, spec, w), rtol=1e-13, atol=1e-13
    )


def test_k3_s2_p1_o1_widens_to_k4_s2_p1() -> None:
    new, before, after = widened(ConvTranspose((3,), (2,), (1,), (1,)), 1)
    assert new == ConvTranspose((4,), (2,), (1,), (0,), (1,))
    assert (before, after) == ((0,), (1,))


@given(layers())
def test_output_padding_becomes_taps(case: Any) -> None:
    spec, w, x = case
    rank = w.ndim - 2
    new, after = without_output_padding(spec, rank)
    assert all(a.output_padding == 0 for a in new.per_axis(rank))
    assert_close(layer(x, new, add_taps(w, (0,) * rank, after)), layer(x, spec, w))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_scale_and_shift(transposed: bool, groups: int) -> None:
    w = rng.standard_normal((4, 6 // groups, 3) if transposed else (6, 4 // groups, 3))
    b, scale, shift = (rng.standard_normal(6) for _ in range(3))
    x = torch.from_numpy(rng.standard_normal((1, 4, 7)))
    run = F.conv_transpose1d if transposed else F.conv1d
    want = run(x, torch.from_numpy(w), torch.from_numpy(b), groups=groups).numpy()
    want = want * scale[:, None] + shift[:, None]
    new, bias = scale_outputs(w, b, scale, shift, groups=groups, transposed=transposed)
    assert_close(run(x, torch.from_numpy(new), torch.from_numpy(bias), groups=groups), want)


@pytest.mark.parametrize("transposed", [False, True])
def test_single_sample_convolutions_merge(transposed: bool) -> None:
    w = rng.standard_normal((4, 5, 3) if transposed else (5, 4, 3))
    b, one, c = rng.standard_normal(5), rng.standard_normal((2, 5, 1)), rng.standard_normal(2)
    x = torch.from_numpy(rng.standard_normal((1, 4, 7)))
    run = F.conv_transpose1d if transposed else F.conv1d
    t = torch.from_numpy
    want = F.conv1d(run(x, t(w), t(b), padding=1), t(one), t(c))
    new, bias = conv_after(w, b, one, c, transposed=transposed)
    assert bias is not None
    assert_close(run(x, t(new), t(bias), padding=1), want)
    first = rng.standard_normal((4, 3, 1))
    z = torch.from_numpy(rng.standard_normal((1, 3, 7)))
    want = run(F.conv1d(z, t(first)), t(w), t(b), padding=1)
    assert_close(run(z, t(conv_before(first, w, transposed=transposed)), t(b), padding=1), want)


@given(layers())
def test_equal_gains_are_equal_and_nearest(case: Any) -> None:
    spec, w, _ = case
    try:
        new = equal_gains(spec, w)
    except NotRepresentable:
        assert any((c == 0).any() for c in _counts(spec, w.ndim - 2))
        return
    gains = phase_gains(spec, new)
    assert np.allclose(gains, gains.mean(axis=tuple(range(2, gains.ndim)), keepdims=True), atol=1e-12)
    assert np.allclose(equal_gains(spec, new), new, atol=1e-12)  # a projection
    # The change is orthogonal to every change that keeps the gains equal: one that moves all of them by the same, and
    # one that moves none.
    change = new - w
    other = equal_gains(spec, np.random.default_rng(7).standard_normal(w.shape))
    assert abs(float((change * other).sum())) < 1e-9 * max(1.0, float(np.linalg.norm(change)))
    assert imbalance(spec, new) < 1e-9


def _counts(spec: ConvTranspose, rank: int) -> list[np.ndarray]:
    return [np.bincount(a.dilation * np.arange(a.kernel) % a.stride, minlength=a.stride) for a in spec.per_axis(rank)]


@given(layers(dilated=False))
def test_a_recentred_layer_is_centred_and_keeps_its_size(case: Any) -> None:
    spec, w, x = case
    try:
        new, weight = recentred(spec, w)
    except NotRepresentable:
        return
    assert set(shifts(new, w.ndim - 2)) == {Fraction(0)}
    assert weight.shape[2:] == new.kernel
    assert layer(x, new, weight).shape == layer(x, spec, w).shape
    assert np.allclose(weight.sum(axis=tuple(range(2, w.ndim))), w.sum(axis=tuple(range(2, w.ndim))))


@given(st.integers(2, 3), st.integers(3, 5))
def test_a_folded_resize_convolution_is_found_again(s: int, k: int) -> None:
    """What is one already is fitted without a residual, and its outputs stay."""
    from upweave.rewrite.weights.fold_nearest import fold_nearest

    inner = rng.standard_normal((3, 2, k, k))
    spec, w = fold_nearest(Conv((k, k), 1, (k // 2, k // 2)), inner, (s, s))
    conv, fitted, lost = fit_resize_conv(spec, w)
    assert lost < 1e-12
    assert_close(fitted, inner, limit=1e-9)
    assert [a.begin for a in conv.per_axis(2)] == [k // 2] * 2


@given(layers(dilated=False))
def test_the_fit_is_the_least_squares_one_and_keeps_the_size(case: Any) -> None:
    spec, w, x = case
    try:
        conv, fitted, lost = fit_resize_conv(spec, w)
    except NotRepresentable:
        return
    rank = w.ndim - 2
    s = tuple(a.stride for a in spec.per_axis(rank))
    resize = upweave.ResizeConv(
        conv.kernel, s, tuple((a.begin, a.end) for a in conv.per_axis(rank)), groups=spec.groups
    )
    want = upweave.impulse_response(spec, w, rank=rank)
    for nudge, bound in ((0.0, lost), (1e-3, lost)):
        trial = fitted + nudge * np.random.default_rng(1).standard_normal(fitted.shape)
        got = upweave.impulse_response(resize, trial, rank=rank)
        distance = _distance(got, want) / np.linalg.norm(w)
        assert distance >= bound - 1e-9
        if not nudge:
            assert distance == pytest.approx(bound, abs=1e-9)
    assert tuple(upweave.output_size(resize, x.shape[2:])) == tuple(layer(x, spec, w).shape[2:])


def _distance(a: Any, b: Any) -> float:
    """Between two impulse responses on one grid of offsets."""
    low = [min(p, q) for p, q in zip(a.low, b.low, strict=True)]
    high = [max(p + n, q + m) for p, n, q, m in zip(a.low, a.h.shape[2:], b.low, b.h.shape[2:], strict=True)]
    placed = []
    for i in (a, b):
        pads = [(p - lo, hi - p - n) for p, n, lo, hi in zip(i.low, i.h.shape[2:], low, high, strict=True)]
        placed.append(np.pad(i.h, [(0, 0), (0, 0), *pads]))
    return float(np.linalg.norm(placed[0] - placed[1]))


def test_fresh_weights_keep_the_variance() -> None:
    spec = ConvTranspose((4, 4), (2, 2), (1, 1))
    w = he_transposed(spec, 64, 64, 0)
    x = torch.from_numpy(rng.standard_normal((4, 64, 16, 16)).clip(0) * np.sqrt(2))
    assert layer(x, spec, w)[..., 2:-2, 2:-2].var().item() == pytest.approx(2.0, rel=0.1)
    tied = icnr(ConvPixelShuffle((3, 3), (2, 2)), 8, 5, 0)
    assert (tied.reshape(5, 4, -1) == tied.reshape(5, 4, -1)[:, :1]).all()
