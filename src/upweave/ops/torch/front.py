"""One transposed convolution of tensors: the way in for layers and for `upweave.conv_transpose`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch._C import _any_requires_grad, _are_functorch_transforms_active, _AutoDispatchBelowAutograd
from torch._subclasses.fake_tensor import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor

from ...errors import BackendError
from .. import native
from ..triton import available
from ..triton.choice import DTYPES as TRITON_DTYPES
from ..triton.choose import expected
from . import aten, gpu, kernels
from .autograd import BY_CHOICE, BY_TRITON, FASTER, forward_mode
from .kernels import DTYPES
from .plain import is_plain
from .repeat import CALLS

_Ints = tuple[int, ...]
_T = TypeVar("_T")

_OTHERS = frozenset({"torch", "triton"})
"""Backends by name that are not the native core."""

PLAIN = frozenset({torch.Tensor, torch.nn.Parameter, FakeTensor, FunctionalTensor})
"""Kinds of tensors that know every operator. Others (sharded, quantised, …) know PyTorch's own alone, as a rule."""


def conv_transpose(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
    activation: str = "none", slope: float = 0.01, backend: str = "auto", precise: bool = True,
) -> torch.Tensor:  # fmt: skip
    """activation(conv_transpose(x, weight) + bias) of a batched input, with PyTorch's meaning of every number.

    x (N, C_in, *size), weight (C_in, C_out/groups, *kernel), bias (C_out) or None; one entry an axis in every tuple.
    Backend "native" is the custom operator with the native core, for float32, float64 and bfloat16 on the CPU; "triton"
    is the operator that Triton runs on a GPU; "torch" is PyTorch's own. "auto" is the first where it can run; on a GPU
    the operator that chooses between the second and the third, where the second may win; else the third. It is also
    the third where the call is recorded by `torch.jit.trace` or for ONNX, for tensors of other classes than PyTorch's
    own, and in forward mode.
    `precise=False` lets the native core lose up to a digit of float32 (`upweave.ops.winograd`).
    Casts under autocast as PyTorch's operator does. The activation is fused where no gradient is wanted, and a step of
    its own otherwise.
    Raises `BackendError` with the reason where "native" or "triton" cannot run.
    """
    key: Any = None
    if not torch.compiler.is_compiling() and type(x) is torch.Tensor:  # other kinds may have sizes without a hash
        key = (
            id(weight), x.shape, stride, padding, output_padding, groups, dilation, activation, slope, backend, precise
        )  # fmt: skip
        call = CALLS.get(key)
        if call is not None:
            y = call.again(x, weight, bias)
            if y is not None:
                return y
    return long_way(
        key, x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope, backend, precise
    )  # fmt: skip


def long_way(
    key: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
    activation: str, slope: float, backend: str, precise: bool = True,
) -> torch.Tensor:  # fmt: skip
    """`conv_transpose`, noted by `key` for the next time, if there is one."""
    if torch.is_autocast_enabled("cpu") and x.is_cpu:
        x, weight, bias = _autocast(x, weight, bias)
    compiling = torch.compiler.is_compiling()
    if (
        backend in _OTHERS or x.dtype not in DTYPES or not x.is_cpu or not _core()
        or (backend == "auto" and (type(x) not in PLAIN or type(weight) not in PLAIN or _portable(compiling)))
        or (not compiling and forward_mode())
    ):  # fmt: skip
        if backend == "native":
            raise BackendError(f'backend "native" cannot run this: {_why_not(x)}')
        if backend == "triton" or (backend == "auto" and x.is_cuda):
            return _on_gpu(
                x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope, backend,
                compiling,
            )  # fmt: skip
        return aten.public(x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope)
    family = BY_CHOICE if precise else FASTER
    run = family.ops.forward
    if not compiling:
        if _are_functorch_transforms_active() or (torch.is_grad_enabled() and _any_requires_grad(x, weight, bias)):
            y = family.transposed(x, weight, bias, stride, padding, output_padding, groups, dilation)
            return aten.activate(y, activation, slope)
        if is_plain(x, weight, bias):
            y = kernels.forward(
                x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope, precise
            )  # fmt: skip
            if key is not None:
                numbers = (stride, padding, output_padding, groups, dilation)
                CALLS.note(key, x, weight, bias, numbers, activation, slope, precise)
            return y
        with _AutoDispatchBelowAutograd():
            return run(  # type: ignore[no-any-return]
                x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope
            )  # fmt: skip
    return run(x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope)  # type: ignore[no-any-return]


def conv_transpose_into(
    out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
    activation: str = "none", slope: float = 0.01, backend: str = "auto",
) -> None:  # fmt: skip
    """The same into `out`, of the output's shape and x's dtype, dense in plain or channels-last order; no gradients.

    The native core writes in place; what a GPU or PyTorch computes is copied.
    """
    operands = [t for t in (x, weight, bias) if t is not None]
    with torch.no_grad():
        if (
            backend not in _OTHERS and not torch.compiler.is_compiling() and out.dtype in DTYPES and native.available()
            and all(t.dtype is out.dtype for t in operands) and is_plain(out, *operands)
        ):  # fmt: skip
            kernels.forward_into(
                out, x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope
            )  # fmt: skip
            if not out.is_inference():
                torch.autograd.graph.increment_version(out)  # as every write in place does
            return
        out.copy_(
            conv_transpose(
                x, weight, bias, stride, padding, output_padding, groups, dilation, activation, slope, backend
            )
        )


def _on_gpu(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    stride: _Ints, padding: _Ints, output_padding: _Ints, groups: int, dilation: _Ints,
    activation: str, slope: float, backend: str, compiling: bool,
) -> torch.Tensor:  # fmt: skip
    """Backend "triton", and "auto" for tensors on a GPU."""
    operands, numbers = (x, weight, bias), (stride, padding, output_padding, groups, dilation)
    if torch.is_autocast_enabled(x.device.type):
        operands = _autocast(x, weight, bias)
    forward = not compiling and forward_mode()
    if backend == "triton":
        if forward:
            raise BackendError('backend "triton" cannot run this: it has no forward-mode derivative')
        if reason := _triton_missing():
            raise BackendError(f'backend "triton" cannot run this: Triton backend not available: {reason}')
        family = BY_TRITON
    else:
        ours = type(x) in PLAIN and type(weight) in PLAIN and not _portable(compiling) and not forward
        if not ours or not _triton_may_win(operands, numbers, compiling):
            return aten.public(x, weight, bias, *numbers, activation, slope)
        family = BY_CHOICE
    if compiling:
        return family.ops.forward(*operands, *numbers, activation, slope)  # type: ignore[no-any-return]
    if _are_functorch_transforms_active() or (torch.is_grad_enabled() and _any_requires_grad(*operands)):
        return aten.activate(family.transposed(*operands, *numbers), activation, slope)
    with _AutoDispatchBelowAutograd():
        return family.ops.forward(*operands, *numbers, activation, slope)  # type: ignore[no-any-return]


def _triton_may_win(
    operands: tuple[torch.Tensor, torch.Tensor, torch.Tensor | None], numbers: tuple[Any, ...], compiling: bool
) -> bool:
    """False where PyTorch's operator is the better one, so that such a call pays nothing for ours.

    While a graph is compiled, sizes are symbols and nothing may be measured: the layer's numbers decide.
    """
    if _triton_missing():
        return False
    x, weight, bias = operands
    name = str(x.dtype).removeprefix("torch.")
    stride, padding, _, groups, _ = numbers
    if compiling or type(x) is not torch.Tensor or _are_functorch_transforms_active():
        c_out = weight.shape[1] * groups
        return name in TRITON_DTYPES and bool(
            expected(len(stride), x.shape[1], c_out, groups, weight.shape[2:], stride, padding, name, _tf32())
        )
    p = kernels.problem_of(x.shape, weight.shape, None if bias is None else bias.shape, *numbers)
    return gpu.decide(p, "forward", x, weight, bias) is not None


def _constant(f: Callable[[], _T]) -> Callable[[], _T]:
    """A compiled graph keeps what `f` returns: the mark of `torch.compiler.assume_constant_result`, by hand.

    That function imports the whole compiler for it, which takes every process more than a second and 140 MiB.
    """
    f._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return f


@_constant
def _triton_missing() -> str:
    """Why there is no Triton backend; a compiled graph keeps the answer."""
    return available.why_not()


@_constant
def _tf32() -> bool:
    from ..triton import run

    return run.tf32()


def _portable(compiling: bool) -> bool:
    """True where the call is recorded for others to run: in `torch.jit.trace` and in an export to ONNX."""
    return torch.onnx.is_in_onnx_export() if compiling else torch._C._get_tracing_state() is not None


@_constant
def _core() -> bool:
    """Whether there is a native core; a compiled graph keeps the answer."""
    return native.available()


def _why_not(x: torch.Tensor) -> str:
    if not native.available():
        return f"native core not available: {native.why_not()}"
    if not x.is_cpu:
        return f"the tensors are on {x.device}, the native core computes on the CPU"
    if x.dtype not in DTYPES:
        return f"the dtype is {x.dtype}, the native core computes {', '.join(DTYPES.values())}"
    return "the native core has no forward-mode derivative"


def _autocast(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """The operands in autocast's dtype, as PyTorch casts them for a convolution: floats, but no doubles."""
    device = x.device.type
    dtype = torch.get_autocast_dtype(device)

    def cast(tensor: torch.Tensor) -> torch.Tensor:
        wanted = tensor.device.type == device and tensor.is_floating_point() and tensor.dtype is not torch.float64
        return tensor.to(dtype) if wanted else tensor

    return cast(x), cast(weight), None if bias is None else cast(bias)
