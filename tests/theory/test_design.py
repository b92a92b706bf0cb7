"""The designer finds everything within its bounds, and ranks it as it says."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upweave.errors import SpecError
from upweave.spec import ConvTranspose
from upweave.theory.design import design, design_chain
from upweave.theory.sizes import output_size


def _brute(h, h_t, strides, dilations, max_kernel):
    found = set()
    for s, d, k in itertools.product(strides, dilations, range(1, max_kernel + 1)):
        for p, o in itertools.product(range(d * (k - 1) + 1), range(max(s, d))):
            if k == 1 and d > min(dilations):
                continue
            try:
                if output_size(spec := ConvTranspose(k, s, p, o, d), h) == h_t:
                    found.add(spec)
            except SpecError:
                pass
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(1, 30), st.sampled_from([(1,), (2,), (1, 3)]))
def test_exhaustive_within_its_bounds(h, h_t, dilations):
    strides = (1, 2, 3)
    expected = _brute(h, h_t, strides, dilations, 6)
    if not expected:
        with pytest.raises(SpecError, match=f"{h} to {h_t}"):
            design(h, h_t, max_kernel=6, stride=strides, dilation=dilations, limit=None)
        return
    found = design(h, h_t, max_kernel=6, stride=strides, dilation=dilations, limit=None)
    assert len(found) == len({c.spec for c in found})
    assert {c.spec for c in found} == expected


def test_best_first():
    best, second = design(8, 16)[:2]
    assert (best.spec, second.spec) == (ConvTranspose(2, 2), ConvTranspose(4, 2, 1))
    assert best.coverage.tolist() == [1, 1]
    assert best.shift == (0,)
    assert best.cost == 2
    assert any("even coverage" in r for r in best.reasons)
    assert "centred" in best.reasons
    every = design(8, 16, limit=None)
    uneven = [bool(c.coverage.max() > c.coverage.min()) for c in every]
    assert uneven == sorted(uneven)
    assert any(uneven)
    worst = next(c for c in every if c.spec == ConvTranspose(3, 2, 1, 1))
    assert "risk of a checkerboard" in str(worst)
    assert "off centre by -1/2" in str(worst)


def test_odd_lengths():
    (best, *_) = design(12, 59)  # 5n − 1
    assert best.spec == ConvTranspose(10, 5, 3)
    assert best.shift == (0,)
    assert design(8, 15)[0].spec.output_padding == 1
    assert all(output_size(c.spec, 7) == 17 for c in design(7, 17, limit=None))


def test_a_gap_is_told():
    (only,) = design(4, 13, max_kernel=1, stride=4)
    assert only.spec == ConvTranspose(1, 4)
    assert any("3 of every 4" in r for r in only.reasons)


def test_axes_together():
    (best, *_) = design((8, 5), (16, 10))
    assert best.spec == ConvTranspose((2, 2), (2, 2), (0, 0), (0, 0), (1, 1))
    assert best.cost == 4
    assert design((4, 4), 8)[0].spec.kernel == (2, 2)
    with pytest.raises(SpecError, match="axes"):
        design((4, 4), (8, 8, 8))


def test_chains():
    steps = design_chain([1, 4, 8, 16])
    assert [output_size(s[0].spec, h) for s, h in zip(steps, [1, 4, 8], strict=True)] == [4, 8, 16]
    with pytest.raises(SpecError, match="step 2, 4 to 1000"):
        design_chain([2, 4, 1000], stride=2)
    with pytest.raises(SpecError, match="two sizes"):
        design_chain([4])


@pytest.mark.parametrize(
    "arguments",
    [{"max_kernel": 0}, {"limit": 0}, {"stride": 0}, {"dilation": ()}],
)
def test_bad_bounds(arguments):
    with pytest.raises(SpecError):
        design(4, 8, **arguments)
    with pytest.raises(SpecError):
        design(0, 8)
