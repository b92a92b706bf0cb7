"""The native core on thousands of random shapes, values and both gradients, against PyTorch in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.close import assert_close
from tests.ops.peer import by_torch
from upweave.ops import native
from upweave.ops.activation import ACTIVATIONS
from upweave.ops.torch import aten, conv_transpose
from upweave.ops.torch.library import GRAD_INPUT, GRAD_WEIGHT

from .shapes import Shape, shapes

pytestmark = pytest.mark.skipif(not native.available(), reason=f"native core not available: {native.why_not()}")

LIMITS = {torch.float32: 1e-6, torch.float64: 1e-12, torch.bfloat16: 1e-2}
MANY = 10 * (settings.default or settings()).max_examples  # each example takes a few milliseconds
dtypes = pytest.mark.parametrize("dtype", LIMITS, ids=str)


def near(got: torch.Tensor, want: torch.Tensor, free: torch.Tensor) -> None:
    """‖got − want‖ within the dtype's limit; `free` is the square of the norm without cancellation."""
    assert_close(got.double().numpy(), want.numpy(), limit=LIMITS[got.dtype], scale=float(free.sum().sqrt()))


@dtypes
@settings(max_examples=MANY)
@given(shape=shapes(), activation=st.sampled_from(("none", *ACTIVATIONS)))
def test_values(dtype: torch.dtype, shape: Shape, activation: str) -> None:
    tensors = shape.tensors(dtype)
    exact = [None if t is None else t.double() for t in tensors]
    want = by_torch(*exact, shape.p, activation, 0.2)
    got = conv_transpose(*tensors, *shape.numbers, activation, 0.2, "native")
    assert got.dtype == dtype
    near(got, want, by_torch(*(None if t is None else t.square() for t in exact), shape.p))


@dtypes
@settings(max_examples=MANY)
@given(shape=shapes())
def test_gradients(dtype: torch.dtype, shape: Shape) -> None:
    x, weight, _ = shape.tensors(dtype)
    p, numbers = shape.p, shape.numbers
    gy = torch.randn(p.output_shape, generator=torch.Generator().manual_seed(shape.seed)).to(dtype)
    gy = gy.expand_as(gy[:1]) if shape.layout == "expanded" and p.batch == 1 else gy
    for op, rule, a, b, shown in (
        (GRAD_INPUT, aten.grad_input, gy, weight, p.size), (GRAD_WEIGHT, aten.grad_weight, x, gy, p.kernel)
    ):  # fmt: skip
        got = op(a, b, shown, *numbers)
        assert got.dtype == dtype
        wide = a.double(), b.double()
        near(got, rule(*wide, shown, *numbers), rule(*(t.square() for t in wide), shown, *numbers))
