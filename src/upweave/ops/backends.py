"""Every backend by its name: is it here, and run it on NumPy arrays.

Operands come checked: shapes by `problem`, dtypes and devices by `choose`, `out` by `conv_transpose`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..bank import Array
from ..errors import BackendError, SpecError
from ..spec import ConvTranspose
from . import native
from .activation import activate
from .problem import Problem
from .reference import reference
from .triton import available
from .vectorised import vectorised

Run = Callable[[Array, Array, Array | None, Problem, str, float, Array | None], Array]


@dataclass(frozen=True)
class Backend:
    """One way to run a transposed convolution.

    `missing()` says why it is not here (empty if it is). `run(x, weight, bias, p, activation, slope, out)` takes arrays
    of any strides and one dtype, writes into `out` where it is given, and returns the output, shaped `p.output_shape`.
    """

    name: str
    missing: Callable[[], str]
    run: Run


def available_backends() -> dict[str, str]:
    """Every backend's name, in order of preference, with the reason why it cannot run here; empty if it can."""
    return {name: b.missing() for name, b in REGISTRY.items()}


def _here() -> str:
    return ""


@cache
def _torch_missing() -> str:
    return "" if importlib.util.find_spec("torch") else "PyTorch is not installed"


def run_native(
    x: Array, weight: Array, bias: Array | None, p: Problem, activation: str, slope: float, out: Array | None
) -> Array:
    """The native core; what is not contiguous is copied, and an input with its channels last gives such an output."""
    last = out is None and is_channels_last(x)
    if last:
        y = np.moveaxis(np.empty((p.batch, *p.out, p.c_out), x.dtype), -1, 1)  # [N, …, C] in memory, seen as [N, C, …]
    else:
        y = np.empty(p.output_shape, x.dtype) if out is None else out
    x = x if last else _dense(x)
    weight = _dense(weight)
    bias = None if bias is None else _dense(bias)
    native.forward(
        p, _NAMES[x.dtype], last, x.ctypes.data, weight.ctypes.data, 0 if bias is None else bias.ctypes.data,
        y.ctypes.data, activation, slope,
    )  # fmt: skip
    return y


def run_numpy(
    x: Array, weight: Array, bias: Array | None, p: Problem, activation: str, slope: float, out: Array | None
) -> Array:
    """NumPy alone, one matrix product a tap."""
    y = vectorised(x, weight, bias, p, out)
    activate(y, activation, slope)
    return y


def run_torch(
    x: Array, weight: Array, bias: Array | None, p: Problem, activation: str, slope: float, out: Array | None
) -> Array:
    """PyTorch's own operator."""
    import torch

    from .torch.aten import public

    def tensor(a: Array) -> Any:
        a = _dense(a)  # no tensor has negative strides
        return torch.from_numpy(a if a.flags.writeable else a.copy())

    with torch.no_grad():
        result = public(
            tensor(x), tensor(weight), None if bias is None else tensor(bias),
            p.stride, p.padding, p.output_padding, p.groups, p.dilation, activation, slope,
        )  # fmt: skip
    return _into(out, np.ascontiguousarray(result.numpy()))


def run_triton(
    x: Array, weight: Array, bias: Array | None, p: Problem, activation: str, slope: float, out: Array | None
) -> Array:
    """Never reached: `plan.refusal` has said so before."""
    raise BackendError("Triton runs tensors, not arrays")


def run_reference(
    x: Array, weight: Array, bias: Array | None, p: Problem, activation: str, slope: float, out: Array | None
) -> Array:
    """The loops of `upweave.ops.reference`, sample by sample, in float64; the result has the input's dtype."""
    spec = ConvTranspose(p.kernel, p.stride, p.padding, p.output_padding, p.dilation, p.groups)
    y = np.empty(p.output_shape, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        for sample, image in zip(y, x, strict=True):
            sample[...] = reference(spec, image, weight.astype(np.float64), None if bias is None else bias)
        activate(y, activation, slope)
        return _into(out, y.astype(x.dtype))


def run(
    name: str, x: Array, weight: Array, bias: Array | None, p: Problem, activation: str, slope: float, out: Array | None
) -> Array:
    """The backend of this name on arrays; an empty batch is nobody's work."""
    if p.batch == 0:
        return np.empty(p.output_shape, x.dtype) if out is None else out
    return REGISTRY[name].run(x, weight, bias, p, activation, slope, out)


def is_channels_last(x: Array) -> bool:
    """True for an aligned array (N, C, …) whose memory is contiguous as (N, …, C), and not as it is."""
    return not x.flags.c_contiguous and x.flags.aligned and np.moveaxis(x, 1, -1).flags.c_contiguous


def _dense(a: Array) -> Array:
    """`a`, copied if it is not contiguous or, as a field of packed records, not aligned to its elements."""
    return a if a.flags.c_contiguous and a.flags.aligned else a.copy(order="C")


def _into(out: Array | None, y: Array) -> Array:
    if out is None:
        return y
    out[...] = y
    return out


_NAMES = {np.dtype(np.float32): "float32", np.dtype(np.float64): "float64"}


def name_of(dtype: np.dtype[Any], what: str) -> str:
    """The name of an array's dtype; `SpecError` for one that no backend runs."""
    try:
        return _NAMES[dtype]
    except KeyError:
        raise SpecError(f"{what} is {dtype}; arrays must be float32 or float64 in native byte order") from None


REGISTRY: dict[str, Backend] = {
    b.name: b
    for b in (
        Backend("native", lambda: native.why_not(), run_native),
        Backend("triton", lambda: available.why_not(), run_triton),
        Backend("numpy", _here, run_numpy),
        Backend("torch", _torch_missing, run_torch),
        Backend("reference", _here, run_reference),
    )
}
"""The backends by name; the property tests run all that are here."""
