"""PyTorch's own samples of conv_transpose1d/2d/3d, forward and gradients, on the CPU."""

from __future__ import annotations

import os

import pytest
import torch

from upweave.ops.torch import conv_transpose

try:
    from torch.testing._internal.common_methods_invocations import op_db
except ModuleNotFoundError as error:  # PyTorch's test code needs the package expecttest, which torch does not install
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        raise
    pytest.skip(f"PyTorch's samples need {error.name}", allow_module_level=True)

OPS = {op.name.rpartition(".")[2]: op for op in op_db if "conv_transpose" in op.name}
LIMITS = {torch.float32: 1e-6, torch.float64: 1e-12, torch.bfloat16: 1e-2}
"""How far off relative to the norm; PyTorch in float64 is the truth, since its bfloat16 is less exact than ours."""


def ours(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, **more):
    """`upweave.ops.torch.conv_transpose` behind the signature of `torch.nn.functional`."""
    rank = weight.dim() - 2

    def per_axis(value):
        return (value,) * rank if isinstance(value, int) else tuple(value) * (rank if len(value) == 1 else 1)

    batched = x.dim() == rank + 2
    y = conv_transpose(
        x if batched else x.unsqueeze(0), weight, bias,
        per_axis(stride), per_axis(padding), per_axis(output_padding), groups, per_axis(dilation), **more,
    )  # fmt: skip
    return y if batched else y.squeeze(0)


def test_all_three_are_there() -> None:
    assert sorted(OPS) == ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def assert_near(found: torch.Tensor, exact: torch.Tensor, limit: float, scale: float = 0.0) -> None:
    assert found.shape == exact.shape
    off = torch.linalg.vector_norm(found.double() - exact)
    assert float(off) <= limit * max(float(torch.linalg.vector_norm(exact)), scale), float(off)


def test_the_comparison_sees_a_difference() -> None:
    with pytest.raises(AssertionError):
        assert_near(torch.tensor([1.0, 1.1]), torch.ones(2, dtype=torch.float64), 1e-2)
    with pytest.raises(AssertionError):
        assert_near(torch.tensor([1.0, float("nan")]), torch.ones(2, dtype=torch.float64), 1e-2)


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("dtype", LIMITS, ids=str)
def test_samples(core: str, name: str, dtype: torch.dtype) -> None:
    op, seen = OPS[name], 0
    limit = LIMITS[dtype] * (1 if core == "native" else 2)  # what stands in for the core is PyTorch's arithmetic
    samples = [
        *op.sample_inputs("cpu", dtype, requires_grad=True),
        *op.reference_inputs("cpu", dtype, requires_grad=True),
        *op.sample_inputs("cpu", dtype),
    ]
    for sample in samples:
        args, kwargs = (sample.input, *sample.args), sample.kwargs
        exact = [a.detach().double().requires_grad_(a.requires_grad) if torch.is_tensor(a) else a for a in args]
        expected, found = op.op(*exact, **kwargs), ours(*args, **kwargs)
        assert found.dtype == op.op(*args, **kwargs).dtype == dtype
        assert_near(found.detach(), expected.detach(), limit)
        leaves = [(a, e) for a, e in zip(args, exact, strict=True) if torch.is_tensor(a) and a.requires_grad]
        if leaves:
            mine, theirs = zip(*leaves, strict=True)
            grad = torch.randn_like(found)
            wanted = torch.autograd.grad(expected, theirs, grad.double())
            for a, b in zip(torch.autograd.grad(found, mine, grad), wanted, strict=True):
                # the bias has the sum of the whole gradient, which may come out small by chance
                assert_near(a, b, limit, float(grad.double().norm()) if a.dim() == 1 else 0.0)
        seen += 1
    assert seen >= 20
