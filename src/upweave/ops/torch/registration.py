"""Autograd and batch rules of the bare operators, for who calls them directly: compiled and exported graphs.

Autograd           the functions of `autograd`, one level of them: under torch.func each level has its own
FuncTorchBatched   the rules of `batching`, over the operator itself
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch._C import _any_requires_grad, _AutoDispatchBelowAutograd
from torch._functorch.autograd_function import enable_single_level_autograd_function
from torch.autograd.function import _SingleLevelFunction

from . import aten, batching
from .autograd import BY_CHOICE, BY_TRITON, FASTER, forward_mode
from .library import LIBRARY

_NO_ACTIVATION = ("none", 0.0)


def _redispatch(op: Any, keyset: Any, args: tuple[Any, ...]) -> torch.Tensor:
    with _AutoDispatchBelowAutograd():
        return op.redispatch(keyset & torch._C._after_autograd_keyset, *args)  # type: ignore[no-any-return]


def _one_level(op: Any, function: Any, extra: tuple[Any, ...]) -> Any:
    """The autograd function with the rules of `function` whose value is the operator below this level."""

    def forward(*args: Any) -> torch.Tensor:
        *operands, keyset = args
        with torch.enable_grad():  # tells the kernel, as in `autograd.in_training`, that the weight is in training
            return _redispatch(op, keyset, (*operands, *extra))

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        function.setup_context(ctx, inputs[:-1], output)

    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        return (*function.backward(ctx, gradient), None)

    rules: dict[str, Any] = {"forward": forward, "setup_context": setup_context, "backward": backward}
    return type(function.__name__, (_SingleLevelFunction,), {name: staticmethod(f) for name, f in rules.items()})


def _autograd(op: Any, function: Any, aten_rule: Callable[..., torch.Tensor], extra: tuple[Any, ...] = ()) -> Any:
    """The operator's kernel under the autograd key; `extra` holds the activation's place: a step of its own here."""
    level = _one_level(op, function, extra)

    def kernel(keyset: Any, *args: Any) -> torch.Tensor:
        if forward_mode():
            return aten_rule(*args)
        if not (torch.is_grad_enabled() and _any_requires_grad(*args)):
            return _redispatch(op, keyset, args)
        operands, activation = (args[: -len(extra)], args[-len(extra) :]) if extra else (args, ())
        with enable_single_level_autograd_function():
            y: torch.Tensor = level.apply(*operands, keyset)
        return aten.activate(y, *activation) if activation else y

    return kernel


def _forward_batched(op: Any, info: Any, in_dims: Any, *args: Any) -> batching.Batched:
    *operands, activation, slope = args

    def run(*operands: Any) -> torch.Tensor:
        return op(*operands, *_NO_ACTIVATION)  # type: ignore[no-any-return]

    y, dim = batching.forward(run, info, in_dims, *operands)
    return aten.activate(y, activation, slope), dim


for _family in (BY_CHOICE, FASTER, BY_TRITON):
    _forward, _grad_input, _grad_weight = _family.ops
    for _op, _kernel, _batched in (
        (
            _forward,
            _autograd(_forward, _family.Transposed, aten.forward, _NO_ACTIVATION),
            partial(_forward_batched, _forward),
        ),
        (
            _grad_input,
            _autograd(_grad_input, _family.GradInput, aten.grad_input),
            partial(batching.grad_input, _grad_input),
        ),
        (
            _grad_weight,
            _autograd(_grad_weight, _family.GradWeight, aten.grad_weight),
            partial(batching.grad_weight, _grad_weight),
        ),
    ):
        LIBRARY.impl(_op._schema.name.split("::")[1], _kernel, "Autograd", with_keyset=True)
        torch.library.register_vmap(_op, _batched, lib=LIBRARY)
