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
TOLERANCE = {torch.float32: (1e-5, 1e-5), torch.float64: (1e-10, 1e-10), torch.bfloat16: (3e-2, 6e-2)}


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


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_samples(core: str, name: str, dtype: torch.dtype) -> None:
    op, seen = OPS[name], 0
    rtol, atol = TOLERANCE[dtype]
    samples = [
        *op.sample_inputs("cpu", dtype, requires_grad=True),
        *op.reference_inputs("cpu", dtype, requires_grad=True),
        *op.sample_inputs("cpu", dtype),
    ]
    for sample in samples:
        args, kwargs = (sample.input, *sample.args), sample.kwargs
        expected, found = op.op(*args, **kwargs), ours(*args, **kwargs)
        torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)
        leaves = [t for t in args if isinstance(t, torch.Tensor) and t.requires_grad]
        if leaves:
            grad = torch.randn_like(expected)
            for a, b in zip(
                torch.autograd.grad(found, leaves, grad), torch.autograd.grad(expected, leaves, grad), strict=True
            ):
                torch.testing.assert_close(a, b, rtol=rtol, atol=max(atol, rtol * float(b.detach().abs().max())))
        seen += 1
    assert seen >= 20
