"""The operators' schemas in `torch.library`, and what runs under each dispatch key.

    conv_transpose               y  = activation(T(x, w) + b)
    conv_transpose_grad_input    gx = G(gy, w)     the strided convolution
    conv_transpose_grad_weight   gw = W(x, gy)

Below autograd each is one call: the native core where it can, else ATen. Defined by `define`/`impl`, which costs half
of what `torch.library.custom_op` costs a call.
"""

from __future__ import annotations

import torch

from . import fake, kernels

LIBRARY = torch.library.Library("upweave", "DEF")
"""Keeps the registrations alive."""

_NUMBERS = "SymInt[] stride, SymInt[] padding, SymInt[] output_padding, SymInt groups, SymInt[] dilation"
_TAGS = (torch.Tag.pt2_compliant_tag,)

LIBRARY.define(
    f"conv_transpose(Tensor x, Tensor weight, Tensor? bias, {_NUMBERS}, str activation, float slope) -> Tensor",
    tags=_TAGS,
)
LIBRARY.define(f"conv_transpose_grad_input(Tensor gy, Tensor weight, SymInt[] size, {_NUMBERS}) -> Tensor", tags=_TAGS)
LIBRARY.define(f"conv_transpose_grad_weight(Tensor x, Tensor gy, SymInt[] kernel, {_NUMBERS}) -> Tensor", tags=_TAGS)

FORWARD = torch.ops.upweave.conv_transpose.default
GRAD_INPUT = torch.ops.upweave.conv_transpose_grad_input.default
GRAD_WEIGHT = torch.ops.upweave.conv_transpose_grad_weight.default

for _op, _cpu, _any, _fake in (
    (FORWARD, kernels.forward, kernels.forward_anywhere, fake.forward),
    (GRAD_INPUT, kernels.grad_input, kernels.grad_input_anywhere, fake.grad_input),
    (GRAD_WEIGHT, kernels.grad_weight, kernels.grad_weight_anywhere, fake.grad_weight),
):
    _name = _op._schema.name.split("::")[1]
    LIBRARY.impl(_name, _cpu, "CPU")
    LIBRARY.impl(_name, _any, "CompositeExplicitAutograd")
    torch.library.register_fake(_op, _fake, lib=LIBRARY)
