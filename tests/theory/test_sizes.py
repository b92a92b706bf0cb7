"""Sizes against brute force and against torch."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upweave.errors import SpecError
from upweave.spec import REGISTRY, Conv, ConvTranspose, ResizeConv
from upweave.theory.adjoint import adjoint
from upweave.theory.sizes import input_sizes, output_size, output_sizes

from ..strategies import specs


def test_shapes_of_the_answer():
    assert output_size(ConvTranspose(3, 2, 1, 1), 5) == 10
    assert output_size(ConvTranspose(3, 2, 1, 1), (5, 6)) == (10, 12)
    assert output_size(ConvTranspose((3, 4), 2, 1), 5) == (9, 10)
    assert output_size(ConvTranspose((3,), 2, 1), 5) == (9,)
    assert output_sizes(ConvTranspose((3, 4), (2, 3), 1), 5) == ((9, 10), (14, 15, 16))
    assert input_sizes(Conv((3, 3), 2, 1), (3, 3)) == (((5, 0), (6, 1)),) * 2


def test_too_short_names_the_least_input():
    with pytest.raises(SpecError, match="output of length -1; the input must be at least 2"):
        output_size(ConvTranspose(2, 2, 2, 1), 1)
    with pytest.raises(SpecError, match="at least 5"):
        output_size(Conv(5, 2), 4)
    with pytest.raises(SpecError, match="at least 3"):
        output_size(ResizeConv(5, 2), 2)
    for spec in (ConvTranspose(2, 2, 2, 1), Conv(5, 2), ResizeConv(5, 2)):
        least = next(n for n in range(1, 9) if _can(spec, n))
        with pytest.raises(SpecError, match=f"at least {least}"):
            output_size(spec, least - 1)


@pytest.mark.parametrize("name", sorted(REGISTRY))
@pytest.mark.parametrize("function", [output_size, output_sizes])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_numbers_in_a_refusal_are_true(function, name, data):
    """The length that it names is what the formula gives, and the least input is the least that is not refused."""
    (spec,) = data.draw(specs(name, 1)).per_axis()
    least = next(n for n in range(1, 40) if _can(spec, (n,), function))
    for n in range(1, least):
        with pytest.raises(SpecError) as refusal:
            function(spec, (n,))
        said = re.fullmatch(
            rf"{name}: (?:an input of length (\d+) gives an output of length|for an input of length (\d+) the longest "
            r"output that a convolution takes back to it would be) (-?\d+); the input must be at least (\d+)",
            str(refusal.value),
        )
        assert said, refusal.value
        length = _formula(spec, n)
        if function is output_sizes and name in ("ConvTranspose", "ZeroInsertConv"):
            length += spec.stride - 1 - spec.output_padding
        assert [int(x) for x in said.groups() if x is not None] == [n, length, least]


def _formula(spec, n):
    """The output's length by each layer's own definition."""
    name, s = type(spec).__name__, spec.stride
    if name == "FirUpsample":
        return s * n if spec.padding == "same" else s * n + spec.begin + spec.end - (len(spec.taps) - 1)
    reach, pads = spec.dilation * (spec.kernel - 1), spec.begin + spec.end
    return {
        "Conv": lambda: math.floor((n + pads - reach - 1) / s) + 1,
        "ConvTranspose": lambda: s * (n - 1) + reach + 1 - pads + spec.output_padding,
        "ZeroInsertConv": lambda: s * (n - 1) + 1 + spec.output_padding + pads - reach,
        "ConvPixelShuffle": lambda: s * (n + pads - reach),
        "ResizeConv": lambda: s * n + pads - reach,
    }[name]()


def _can(spec, n, function=output_size):
    try:
        function(spec, n)
    except SpecError:
        return False
    return True


def _brute(spec, name, h):
    """{output: o} of input h over every o that the spec allows."""
    if name not in ("ConvTranspose", "ZeroInsertConv"):
        options = [(0, spec)]
    else:
        most = max(spec.stride, spec.dilation) if name == "ConvTranspose" else spec.stride
        options = [(o, type(spec)(spec.kernel, spec.stride, spec.padding, o, spec.dilation)) for o in range(most)]
    return {output_size(s, (h,))[0]: o for o, s in options if _can(s, (h,))}


@pytest.mark.parametrize("name", sorted(REGISTRY))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_input_sizes_against_brute_force(name, data):
    (spec,) = data.draw(specs(name, 1)).per_axis()
    output = data.draw(st.integers(1, 12))
    brute = [(h, _brute(spec, name, h)) for h in range(1, 60)]
    expected = [(h, outs[output]) for h, outs in brute if output in outs]
    found = input_sizes(spec, (output,))[0]
    if name == "Conv":
        assert [h for h, _ in found] == [h for h, _ in expected]
        assert all(output_size(adjoint(spec, (n,)), (output,)) == (n,) for n, _ in found)
        assert [adjoint(spec, (n,)).output_padding for n, _ in found] == [(o,) for _, o in found]
    else:
        assert list(found) == expected


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_output_sizes_are_those_the_convolution_takes_back(data):
    (spec,) = data.draw(specs("ConvTranspose", 1)).per_axis()
    h = data.draw(st.integers(1, 9))
    down = Conv(spec.kernel, spec.stride, spec.padding, spec.dilation)
    expected = tuple(n for n in range(1, 80) if _can(down, (n,)) and output_size(down, (n,)) == (h,))
    if not expected:
        with pytest.raises(SpecError):
            output_sizes(spec, (h,))
        return
    assert output_sizes(spec, (h,)) == (expected,)


@pytest.mark.parametrize("bad", [0, -3, 2.5, True])
def test_bad_sizes_raise(bad):
    with pytest.raises(SpecError):
        output_size(ConvTranspose(3, 2), bad)
