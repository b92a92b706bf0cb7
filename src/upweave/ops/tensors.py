"""torch tensors on their way to a backend: what is checked, what goes through NumPy's view of the same memory."""

from __future__ import annotations

import sys
from typing import Any

from ..bank import Array
from ..errors import BackendError, SpecError
from . import backends
from .problem import Problem


def check(torch: Any, x: Any, weight: Any, bias: Any) -> None:
    """Raise `SpecError` unless all tensors are on one device and, but for autocast, of one dtype."""
    for what, t in (("weight", weight), ("bias", bias)):
        if t is None:
            continue
        if not (x.is_cpu and t.is_cpu) and t.device != x.device:  # the first half is the cheap one
            raise SpecError(f"x is on {x.device} and {what} on {t.device}; all must be on one device")
        if t.dtype is not x.dtype and not torch.is_autocast_enabled(x.device.type):
            raise SpecError(f"x is {x.dtype} and {what} is {t.dtype}; all must have one dtype")


def run(backend: str, key: Any, x: Any, weight: Any, bias: Any, p: Problem, activation: str, slope: float) -> Any:
    """PyTorch's or the native operator on batched tensors, differentiable; "auto" is resolved there.

    `key`: by which `operator().CALLS` finds the call the next time, or None.
    """
    return operator().long_way(
        key, x, weight, bias, p.stride, p.padding, p.output_padding, p.groups, p.dilation, activation, slope, backend
    )


def operator() -> Any:
    """The operators of torch tensors, loaded when the first is met."""
    found: Any = sys.modules.get("upweave.ops.torch")  # an import statement on every call costs a microsecond
    if found is None:
        from . import torch as found
    return found


def through_arrays(
    torch: Any, backend: str, x: Any, weight: Any, bias: Any, p: Problem, activation: str, slope: float
) -> Any:
    """The "numpy" or "reference" backend on tensors of the CPU; a half-precision tensor is computed in float64."""
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias)):
        raise BackendError(f"backend {backend!r} has no gradients: use torch.no_grad(), or detach the tensors")
    arrays = [None if t is None else _array(torch, t) for t in (x, weight, bias)]
    return torch.from_numpy(_run(backend, arrays, p, activation, slope, None)).to(x.dtype)


def check_out(torch: Any, out: Any, x: Any, weight: Any, bias: Any, shape: tuple[int, ...]) -> None:
    """Raise `SpecError` unless `out` can take an output of this shape and nothing asks for gradients."""
    reads = [t for t in (x, weight, bias) if t is not None]
    if torch.is_grad_enabled() and any(t.requires_grad for t in (out, *reads)):
        raise SpecError("out= has no gradients: use torch.no_grad(), or detach the tensors")
    if out.shape != shape:
        raise SpecError(f"out has shape {tuple(out.shape)}, the output has {shape}")
    if out.dtype != x.dtype or out.device != x.device:
        raise SpecError(f"out is {out.dtype} on {out.device}, x is {x.dtype} on {x.device}")
    rank = weight.dim() - 2  # PyTorch knows no order with channels last for signals
    if not out.is_contiguous() and not (rank > 1 and out.movedim(-rank - 1, -1).is_contiguous()):
        raise SpecError(
            f"out, {tuple(out.shape)} with strides {out.stride()}, must be contiguous, or dense with channels last"
        )
    first, last = _span(out)
    if any(first < b and a < last for a, b in map(_span, reads)):
        raise SpecError("out overlaps the memory of x, weight or bias")


def run_into(
    torch: Any, backend: str, out: Any, x: Any, weight: Any, bias: Any, p: Problem, activation: str, slope: float
) -> None:
    """The output into `out`, which was checked; written in place where the backend can."""
    if backend in ("native", "triton", "torch"):
        operator().conv_transpose_into(
            out, x, weight, bias,
            p.stride, p.padding, p.output_padding, p.groups, p.dilation, activation, slope, backend,
        )  # fmt: skip
    elif x.dtype in (torch.float32, torch.float64) and out.is_contiguous():
        arrays = [None if t is None else _array(torch, t) for t in (x, weight, bias)]
        _run(backend, arrays, p, activation, slope, out.detach().numpy())
    else:
        with torch.no_grad():
            out.copy_(through_arrays(torch, backend, x, weight, bias, p, activation, slope))


def _run(
    backend: str, arrays: list[Array | None], p: Problem, activation: str, slope: float, out: Array | None
) -> Array:
    x, weight, bias = arrays
    assert x is not None
    assert weight is not None
    return backends.run(backend, x, weight, bias, p, activation, slope, out)


def _array(torch: Any, t: Any) -> Array:
    t = t.detach()
    array: Array = (t if t.dtype in (torch.float32, torch.float64) else t.double()).resolve_neg().numpy()
    return array


def _span(t: Any) -> tuple[int, int]:
    """The addresses that a strided tensor reaches, (first, behind the last)."""
    start = t.data_ptr()
    if t.numel() == 0:
        return start, start
    elements = 1 + sum((n - 1) * s for n, s in zip(t.shape, t.stride(), strict=True))
    return start, start + elements * t.element_size()
