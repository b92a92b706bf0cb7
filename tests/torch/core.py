"""A stand-in for the native core: the same functions on addresses, computed by PyTorch.

It shows what the operators hand to the core (addresses, order in memory, packed weights) on machines without one.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from upweave.ops.native import Prepared
from upweave.ops.problem import Problem
from upweave.ops.torch import aten

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
RUN = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


def view(address: int, shape: tuple[int, ...], dtype: str, channels_last: bool = False) -> torch.Tensor:
    """The memory at `address` as a tensor (N, C, *size)."""
    count = int(np.prod(shape))
    item = torch.empty((), dtype=DTYPES[dtype]).element_size()
    flat = torch.frombuffer((ctypes.c_byte * (count * item)).from_address(address), dtype=DTYPES[dtype])
    if channels_last:
        return flat.view(shape[0], *shape[2:], shape[1]).movedim(-1, 1)
    return flat.view(shape)


@dataclass
class Packed:
    """A copy of the weight."""

    weight: torch.Tensor
    nbytes: int
    finite: bool = True


@dataclass
class StandIn:
    """Same signatures as `upweave.ops.native`; counts its calls."""

    calls: list[str] = field(default_factory=list)

    def available(self) -> bool:
        return True

    def why_not(self) -> str:
        return ""

    def forward(
        self, p: Problem, dtype: str, channels_last: bool, x: int, weight: int, bias: int, y: int,
        activation: str = "none", slope: float = 0.01, threads: int = 0, packed: Any = None,
        precise: bool = True,
    ) -> bool:  # fmt: skip
        self.calls.append("forward packed" if packed is not None else "forward")
        w = packed.weight if packed is not None else view(weight, p.weight_shape, dtype)
        b = view(bias, (p.c_out,), dtype) if bias else None
        found = RUN[p.rank - 1](
            view(x, p.input_shape, dtype, channels_last).contiguous(), w, b,
            p.stride, p.padding, p.output_padding, p.groups, p.dilation,
        )  # fmt: skip
        view(y, p.output_shape, dtype, channels_last).copy_(aten.activate(found, activation, slope))
        return True

    def prepared(
        self, p: Problem, dtype: str, channels_last: bool, activation: str = "none", slope: float = 0.01,
        precise: bool = True, packs: bool = False,
    ) -> Prepared:  # fmt: skip
        def run(x: int, weight: int, packed: Any, bias: int, y: int, threads: int) -> bool:
            return self.forward(
                p, dtype, channels_last, x, weight, bias, y, activation, slope, threads, packed, precise
            )  # fmt: skip

        def pack(weight: int, threads: int) -> Packed:
            return self.pack(p, dtype, channels_last, weight, threads, precise)

        return Prepared(run, pack, 1, lambda: 1)

    def pack_key(self, p: Problem, dtype: str, channels_last: bool, threads: int = 0, precise: bool = True) -> Any:
        return p.stride, p.padding, p.groups, p.dilation, channels_last, precise

    def pack(
        self, p: Problem, dtype: str, channels_last: bool, weight: int, threads: int = 0, precise: bool = True
    ) -> Packed:
        self.calls.append("pack")
        copy = view(weight, p.weight_shape, dtype).clone()
        return Packed(copy, copy.nbytes)

    def fingerprint(self, address: int, nbytes: int) -> int:
        raw = np.ctypeslib.as_array((ctypes.c_ubyte * nbytes).from_address(address))
        return hash(raw[np.linspace(0, nbytes - 1, min(nbytes, 128)).astype(int)].tobytes())

    def grad_input(self, p: Problem, dtype: str, gy: int, weight: int, gx: int, threads: int = 0) -> None:
        self.calls.append("grad_input")
        found = aten.grad_input(
            view(gy, p.output_shape, dtype), view(weight, p.weight_shape, dtype), p.size,
            p.stride, p.padding, p.output_padding, p.groups, p.dilation,
        )  # fmt: skip
        view(gx, p.input_shape, dtype).copy_(found)

    def grad_weight(self, p: Problem, dtype: str, x: int, gy: int, gw: int, threads: int = 0) -> None:
        self.calls.append("grad_weight")
        found = aten.grad_weight(
            view(x, p.input_shape, dtype), view(gy, p.output_shape, dtype), p.kernel,
            p.stride, p.padding, p.output_padding, p.groups, p.dilation,
        )  # fmt: skip
        view(gw, p.weight_shape, dtype).copy_(found)
