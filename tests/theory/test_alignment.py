"""Alignment against a tracked bright pixel, and the kinds by example."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upweave.convert import boundary, impulse_response, phase_bank
from upweave.errors import NotRepresentable, SpecError
from upweave.spec import Conv, ConvPixelShuffle, ConvTranspose, FirUpsample, ResizeConv
from upweave.theory.alignment import alignment
from upweave.theory.matrix import matrix
from upweave.theory.sizes import output_size

from ..strategies import UPSAMPLERS, specs


@pytest.mark.parametrize(
    ("spec", "kind", "shift"),
    [
        (ConvTranspose(4, 2, 1), "centred", 0),
        (ConvTranspose(2, 2), "centred", 0),
        (ConvTranspose(6, 3, 2, 1), "other", Fraction(-1, 2)),
        (ConvTranspose(5, 2, 2, 1), "phase-0", Fraction(-1, 2)),
        (ConvTranspose(3, 2, 1, 1), "phase-0", Fraction(-1, 2)),
        (ConvTranspose(3, 2, 1), "corner", Fraction(-1, 2)),
        (ConvTranspose((4,), 2, ((0, 2),)), "causal", 1),
        (ConvTranspose(4, 2), "other", 1),
        (ConvTranspose(3, 1, 1), "centred", 0),
        (ConvPixelShuffle(3, 2, 1), "centred", 0),
        (ConvPixelShuffle((2,), 2, ((1, 0),)), "causal", 1),
        (ResizeConv(3, 2, 1), "centred", 0),
        (ResizeConv(3, 3, 1, mode="linear"), "centred", 0),
        (ResizeConv(3, 4, 1, mode="cubic"), "centred", 0),
        (FirUpsample((1, 3, 3, 1)), "centred", 0),
        (FirUpsample((1, 2, 1), 2), "phase-0", Fraction(-1, 2)),
        (FirUpsample((1, 2, 1), 3), "centred", 0),
    ],
)
def test_kinds(spec, kind, shift):
    (axis,) = alignment(spec).axes
    assert (axis.kind, axis.shift_half_pixel) == (kind, shift)
    assert axis.shift_half_pixel == axis.shift_point - Fraction(axis.stride - 1, 2)
    bank = alignment(phase_bank(spec), boundary=boundary(spec)).axes[0]
    assert (bank.kind, bank.offset) == (axis.kind, axis.offset)


def test_a_bank_without_its_boundary_is_never_corner_or_causal():
    assert alignment(phase_bank(ConvTranspose(3, 2, 1))).kind == "phase-0"


@pytest.mark.parametrize("name", UPSAMPLERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_bright_pixel_lands_at_the_centroid(name, data):
    (spec,) = data.draw(specs(name, 1)).per_axis()
    n = 15
    try:
        length = output_size(spec, (n,))[0]
    except SpecError:
        return
    weight = None
    if name != "FirUpsample":
        weight = np.random.default_rng(data.draw(st.integers(0, 99))).uniform(0.5, 1, _shape(spec, name))
    (axis,) = alignment(spec, weight).axes if weight is not None else alignment(phase_bank(spec)).axes
    reach = axis.stride * (n // 2) + impulse_response(spec, weight).positions(0)
    if getattr(spec, "groups", 1) > 1 or reach[0] < 0 or reach[-1] >= length:
        return
    line = matrix(spec, (n,), weight).toarray()[:, n // 2]
    tracked = (line * np.arange(length)).sum() / line.sum()
    assert tracked == pytest.approx(axis.stride * (n // 2) + axis.centroid)
    if weight is not None and name in ("ConvTranspose", "ZeroInsertConv", "ResizeConv"):
        flat = alignment(spec, np.ones_like(weight)).axes[0]
        assert flat.centroid == pytest.approx(float(axis.offset))


def _shape(spec, name):
    lead = spec.groups * (spec.stride if name == "ConvPixelShuffle" else 1)
    return (lead, 1, spec.kernel)


def test_the_centroid_follows_the_weights():
    weight = np.zeros((1, 1, 3, 4))
    weight[0, 0, 0, 3] = 5
    a = alignment(ConvTranspose((3, 4), 2, 1), weight)
    assert [x.centroid for x in a.axes] == [-1, 2]
    assert [x.offset for x in a.axes] == [0, Fraction(1, 2)]
    assert a.axes[1].centroid_shift_half_pixel == 1.5
    assert alignment(ConvTranspose(2, 2), np.array([1.0, -1.0])).axes[0].centroid is None
    assert alignment(ConvTranspose(2, 2)).axes[0].centroid_shift_half_pixel is None


def test_axes_that_differ_are_mixed():
    a = alignment(ConvTranspose((4, 3), 2, 1, (0, 1)))
    assert a.kind == "mixed"
    assert not a.is_centred
    assert alignment(ConvTranspose((4, 2), 2, (1, 0))).is_centred


def test_a_convolution_is_no_upsampler():
    with pytest.raises(NotRepresentable):
        alignment(Conv(3, 2, 1))
