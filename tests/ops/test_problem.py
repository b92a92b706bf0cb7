"""Problems: sizes, and one clear error for each thing that does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import upweave
from tests.ops.cases import Case, cases
from upweave.ops.problem import LARGEST, LONGEST, Problem, problem


@given(case=cases())
def test_sizes_are_the_calculus_s(case: Case) -> None:
    p = case.p
    spec = upweave.ConvTranspose(p.kernel, p.stride, p.padding, p.output_padding, p.dilation, p.groups)
    assert p.out == upweave.output_size(spec, p.size)
    assert p.rank == len(p.size)
    assert p.input_shape == case.x.shape
    assert p.weight_shape == case.weight.shape
    assert p.output_shape == (p.batch, p.c_out, *p.out)
    assert p.multiplies == p.batch * upweave.multiplies(spec, p.c_in, p.c_out, p.size)


def test_one_number_holds_on_every_axis() -> None:
    shapes: Any = ((1, 2, 5, 6), (2, 3, 4, 4), (3,))
    once = problem(*shapes, stride=2, padding=1)
    assert (once.stride, once.padding, once.out) == ((2, 2), (1, 1), (10, 12))
    assert once == problem(*shapes, stride=(2,), padding=[1, 1]) == problem(*shapes, stride=(2, 2), padding=(1, 1))  # type: ignore[arg-type]


def test_a_problem_is_checked_once() -> None:
    call = lambda: problem((1, 2, 5), (2, 3, 4), stride=(2,), padding=(1,))  # noqa: E731
    assert call() is call()


def test_numbers_of_any_library_and_nothing_else() -> None:
    """1, 1.0 and True are equal and hash alike: none may find what the other left in the cache."""
    shapes: Any = ((1, 2, 5), (2, 3, 4))
    assert problem(*shapes, stride=1) is problem(*shapes, stride=np.int64(1))
    assert problem(*shapes, stride=(1,), groups=np.int32(1)) == problem(*shapes)
    assert all(type(n) is int for n in problem(*shapes, stride=(np.int64(1),)).stride)
    for wrong in (True, 1.0, (1.0,), (True,), "1", None, [[1]], ((1, 1),), np.array([1.0])):
        with pytest.raises(upweave.SpecError, match="stride must be an int or a tuple of ints"):
            problem(*shapes, stride=wrong)  # type: ignore[arg-type]


X, W = (1, 4, 5, 6), (4, 3, 3, 3)


@pytest.mark.parametrize(
    ("x", "w", "bias", "more", "match"),
    [
        ((4, 5), W, None, {}, r"shape \(4, 5\) has 0 spatial axes"),
        ((4,), W, None, {}, r"shape \(4,\) has 0 spatial axes"),
        ((1, 4, 5, 6, 7, 8), W, None, {}, "has 4 spatial axes; 1, 2 or 3"),
        ((1, 4, 5), W, None, {}, r"weight of shape \(4, 3, 3, 3\) does not fit .* \(1, 4, 5\): .* 3 axes"),
        ((1, 4, 0, 6), W, None, {}, r"\(1, 4, 0, 6\) is empty; only the batch"),
        ((-1, 4, 5, 6), W, None, {}, r"\(-1, 4, 5, 6\) is empty"),
        ((1, 0, 5, 6), (0, 3, 3, 3), None, {}, "is empty"),
        (X, (4, 3, 0, 3), None, {}, r"weight of shape \(4, 3, 0, 3\) is empty"),
        (X, (5, 3, 3, 3), None, {}, r"input has 4 channels, the weight of shape \(5, 3, 3, 3\) reads 5"),
        (X, W, None, {"groups": 3}, "4 input channels do not split into 3 groups"),
        (X, W, None, {"groups": 0}, "groups must be at least 1, got 0"),
        (X, W, None, {"groups": -2}, "groups must be at least 1, got -2"),
        (X, W, None, {"groups": (2, 2)}, r"groups must be one int, got \(2, 2\)"),
        (X, W, (4,), {}, r"bias of shape \(4,\) does not fit 3 output channels"),
        (X, W, (3, 1), {}, r"bias of shape \(3, 1\) does not fit 3"),
        (X, W, (3,), {"groups": 2}, "does not fit 6 output channels"),
        (X, W, None, {"stride": 0}, "stride must be at least 1, got"),
        (X, W, None, {"stride": (1, -2)}, r"stride must be at least 1, got \(1, -2\)"),
        (X, W, None, {"padding": -1}, "padding must be at least 0"),
        (X, W, None, {"dilation": 0}, "dilation must be at least 1"),
        (X, W, None, {"stride": 2, "output_padding": 2}, "output_padding 2 must be smaller than stride 2 or"),
        (X, W, None, {"output_padding": -1}, "output_padding must be at least 0"),
        (X, W, None, {"stride": (2, 2, 2)}, r"stride \(2, 2, 2\) has 3 entries; the input has 2 spatial axes"),
        (X, W, None, {"padding": ()}, r"padding \(\) has 0 entries"),
        (X, W, None, {"padding": 4}, r"output of size \(-1, 0\) with kernel \(3, 3\), .*, padding \(4, 4\)"),
        (X, W, None, {"stride": 2**31}, "stride .* is more than 2147483647"),
        (X, W, None, {"dilation": 2**63}, "dilation .* is more than 2147483647"),
        (X, W, None, {"padding": 10**30}, "padding .* is more than 2147483647"),
        (X, W, None, {"stride": 2**30}, "the output would have shape .* more than can be addressed"),
        ((2**31, 4, 5, 6), W, None, {}, "the input would have shape .* more than can be addressed"),
        ((1, 1, 2**31 - 1, 2**31 - 1), (1, 1, 1, 1), None, {}, "the input would have shape"),
        ((1, 2**10, 4), (2**10, 2**30, 2**30), None, {}, "the weight would have shape"),
        ((0, 1, 2**20, 2**20), (1, 1, 1, 1), None, {"stride": 2**10 - 1}, "the output would have shape"),
    ],
)  # fmt: skip
def test_each_misfit_is_one_clear_error(x: Any, w: Any, bias: Any, more: Any, match: str) -> None:
    with pytest.raises(upweave.SpecError, match=match) as error:
        problem(x, w, bias, **more)
    assert "\n" not in str(error.value)


@given(
    n=st.integers(-1, 2**40), c=st.integers(0, 2**40), h=st.integers(0, 2**70), k=st.integers(0, 2**70),
    s=st.integers(-1, 2**70), p=st.integers(-1, 2**70), d=st.integers(0, 2**70),
)  # fmt: skip
def test_whatever_passes_is_addressable(n: int, c: int, h: int, k: int, s: int, p: int, d: int) -> None:
    try:
        found = problem((n, c, h), (c, 2, k), stride=s, padding=p, dilation=d)
    except upweave.SpecError:
        return
    assert isinstance(found, Problem)
    for shape in (found.input_shape, found.weight_shape, found.output_shape):
        elements = 1
        for length in shape:
            assert 0 <= length <= LONGEST
            elements *= max(length, 1)
        assert elements <= LARGEST < 2**63 // 8
    assert found.stride[0] * found.size[0] + found.dilation[0] * found.kernel[0] + found.padding[0] < 2**63
