"""Fans and multiplications, counted by hand and by loops."""

import pytest

from upweave.errors import SpecError
from upweave.spec import Conv, ConvPixelShuffle, ConvTranspose, FirUpsample, ResizeConv, ZeroInsertConv
from upweave.theory.cost import multiplies
from upweave.theory.coverage import coverage
from upweave.theory.fans import fans


def test_fan_in_is_the_mean_number_of_weights_an_output():
    spec = ConvTranspose((3, 4), 2, 1, groups=2)
    fan_in, fan_out = fans(spec, 8, 6)
    assert fan_in == 8 / 2 * coverage(spec).mean()
    assert fan_out == 6 / 2 * 12
    assert fans(ZeroInsertConv((3, 4), 2, 1, groups=2), 8, 6) == (fan_in, fan_out)


def test_fans_of_the_others():
    assert fans(Conv((3, 3), 2, 1), 4, 8) == (36, 18)
    assert fans(ConvPixelShuffle((3, 3), 2, 1), 4, 8) == (36, 8 * 4 * 9)
    assert fans(ResizeConv((3, 3), 2, 1), 4, 8) == (36, 72)
    assert fans(FirUpsample((1, 3, 3, 1), (2, 2)), 4, 4) == (4, 16)


def test_a_transposed_convolution_multiplies_at_its_inputs():
    spec = ConvTranspose((4, 4), 2, 1)
    assert multiplies(spec, 64, 32, (8, 8)) == 64 * 32 * 16 * 64
    assert multiplies(spec, 64, 32, (8, 8), batch=3) == 3 * multiplies(spec, 64, 32, 8)
    assert multiplies(ConvTranspose(4, 2, 1, groups=4), 8, 16, 10) == 8 * 4 * 4 * 10


def test_the_others_multiply_where_their_convolution_stands():
    assert multiplies(Conv((3, 3), 2, 1), 4, 8, (8, 8)) == 4 * 8 * 9 * 16
    assert multiplies(ZeroInsertConv((4, 4), 2, 2), 4, 8, (8, 8)) == 4 * 8 * 16 * 16 * 16
    assert multiplies(ResizeConv((3, 3), 2, 1), 4, 8, (8, 8)) == 4 * 8 * 9 * 256
    assert multiplies(ConvPixelShuffle((3, 3), 2, 1), 4, 8, (8, 8)) == 4 * (8 * 4) * 9 * 64
    assert multiplies(FirUpsample((1, 3, 3, 1)), 5, 5, (8, 8)) == 5 * 4 * (16 * 8 + 16 * 16)


def test_folding_a_nearest_resize_saves_what_the_design_says():
    """(k·s/(k+s−1))^d: 2.25× for 3×3 ×2 in 2-D, 3.375× in 3-D."""
    for d, saved in ((2, 2.25), (3, 3.375)):
        resize, folded = ResizeConv((3,) * d, 2, 1), ConvTranspose((4,) * d, 2, 1)
        assert multiplies(resize, 2, 2, 8) / multiplies(folded, 2, 2, 8) == saved


def test_channels_are_checked():
    with pytest.raises(SpecError, match="groups"):
        fans(ConvTranspose(3, 2, groups=2), 3, 4)
    with pytest.raises(SpecError, match="out_channels must be at least 1"):
        multiplies(ConvTranspose(3, 2), 3, 0, 4)
    with pytest.raises(SpecError, match="keeps its channels"):
        fans(FirUpsample((1, 1)), 3, 4)
