"""Coverage against the matrix, by sums, and at the borders."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upweave.boundary import exact_interior
from upweave.convert import boundary, phase_bank, taps
from upweave.errors import NotRepresentable, SpecError
from upweave.interpolation import samples_read
from upweave.spec import Conv, ConvTranspose, FirUpsample, ResizeConv, ZeroInsertConv
from upweave.theory.coverage import (
    coverage,
    coverage_line,
    coverage_variance,
    empty_residues,
    gaps,
    uncovered_border,
)
from upweave.theory.matrix import matrix

from ..strategies import UPSAMPLERS, layers, specs


def test_dilation_leaves_the_off_lattice_residues_empty():
    spec = ConvTranspose(3, 2, dilation=2)
    assert coverage(spec).tolist() == [3, 0]
    assert (gaps(spec), empty_residues(spec)) == ((1,), ((1,),))
    assert coverage(ConvTranspose(99, 4, dilation=2)).tolist() == [50, 0, 49, 0]
    assert coverage(ConvTranspose(3, 2, 1, dilation=2)).tolist() == [0, 3]


def test_two_axes_multiply():
    assert coverage(ConvTranspose((3, 4), 2)).tolist() == [[4, 4], [2, 2]]
    assert coverage(ConvTranspose((3, 3), 2)).tolist() == [[4, 2], [2, 1]]
    assert coverage_variance(ConvTranspose((4, 4), 2)) == 0


@pytest.mark.parametrize("name", UPSAMPLERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_coverage_adds_up(name, data):
    spec = data.draw(specs(name))
    axes = spec.per_axis()
    counts = coverage(spec)
    assert counts.shape == tuple(a.stride for a in axes)
    total = 1
    for a in axes:
        if name == "ConvPixelShuffle":
            total *= a.stride * a.kernel
        elif name == "ResizeConv":
            total *= a.stride * a.kernel * (samples_read(spec.mode) if a.stride > 1 else 1)
        else:
            total *= a.kernel
    assert counts.sum() == total
    np.testing.assert_array_equal(counts, coverage(phase_bank(spec)))
    if name in ("ConvPixelShuffle", "ResizeConv"):
        assert coverage_variance(spec) == 0


@pytest.mark.parametrize("name", UPSAMPLERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_line_counts_the_rows_of_the_matrix_of_ones(name, data):
    layer = data.draw(layers(name))
    spec = layer.spec
    if name == "FirUpsample":
        spec = FirUpsample((1.0,) * len(spec.taps), spec.stride, spec.padding, normalise=False)
    line = coverage_line(spec, layer.size)
    groups = getattr(spec, "groups", 1)
    if name != "ResizeConv" or spec.mode == "nearest":
        rows = matrix(spec, layer.size).toarray().sum(axis=1)
    else:  # an interpolator's weights add up to 1 wherever it stands: rows count the taps of the convolution
        reads = math.prod(samples_read(spec.mode) if a.stride > 1 else 1 for a in spec.per_axis(layer.rank))
        rows = matrix(spec, layer.size).toarray().sum(axis=1) * reads
    if name == "ConvPixelShuffle" and groups > 1:
        rows = rows[: line.size]  # one input channel feeds each row either way
    np.testing.assert_allclose(line.reshape(-1), rows.reshape(-1, line.size)[0])


@pytest.mark.parametrize("name", UPSAMPLERS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_line_is_periodic_in_the_interior(name, data):
    (spec,) = data.draw(specs(name, 1)).per_axis()
    try:
        line = coverage_line(spec, (9,))
    except SpecError:
        return
    counts = coverage(spec)
    for n in exact_interior(taps(spec)[0], 9, len(line)):
        assert line[n] == counts[n % len(counts)]
    assert line.max() <= counts.max()


def test_a_banks_line_needs_its_boundary():
    spec = ConvTranspose((3, 4), 2, 1)
    bank = phase_bank(spec)
    np.testing.assert_array_equal(coverage_line(bank, 5, boundary(spec)), coverage_line(spec, 5))
    with pytest.raises(SpecError, match="boundaries"):
        coverage_line(bank, 5)


def test_output_padding_beyond_the_padding_is_never_covered():
    assert uncovered_border(ConvTranspose(2, 3, 0, 2)) == ((0, 2),)
    assert uncovered_border(ConvTranspose(3, 2, 1, 1)) == ((0, 0),)
    assert uncovered_border(ConvTranspose((3, 3), 3, ((0, 1), 0), (2, 1))) == ((0, 1), (0, 1))
    assert coverage_line(ConvTranspose(3, 3, 0, 2), 4).tolist() == [1] * 12 + [0, 0]


@pytest.mark.parametrize("name", UPSAMPLERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_uncovered_border_is_never_covered(name, data):
    (spec,) = data.draw(specs(name, 1)).per_axis()
    try:
        line = coverage_line(spec, (8,))
    except SpecError:
        return
    ((begin, end),) = uncovered_border(spec)
    assert not line[:begin].any()
    assert not line[len(line) - end :].any()
    # a dilated footprint has holes of its own near the ends
    if not any(gaps(spec)) and begin + end < len(line) and getattr(spec, "dilation", 1) == 1:
        covered = line.nonzero()[0]
        assert (covered[0], len(line) - 1 - covered[-1]) == (begin, end)


def test_zero_insertion_with_too_much_padding():
    assert uncovered_border(ZeroInsertConv(3, 2, 4)) == ((2, 2),)
    assert uncovered_border(ResizeConv(3, 2, 4, mode="linear")) == ((2, 2),)


def test_a_convolution_has_no_coverage_of_its_own():
    with pytest.raises(NotRepresentable, match="adjoint"):
        coverage(Conv(3, 2, 1))
