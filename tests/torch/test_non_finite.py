"""NaN and infinities arise where the definition has them and nowhere else, at borders as inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from upweave.ops import native
from upweave.ops.problem import Problem
from upweave.ops.torch import PACKED, aten, conv_transpose
from upweave.ops.torch.library import GRAD_INPUT, GRAD_WEIGHT

from . import definition
from .shapes import LAST, Shape, shapes

pytestmark = [
    pytest.mark.skipif(not native.available(), reason=f"native core not available: {native.why_not()}"),
    pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning"),
]
VALUES = (float("nan"), float("inf"), -float("inf"))
DTYPES = (torch.float32, torch.bfloat16, torch.float64)
few = settings(max_examples=2 * (settings.default or settings()).max_examples)


def kinds(a: Any) -> np.ndarray:
    """0 for a number, 1 for NaN, 2 for +∞, 3 for −∞."""
    a = np.asarray(a.double() if isinstance(a, torch.Tensor) else a)
    return np.isnan(a) * 1 + np.isposinf(a) * 2 + np.isneginf(a) * 3


def same(got: torch.Tensor, want: np.ndarray) -> None:
    wrong = np.argwhere(kinds(got) != kinds(want))
    assert not len(wrong), f"{len(wrong)} elements, the first at {wrong[0]}: got {got[tuple(wrong[0])]}"


def test_the_comparison_sees_a_difference() -> None:
    with pytest.raises(AssertionError, match="2 elements"):
        same(torch.tensor([1.0, float("nan"), float("inf")]), np.array([1.0, np.inf, np.nan]))


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[Shape, list[torch.Tensor], torch.Tensor]:
    """A small shape, x, weight and bias, and the output's gradient, some elements of which are no numbers."""
    shape = draw(shapes().filter(lambda s: s.p.batch and s.p.multiplies < 30_000))
    dtype = draw(st.sampled_from(DTYPES))
    made = [np.random.default_rng(shape.seed).standard_normal(s) for s in (
        shape.p.input_shape, shape.p.weight_shape, (shape.p.c_out,), shape.p.output_shape,
    )]  # fmt: skip
    for a in made:
        for _ in range(draw(st.sampled_from((0, 1, 1, 3)))):
            # corners as often as anything else, since it is borders that go wrong
            corner = draw(st.booleans())
            at = tuple(draw(st.sampled_from((0, n - 1)) if corner else st.integers(0, n - 1)) for n in a.shape)
            a[at] = draw(st.sampled_from(VALUES))
    *tensors, gy = (torch.from_numpy(a).to(dtype) for a in made)
    if shape.layout == "channels last" and tensors[0].dim() in LAST:
        tensors[0] = tensors[0].contiguous(memory_format=LAST[tensors[0].dim()])
    return shape, tensors, gy


def exact(*tensors: torch.Tensor) -> list[np.ndarray]:
    return [t.double().numpy() for t in tensors]


@few
@given(drawn=spoiled())
def test_values(drawn: Any) -> None:
    shape, tensors, _ = drawn
    want = definition.forward(*exact(*tensors), shape.p)
    same(conv_transpose(*tensors, *shape.numbers, backend="native"), want)
    relu = torch.from_numpy(want).relu().numpy()
    same(conv_transpose(*tensors, *shape.numbers, "relu", 0.0, "native"), relu)


@few
@given(drawn=spoiled())
def test_gradient_of_the_input(drawn: Any) -> None:
    shape, (_, weight, _), gy = drawn
    same(GRAD_INPUT(gy, weight, shape.p.size, *shape.numbers), definition.grad_input(*exact(gy, weight), shape.p))


@few
@given(drawn=spoiled())
def test_gradient_of_the_weight(drawn: Any) -> None:
    """An infinite input at the border meets padding in PyTorch's own gradient, and 0 · ∞ is NaN: either will do."""
    shape, (x, _, _), gy = drawn
    got = GRAD_WEIGHT(x, gy, shape.p.kernel, *shape.numbers)
    want = kinds(definition.grad_weight(*exact(x, gy), shape.p))
    theirs = kinds(aten.grad_weight(x.double(), gy.double(), shape.p.kernel, *shape.numbers))
    found = kinds(got)
    wrong = np.argwhere((found != want) & (found != theirs))
    assert not len(wrong), f"{len(wrong)} elements, the first at {wrong[0]}: got {got[tuple(wrong[0])]}"


def problem_of(x: torch.Tensor, weight: torch.Tensor) -> Problem:
    from upweave.ops.problem import problem

    return problem(tuple(x.shape), tuple(weight.shape), stride=2, padding=1)


def test_a_packed_weight_that_turns_infinite_and_back() -> None:
    x, weight = torch.randn(1, 32, 5, 6), torch.randn(32, 16, 4, 4)
    PACKED.clear()
    for value in (1.0, float("inf"), float("nan"), 2.0):
        weight[3, 2, 0, 0] = value  # the tap at the corner, which padding cuts from the outputs at the border
        for x_now in (x, x.contiguous(memory_format=torch.channels_last)):
            y = conv_transpose(x_now, weight, None, (2, 2), (1, 1), (0, 0), 1, (1, 1), backend="native")
            same(y, definition.forward(*exact(x, weight), None, problem_of(x, weight)))
    PACKED.clear()
