"""Derivatives of every order: three operators, each linear in both its tensors, whose derivatives are one another.

With y = T(x, w) the transposed convolution, gx = G(gy, w) the strided one and gw = W(x, gy) the weight's gradient,

    ⟨gy, T(x, w)⟩ = ⟨G(gy, w), x⟩ = ⟨W(x, gy), w⟩

    of T(x, w):   to x  G(gy, w)      to w  W(x, gy)
    of G(gy, w):  to gy T(v, w)       to w  W(v, gy)        v: what comes back for gx
    of W(x, gy):  to x  G(gy, v)      to gy T(x, v)         v: what comes back for gw

so the backward pass of each is made of the other two, and double backward needs nothing of its own. The functions
stand outside the operators: a call that needs no gradient pays nothing for them (`route`). `registration` puts the
same rules under the operators' own dispatch keys, so that they can be called, compiled and exported by themselves.

There are two families of three operators (`library`), and the gradients of each are its own operators: what was asked
of a backend by name stays with it in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.autograd.forward_ad
from torch._C import _any_requires_grad, _are_functorch_transforms_active, _AutoDispatchBelowAutograd
from torch._functorch.utils import unwrap_dead_wrappers
from torch.autograd import Function

from . import batching
from .library import CHOSEN, FAST, ON_CPU, TRITON, Operators
from .plain import is_plain

_NO_NUMBERS = (None,) * 5  # the gradients of stride, padding, output_padding, groups, dilation


@dataclass(frozen=True)
class Family:
    """The functions of three operators, and the calls that go through them where it is needed.

    `transposed(x, weight, bias, *numbers)` is T(x, weight) + bias, `grad_input(gy, weight, size, *numbers)` is
    G(gy, weight), `grad_weight(x, gy, kernel, *numbers)` is W(x, gy), all differentiable; the classes are the functions
    of autograd behind them.
    """

    ops: Operators
    transposed: Callable[..., torch.Tensor]
    grad_input: Callable[..., torch.Tensor]
    grad_weight: Callable[..., torch.Tensor]
    Transposed: Any
    GradInput: Any
    GradWeight: Any


def route(op: Any, function: Any, args: tuple[Any, ...], extra: tuple[Any, ...] = ()) -> torch.Tensor:
    """op(*args, *extra), through `function` where somebody may want a derivative or a batch rule."""
    if torch.compiler.is_compiling():
        return op(*args, *extra)  # type: ignore[no-any-return]  # its autograd kernel does the rest when it is traced
    # Inside vmap a tensor does not tell whether a gradient is taken outside of it.
    if _are_functorch_transforms_active():
        return function.apply(*args)  # type: ignore[no-any-return]
    if torch.is_grad_enabled() and _any_requires_grad(*args):
        # what `Function.apply` does outside of transforms, but for binding default arguments by `inspect`: 30 µs
        return super(Function, function).apply(*unwrap_dead_wrappers(args[:3]), *args[3:])  # type: ignore[no-any-return]
    return below(op, *args, *extra)


def below(op: Any, *args: Any) -> torch.Tensor:
    """The operator without autograd: its kernel itself, where nothing else would be called."""
    plain = is_plain(*(a for a in args[:3] if isinstance(a, torch.Tensor)))
    with _AutoDispatchBelowAutograd():
        return (ON_CPU[op] if plain else op)(*args)


def in_training(op: Any, *args: Any) -> torch.Tensor:
    """`below`, with grad mode on, by which the kernel knows that the weight will change."""
    with torch.enable_grad():
        return below(op, *args)


def _family(ops: Operators) -> Family:
    def transposed(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, *numbers: Any) -> torch.Tensor:
        """T(x, weight) + bias, differentiable."""
        return route(ops.forward, Transposed, (x, weight, bias, *numbers), ("none", 0.0))

    def grad_input(gy: torch.Tensor, weight: torch.Tensor, size: Sequence[int], *numbers: Any) -> torch.Tensor:
        """G(gy, weight), differentiable; `size` is that of the input's spatial axes."""
        return route(ops.grad_input, GradInput, (gy, weight, size, *numbers))

    def grad_weight(x: torch.Tensor, gy: torch.Tensor, kernel: Sequence[int], *numbers: Any) -> torch.Tensor:
        """W(x, gy), differentiable; `kernel` is that of the weight's spatial axes."""
        return route(ops.grad_weight, GradWeight, (x, gy, kernel, *numbers))

    class Transposed(Function):
        """T(x, weight) + bias."""

        @staticmethod
        def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, *numbers: Any) -> torch.Tensor:
            """The value."""
            return in_training(ops.forward, x, weight, bias, *numbers, "none", 0.0)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
            """Keep what the backward pass reads."""
            x, weight, _, *ctx.numbers = inputs
            ctx.size, ctx.kernel = x.shape[2:], weight.shape[2:]
            # a frozen layer in a trained network does not keep its input, nor a first layer its weight
            ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight if ctx.needs_input_grad[0] else None)

        @staticmethod
        def backward(ctx: Any, gy: torch.Tensor) -> tuple[Any, ...]:
            """G(gy, w), W(x, gy), and the sum for the bias."""
            x, weight = ctx.saved_tensors
            to_x, to_weight, to_bias = ctx.needs_input_grad[:3]
            return (
                grad_input(gy, weight, ctx.size, *ctx.numbers) if to_x else None,
                grad_weight(x, gy, ctx.kernel, *ctx.numbers) if to_weight else None,
                gy.sum((0, *range(2, gy.dim()))) if to_bias else None,
                *_NO_NUMBERS,
            )

        @staticmethod
        def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
            """See `batching.forward`."""
            return batching.forward(transposed, info, in_dims, *args)

    class GradInput(Function):
        """G(gy, weight)."""

        @staticmethod
        def forward(gy: torch.Tensor, weight: torch.Tensor, size: Sequence[int], *numbers: Any) -> torch.Tensor:
            """The value."""
            return in_training(ops.grad_input, gy, weight, size, *numbers)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
            """Keep what the backward pass reads."""
            gy, weight, _, *ctx.numbers = inputs
            ctx.kernel = weight.shape[2:]
            ctx.save_for_backward(gy if ctx.needs_input_grad[1] else None, weight if ctx.needs_input_grad[0] else None)

        @staticmethod
        def backward(ctx: Any, v: torch.Tensor) -> tuple[Any, ...]:
            """T(v, w) and W(v, gy)."""
            gy, weight = ctx.saved_tensors
            return (
                transposed(v, weight, None, *ctx.numbers) if ctx.needs_input_grad[0] else None,
                grad_weight(v, gy, ctx.kernel, *ctx.numbers) if ctx.needs_input_grad[1] else None,
                None,
                *_NO_NUMBERS,
            )

        @staticmethod
        def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
            """See `batching.grad_input`."""
            return batching.grad_input(grad_input, info, in_dims, *args)

    class GradWeight(Function):
        """W(x, gy)."""

        @staticmethod
        def forward(x: torch.Tensor, gy: torch.Tensor, kernel: Sequence[int], *numbers: Any) -> torch.Tensor:
            """The value."""
            return in_training(ops.grad_weight, x, gy, kernel, *numbers)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
            """Keep what the backward pass reads."""
            x, gy, _, *ctx.numbers = inputs
            ctx.size = x.shape[2:]
            ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, gy if ctx.needs_input_grad[0] else None)

        @staticmethod
        def backward(ctx: Any, v: torch.Tensor) -> tuple[Any, ...]:
            """G(gy, v) and T(x, v)."""
            x, gy = ctx.saved_tensors
            return (
                grad_input(gy, v, ctx.size, *ctx.numbers) if ctx.needs_input_grad[0] else None,
                transposed(x, v, None, *ctx.numbers) if ctx.needs_input_grad[1] else None,
                None,
                *_NO_NUMBERS,
            )

        @staticmethod
        def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
            """See `batching.grad_weight`."""
            return batching.grad_weight(grad_weight, info, in_dims, *args)

    return Family(ops, transposed, grad_input, grad_weight, Transposed, GradInput, GradWeight)


BY_CHOICE = _family(CHOSEN)
"""The family whose kernels choose by themselves."""

FASTER = _family(FAST)
"""The same with less of float32's precision."""

BY_TRITON = _family(TRITON)
"""The family that Triton runs."""

transposed, grad_input, grad_weight = BY_CHOICE.transposed, BY_CHOICE.grad_input, BY_CHOICE.grad_weight


def forward_mode() -> bool:
    """True inside a level of forward-mode differentiation, which the functions above have no rule for; ATen has."""
    return torch.autograd.forward_ad._current_level >= 0
