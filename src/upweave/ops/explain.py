"""The plan that a call would follow on this machine: the circumstances filled in, then `plan`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import SpecError
from ..spec import Ints, is_int
from . import native
from .activation import Activation, activation_of
from .backends import available_backends, is_channels_last, name_of
from .conv_transpose import bind
from .plan import GPUS, INTERPRETER, TILE, Kind, Plan, plan
from .triton import available


def explain_plan(
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
    dtype: Any = None,
    device: str = "cpu",
    channels_last: bool = False,
) -> Plan:
    """What `upweave.conv_transpose` would run for these arguments here, and why; nothing is computed.

    `x`, `weight` and `bias` are arrays or tensors, or their shapes. For shapes, `dtype` says what they hold: a dtype of
    PyTorch means tensors, on `device`, one of NumPy (or its name; float32 if not said) arrays; `channels_last` says how
    the input's memory is ordered. Arrays and tensors say all of that themselves. An activation changes no choice.

    Raises `SpecError` and `BackendError` where `conv_transpose` would.
    """
    torch = sys.modules.get("torch")
    kind: Kind = "numpy"
    rank = len(_shape(weight, "weight")) - 2
    if isinstance(x, np.ndarray):
        name, device = name_of(x.dtype, "x"), "cpu"
        batched = x if x.ndim == rank + 2 else x[None]
        channels_last = batched.ndim == rank + 2 and is_channels_last(batched)
    elif torch is not None and isinstance(x, torch.Tensor):
        kind, name, device = "torch", str(x.dtype).removeprefix("torch."), x.device.type
        batched = x if x.ndim == rank + 2 else x.unsqueeze(0)
        channels_last = batched.ndim == rank + 2 and not x.is_contiguous() and batched.movedim(1, -1).is_contiguous()
        if device == "cpu" and backend == "triton" and available.interpreted():
            device = INTERPRETER
    elif str(dtype).startswith("torch."):
        kind, name = "torch", str(dtype).removeprefix("torch.")
    else:
        name = name_of(_dtype(dtype), "dtype")
    activation_of(activation)
    p, _ = bind(
        _shape(x, "x"), _shape(weight, "weight"), None if bias is None else _shape(bias, "bias"),
        stride, padding, output_padding, groups, dilation,
    )  # fmt: skip
    return plan(
        p, kind=kind, dtype=name, device=device, channels_last=channels_last,
        backend=backend, threads=threads(), missing=available_backends(),
        tile=native.tile(isa, name) if (isa := native.isa()) else TILE, tf32=device in GPUS and _tf32(),
    )  # fmt: skip


def _tf32() -> bool:
    from .triton.run import tf32

    return tf32()


def threads() -> int:
    """The threads a call may use: the native core's own number, or without it PyTorch's setting if that is loaded, else
    the CPUs that this process may run on."""
    if native.available():
        return native.default_threads()
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _dtype(dtype: Any) -> np.dtype[Any]:
    try:
        return np.dtype(np.float32 if dtype is None else dtype)
    except TypeError:
        raise SpecError(f"{dtype!r} is no dtype of NumPy; for tensors give one of PyTorch's") from None


def _shape(value: Any, what: str) -> tuple[int, ...]:
    shape = getattr(value, "shape", value)
    if not isinstance(shape, Iterable) or not all(map(is_int, many := list(shape))):
        raise SpecError(f"{what} must be an array, a tensor or a shape, got {value!r:.80}")
    return tuple(map(int, many))
