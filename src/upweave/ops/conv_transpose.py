"""The operator: one transposed convolution, of NumPy arrays or torch tensors, on the backend that suits it.

The path to a kernel is short on purpose, since a call may take less time than its checks: one look-up finds the checked
problem, one the chosen backend.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..bank import Array
from ..errors import SpecError
from ..spec import Ints
from . import backends, native, tensors
from .activation import Activation, activation_of
from .plan import INTERPRETER, Kind, choose
from .problem import Problem, is_exact, problem, uncached_problem
from .triton import available


def conv_transpose(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    activation: Activation = None,
    backend: str = "auto",
    out: Any = None,
) -> Any:
    """activation(transposed convolution of x + bias), in one, two or three dimensions.

    y[n] = bias + Σ w[t]·x[i] over all taps t and inputs i with n = s·i + d·t − p, on each axis; H_T = s(H−1) − 2p +
    d(k−1) + 1 + o. Every number means what it means in PyTorch. Source: the article, definition by zero insertion.

    Args:
        x: shape (N, C_in, *size), or (C_in, *size) where the weight has one axis more. N may be 0.
        weight: shape (C_in, C_out/groups, *kernel).
        bias: shape (C_out,), or None.
        stride, padding, output_padding, dilation: one int, or one an axis.
        groups: number of channel groups.
        activation: None, "relu", "leaky_relu" or ("leaky_relu", slope), "silu", "tanh" or "sigmoid".
        backend: "auto", or "native", "triton", "numpy", "torch" or "reference" (`upweave.available_backends`).
        out: where to write the output: contiguous, of its shape and dtype, no overlap with what is read, no gradients;
            a tensor may also be dense with its channels last.

    All of `x`, `weight`, `bias` and `out` are NumPy arrays (float32 or float64), or all are torch tensors (any dtype
    that PyTorch convolves), of one dtype. Returns the output of the same kind and dtype, `out` if that was given.
    `upweave.explain_plan` says, for the same arguments, what runs and why.

    Raises `SpecError`, naming the numbers, for operands that do not fit together, and `BackendError`, with the reason,
    for a backend that was asked for by name and cannot run this.
    """
    if isinstance(x, np.ndarray):
        return _of_arrays(
            x, weight, bias, stride, padding, output_padding, groups, dilation, activation, backend, out
        )  # fmt: skip
    torch = sys.modules.get("torch")  # whoever has a tensor has loaded it
    if torch is None or not isinstance(x, torch.Tensor):
        raise SpecError(f"x must be a NumPy array or a torch tensor, got {type(x).__name__}")
    name, slope = activation_of(activation)
    compiling, key = torch.compiler.is_compiling(), None
    if not compiling and type(x) is torch.Tensor and out is None:
        numbers = (stride, padding, output_padding, groups, dilation)
        key = (id(weight), x.shape, numbers, name, slope, backend)
        try:
            call = tensors.operator().CALLS.get(key)
        except TypeError:  # a list among the numbers
            call = key = None
        if call is not None and all(map(is_exact, numbers)):
            y = call.again(x, weight, bias)
            if y is not None:
                return y
    for what, value in (("weight", weight), ("bias", bias), ("out", out)):
        if value is not None and not isinstance(value, torch.Tensor):
            raise SpecError(f"x is a torch tensor and {what} is {_a(value)}; all must be of one kind")
    tensors.check(torch, x, weight, bias)
    p, single = bind(
        x.shape, weight.shape, None if bias is None else bias.shape,
        stride, padding, output_padding, groups, dilation,
        uncached_problem if compiling else problem,
    )  # fmt: skip
    # what an operator runs, it refuses by itself: a compiler can trace that, and what `choose` looks up it cannot
    chosen = backend if backend in ("auto", "native", "triton") else choice_for_tensor(x, backend)
    batched = x.unsqueeze(0) if single else x
    if out is not None:
        tensors.check_out(torch, out, x, weight, bias, p.output_shape[1:] if single else p.output_shape)
        chosen = choice_for_tensor(x, backend)
        tensors.run_into(torch, chosen, out.unsqueeze(0) if single else out, batched, weight, bias, p, name, slope)
        return out
    if chosen in ("numpy", "reference"):
        y = tensors.through_arrays(torch, chosen, batched, weight, bias, p, name, slope)
    else:
        y = tensors.run(chosen, None if single else key, batched, weight, bias, p, name, slope)
    return y.squeeze(0) if single else y


def _of_arrays(
    x: Array,
    weight: Any,
    bias: Any,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
    activation: Activation,
    backend: str,
    out: Any,
) -> Any:
    dtype = backends.name_of(x.dtype, "x")
    if isinstance(x, np.ma.MaskedArray):
        raise SpecError("x is a masked array, and no backend knows of masks")
    for what, value in (("weight", weight), ("bias", bias), ("out", out)):
        if value is None:
            continue
        if not isinstance(value, np.ndarray):
            raise SpecError(f"x is a NumPy array and {what} is {_a(value)}; all must be of one kind")
        if value.dtype != x.dtype:
            raise SpecError(f"x is {x.dtype} and {what} is {value.dtype}; all must have one dtype")
    p, single = bind(
        x.shape, weight.shape, None if bias is None else bias.shape,
        stride, padding, output_padding, groups, dilation,
    )  # fmt: skip
    name, slope = activation_of(activation)
    chosen = _choice("numpy", dtype, "cpu", backend, native.why_not())
    if out is not None:
        _check_out(out, (x, weight, bias), p.output_shape[1:] if single else p.output_shape)
    target = None if out is None else out[None] if single else out
    y = backends.run(chosen, x[None] if single else x, weight, bias, p, name, slope, target)
    if out is not None:
        return out
    return y[0] if single else y


def bind(
    x_shape: Sequence[int],
    weight_shape: Sequence[int],
    bias_shape: Sequence[int] | None,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
    find: Callable[..., Problem] = problem,
) -> tuple[Problem, bool]:
    """(problem, True if the input has no batch axis, which shows in the weight having one axis more)."""
    if len(weight_shape) not in (3, 4, 5):
        raise SpecError(
            f"a weight of shape {tuple(weight_shape)} has {len(weight_shape)} axes; it needs 3, 4 or 5 "
            "(C_in, C_out/groups, and 1 to 3 of the kernel)"
        )
    single = len(x_shape) == len(weight_shape) - 1
    found = find(
        (1, *x_shape) if single else x_shape, weight_shape, bias_shape,
        stride=stride, padding=padding, output_padding=output_padding, groups=groups, dilation=dilation,
    )  # fmt: skip
    return found, single


@lru_cache(maxsize=256)
def _choice(kind: Kind, dtype: str, device: str, backend: str, native_missing: str) -> str:
    """The name that `choose` gives; keyed on everything that it depends on."""
    # a GPU is looked for only where it matters: to look for one takes time, and leaves its mark on forked processes
    wanted = [name for name in backends.REGISTRY if name != "triton" or backend == "triton" or device != "cpu"]
    missing = {name: backends.REGISTRY[name].missing() for name in wanted}
    return choose(kind, dtype, device, backend, {**missing, "native": native_missing})[0]


def choice_for_tensor(x: Any, backend: str) -> str:
    """The backend that runs a tensor like `x`; raises `BackendError` as `choose` does."""
    device = x.device.type
    if backend == "triton" and device == "cpu" and available.interpreted():
        device = INTERPRETER
    return _choice("torch", str(x.dtype).removeprefix("torch."), device, backend, native.why_not())


def _check_out(out: Array, reads: tuple[Array | None, ...], shape: tuple[int, ...]) -> None:
    if out.shape != shape:
        raise SpecError(f"out has shape {out.shape}, the output has {shape}")
    if not out.flags.carray:
        raise SpecError(f"out, with strides {out.strides}, must be C-contiguous, aligned and writeable")
    if any(a is not None and np.may_share_memory(out, a) for a in reads):
        raise SpecError("out overlaps the memory of x, weight or bias")


def _a(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "a NumPy array"
    return "a torch tensor" if type(value).__module__.startswith("torch") else f"a {type(value).__name__}"
