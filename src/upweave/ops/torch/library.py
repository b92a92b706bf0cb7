"""The operators' schemas in `torch.library`, and what runs under each dispatch key.

    conv_transpose               y  = activation(T(x, w) + b)
    conv_transpose_grad_input    gx = G(gy, w)     the strided convolution
    conv_transpose_grad_weight   gw = W(x, gy)

Below autograd each is one call: on the CPU the native core where it can, on a GPU Triton's kernels or ATen as the plan
says, else ATen. Defined by `define`/`impl`, which costs half of what `torch.library.custom_op` costs a call.

The same three with `fast` in their names are for models whose outputs are compared as a whole: the native core may use
schemes there that lose up to a digit of float32 (`upweave.ops.winograd`).

The same three once more, with `triton` in their names, are Triton's kernels and nothing else: backend "triton" by name,
which a compiled graph and a backward pass remember because it is another operator. They raise where they cannot run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from . import fake, gpu, kernels

LIBRARY = torch.library.Library("upweave", "DEF")
"""Keeps the registrations alive."""


@dataclass(frozen=True)
class Operators:
    """A transposed convolution and its two gradients."""

    forward: Any
    grad_input: Any
    grad_weight: Any

    def __iter__(self) -> Any:
        return iter((self.forward, self.grad_input, self.grad_weight))


_NUMBERS = "SymInt[] stride, SymInt[] padding, SymInt[] output_padding, SymInt groups, SymInt[] dilation"
_FAKES: tuple[Any, ...] = (fake.forward, fake.grad_input, fake.grad_weight)


def _define(prefix: str) -> Operators:
    """The three operators of a family with their schemas and what they return on tensors without data."""
    schemas = (
        f"(Tensor x, Tensor weight, Tensor? bias, {_NUMBERS}, str activation, float slope) -> Tensor",
        f"_grad_input(Tensor gy, Tensor weight, SymInt[] size, {_NUMBERS}) -> Tensor",
        f"_grad_weight(Tensor x, Tensor gy, SymInt[] kernel, {_NUMBERS}) -> Tensor",
    )
    found = []
    for schema, fake_kernel in zip(schemas, _FAKES, strict=True):
        name = prefix + schema.split("(")[0]
        LIBRARY.define(prefix + schema, tags=(torch.Tag.pt2_compliant_tag,))
        found.append(getattr(torch.ops.upweave, name).default)
        torch.library.register_fake(found[-1], fake_kernel, lib=LIBRARY)
    return Operators(*found)


ON_CPU: dict[Any, Callable[..., torch.Tensor]] = {}
"""What runs each operator on the CPU."""


def _implement(ops: Operators, key: str, *found: Any) -> None:
    for op, kernel in zip(ops, found, strict=True):
        LIBRARY.impl(op._schema.name.split("::")[1], kernel, key)
        if key == "CPU":
            ON_CPU[op] = kernel


CHOSEN = _define("conv_transpose")
FAST = _define("conv_transpose_fast")
for _family, _forward in ((CHOSEN, kernels.forward), (FAST, kernels.forward_fast)):
    _implement(_family, "CPU", _forward, kernels.grad_input, kernels.grad_weight)
    _implement(_family, "CUDA", gpu.forward, gpu.grad_input, gpu.grad_weight)
    _implement(
        _family, "CompositeExplicitAutograd",
        kernels.forward_anywhere, kernels.grad_input_anywhere, kernels.grad_weight_anywhere,
    )  # fmt: skip

TRITON = _define("conv_transpose_triton")
for _key in ("CPU", "CUDA"):  # on the CPU in Triton's interpreter, for tests
    _implement(TRITON, _key, gpu.forward_by_triton, gpu.grad_input_by_triton, gpu.grad_weight_by_triton)

FORWARD, GRAD_INPUT, GRAD_WEIGHT = CHOSEN
