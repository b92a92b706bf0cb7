from __future__ import annotations

import math

import numpy as np
import pytest

import upweave
from upweave.ops.problem import problem
from upweave.ops.reference import reference

torch = pytest.importorskip("torch", reason="the benchmark compares with torch")
from bench import case as cases  # noqa: E402

SMALL = [
    problem((2, 4, 5), (4, 3, 4), stride=3, padding=1, output_padding=2, groups=2),
    problem((1, 2, 3, 4), (2, 3, 3, 2), stride=(2, 1), dilation=(1, 2)),
    problem((1, 2, 2, 3, 2), (2, 1, 2, 2, 3), stride=2, padding=(0, 0, 1)),
]


@pytest.mark.parametrize("p", SMALL, ids=lambda p: f"{p.rank}d")
def test_the_exact_output_is_the_references(p):
    case = cases.make(p)
    spec = upweave.ConvTranspose(p.kernel, p.stride, p.padding, p.output_padding, p.dilation, p.groups)
    for x, y in zip(case.x, cases.exact(case), strict=True):
        expected = reference(spec, x.double().numpy(), case.weight.double().numpy(), case.bias.double().numpy())
        assert np.allclose(y.numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("p", SMALL, ids=lambda p: f"{p.rank}d")
def test_exact_gradients_obey_the_dot_test(p):
    """⟨y − bias, gy⟩ = ⟨x, gx⟩ = ⟨w, gw⟩, since the layer is linear in either."""
    case = cases.make(p)
    gy = torch.randn(p.output_shape, dtype=torch.float64)
    y, gx, gw, gb = cases.exact_gradients(case, gy)
    bias = case.bias.double().reshape(1, -1, *(1,) * p.rank)
    product = float(((y - bias) * gy).sum())
    assert math.isclose(product, float((case.x.double() * gx).sum()), rel_tol=1e-9)
    assert math.isclose(product, float((case.weight.double() * gw).sum()), rel_tol=1e-9)
    assert torch.allclose(gb, gy.sum(dim=(0, *range(2, 2 + p.rank))))


def test_cases_repeat_and_outputs_are_of_order_one():
    p = problem((2, 64, 20, 20), (64, 32, 4, 4), stride=2, padding=1)
    assert torch.equal(cases.make(p).x, cases.make(p).x)
    assert 0.5 < float(cases.exact(cases.make(p)).std()) < 2.5


def test_relative_error_of_wrong_data():
    ones = torch.ones(4, dtype=torch.float64)
    assert cases.relative_error((ones.float(),), (ones,)) == 0
    assert math.isclose(cases.relative_error((1.5 * ones,), (ones,)), 0.5)
    assert math.isclose(cases.relative_error((ones, 1.5 * ones), (ones, ones)), 0.5)


@pytest.mark.parametrize("at", [0, 1])
def test_relative_error_shows_a_nan_wherever_it_is(at):
    parts = [torch.ones(4), torch.ones(4)]
    parts[at] = torch.tensor([1.0, math.nan, 1.0, 1.0])
    assert math.isnan(cases.relative_error(parts, [torch.ones(4).double()] * 2))


def test_relative_error_refuses_other_shapes():
    with pytest.raises(ValueError, match="shapes"):
        cases.relative_error((torch.ones(2, 2),), (torch.ones(4),))
