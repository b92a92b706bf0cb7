"""The operators on a GPU: Triton's kernels where they were measured or are expected to win, ATen (cuDNN) elsewhere.

The functions named `…_by_triton` are backend "triton" asked for by name: they run Triton's kernels, or raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...errors import BackendError
from ..problem import Problem
from ..triton import available
from ..triton.choice import Direction
from ..triton.choose import refusal
from . import kernels

_Ints = Sequence[int]
_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}


def why_not(p: Problem, *operands: torch.Tensor | None) -> str:
    """Why Triton's kernels cannot run these operands; empty if they can."""
    missing = available.why_not()
    if missing:
        return f"Triton backend not available: {missing}"
    x = operands[0]
    assert x is not None
    present = [t for t in operands if t is not None]
    if any(t.dtype is not x.dtype or t.device != x.device for t in present):
        return "the operands are of different dtypes or on different devices"
    if not x.is_cuda and not available.interpreted():
        return f"Triton runs on a GPU, and the tensors are on {x.device}"
    if x.is_cuda and (old := available.too_old(x.get_device())):
        return old
    return refusal(p, _NAMES.get(x.dtype, str(x.dtype).removeprefix("torch.")))


def decide(p: Problem, direction: Direction, *operands: torch.Tensor | None) -> Any:
    """The choice of kernel and blocks for backend "auto", or None for ATen."""
    if p.batch == 0 or why_not(p, *operands):
        return None
    from ..triton import tune

    return tune.best(p, direction, *operands)


def forward(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints, activation: str, slope: float,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose` on a GPU."""
    p = _forward_problem(x, weight, bias, stride, padding, output_padding, groups, dilation)
    choice = decide(p, "forward", x, weight, bias)
    if choice is None:
        return kernels.forward_anywhere(
            x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope
        )  # fmt: skip
    from ..triton import run

    return run.forward(x, weight, bias, p, activation, slope, choice)


def grad_input(
    gy: torch.Tensor, weight: torch.Tensor, size: _Ints,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose_grad_input` on a GPU."""
    p = _grad_input_problem(gy, weight, size, stride, padding, output_padding, groups, dilation)
    choice = decide(p, "grad_input", gy, weight)
    if choice is None:
        return kernels.grad_input_anywhere(gy, weight, size, stride, padding, output_padding, groups, dilation)
    from ..triton import run

    return run.grad_input(gy, weight, p, choice)


def grad_weight(
    x: torch.Tensor, gy: torch.Tensor, kernel: _Ints,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose_grad_weight` on a GPU."""
    p = _grad_weight_problem(x, gy, kernel, stride, padding, output_padding, groups, dilation)
    choice = decide(p, "grad_weight", x, gy)
    if choice is None:
        return kernels.grad_weight_anywhere(x, gy, kernel, stride, padding, output_padding, groups, dilation)
    from ..triton import run

    return run.grad_weight(x, gy, p, choice)


def forward_by_triton(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints, activation: str, slope: float,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose_triton`."""
    p = _forward_problem(x, weight, bias, stride, padding, output_padding, groups, dilation)
    _must_run(p, x, weight, bias)
    from ..triton import run, tune

    return run.forward(x, weight, bias, p, activation, slope, tune.best_kernel(p, "forward", x, weight, bias))


def grad_input_by_triton(
    gy: torch.Tensor, weight: torch.Tensor, size: _Ints,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose_triton_grad_input`."""
    p = _grad_input_problem(gy, weight, size, stride, padding, output_padding, groups, dilation)
    _must_run(p, gy, weight)
    from ..triton import run, tune

    return run.grad_input(gy, weight, p, tune.best_kernel(p, "grad_input", gy, weight))


def grad_weight_by_triton(
    x: torch.Tensor, gy: torch.Tensor, kernel: _Ints,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
) -> torch.Tensor:  # fmt: skip
    """`upweave::conv_transpose_triton_grad_weight`."""
    p = _grad_weight_problem(x, gy, kernel, stride, padding, output_padding, groups, dilation)
    _must_run(p, x, gy)
    from ..triton import run, tune

    return run.grad_weight(x, gy, p, tune.best_kernel(p, "grad_weight", x, gy))


def _must_run(p: Problem, *operands: torch.Tensor | None) -> None:
    if reason := why_not(p, *operands):
        raise BackendError(f'backend "triton" cannot run this: {reason}')


def _forward_problem(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
) -> Problem:  # fmt: skip
    return kernels.problem_of(
        x.shape, weight.shape, None if bias is None else bias.shape,
        tuple(stride), tuple(padding), tuple(output_padding), groups, tuple(dilation),
    )  # fmt: skip


def _grad_input_problem(
    gy: torch.Tensor, weight: torch.Tensor, size: _Ints,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
) -> Problem:  # fmt: skip
    return kernels.problem_of(
        (gy.shape[0], weight.shape[0], *size), weight.shape, None,
        tuple(stride), tuple(padding), tuple(output_padding), groups, tuple(dilation),
    )  # fmt: skip


def _grad_weight_problem(
    x: torch.Tensor, gy: torch.Tensor, kernel: _Ints,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
) -> Problem:  # fmt: skip
    return kernels.problem_of(
        tuple(x.shape), (x.shape[1], gy.shape[1] // groups, *kernel), None,
        tuple(stride), tuple(padding), tuple(output_padding), groups, tuple(dilation),
    )  # fmt: skip
