"""Invalid hyper-parameters raise at the edge, naming the number."""

import numpy as np
import pytest

from upweave.errors import SpecError
from upweave.spec import REGISTRY, Conv, ConvPixelShuffle, ConvTranspose, FirUpsample, ResizeConv, ZeroInsertConv

from .strategies import UPSAMPLERS


def test_registry_lists_every_spec():
    assert set(REGISTRY) == {*UPSAMPLERS, "Conv"}
    assert {ConvTranspose, ZeroInsertConv, ConvPixelShuffle, ResizeConv, FirUpsample, Conv} == set(REGISTRY.values())


@pytest.mark.parametrize("name", sorted(set(REGISTRY) - {"FirUpsample"}))
@pytest.mark.parametrize(
    ("field", "value"),
    [("kernel", 0), ("stride", 0), ("padding", -1), ("dilation", 0), ("groups", 0), ("kernel", 1.5), ("stride", True)],
)
def test_each_field_is_checked(name, field, value):
    with pytest.raises(SpecError, match=field):
        REGISTRY[name](**{"kernel": 3, field: value})


def test_messages_name_the_numbers():
    with pytest.raises(SpecError, match="output_padding 2 must be smaller than stride 2 or dilation 1"):
        ConvTranspose(3, 2, output_padding=2)
    assert ConvTranspose(3, 2, output_padding=2, dilation=3).output_padding == 2
    with pytest.raises(SpecError, match=r"kernel has 2.*stride has 3"):
        ConvTranspose((3, 3), (2, 2, 2))
    with pytest.raises(SpecError, match="pair"):
        ConvTranspose((3,), 2, ((1, 2, 3),))
    with pytest.raises(SpecError, match="add up to 0"):
        FirUpsample((1, -1))
    with pytest.raises(SpecError, match="empty"):
        FirUpsample(())
    with pytest.raises(SpecError, match="mode"):
        ResizeConv(3, 2, mode="area")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="2 axes, but 3"):
        ConvTranspose((3, 3)).per_axis(3)


def test_lists_and_numpy_integers_become_plain():
    spec = ConvTranspose([3, 3], np.int64(2), [1, (0, 1)])  # type: ignore[arg-type]
    assert spec == ConvTranspose((3, 3), 2, (1, (0, 1)))
    assert hash(spec) == hash(ConvTranspose((3, 3), 2, (1, (0, 1))))
    assert [(a.begin, a.end) for a in spec.per_axis()] == [(1, 1), (0, 1)]


def test_fir_same_padding_is_centred_where_integers_allow():
    assert (FirUpsample((1, 3, 3, 1)).begin, FirUpsample((1, 3, 3, 1)).end) == (2, 1)
    (axis,) = FirUpsample((1, 3, 3, 1)).per_axis()
    assert axis.begin + axis.end == 3
