"""A convolution that has not run yet: what stands right behind it may become part of it.

    conv(x)        batch_norm          relu
      │                │                 │
    [conv]   [conv, w·γ/σ, b']   conv(x, w·γ/σ, b') with the activation in the same pass, or in place on its output

A `Pending` is what an accelerated convolution returns where a batch normalisation was seen to follow it. In eval mode
the normalisation's numbers go into the weights; an activation behind it is fused where the backend can, and else runs
in place on an output that nobody else has. Any other function gets the convolution's output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .deferred import Part, is_deferred, made
from .derived import derive
from .fold import fold_batch_norm

Run = Callable[[Tensor, "Tensor | None", "tuple[str, float] | None"], Any]
"""(weight, bias, activation) to the output, a tensor or a Deferred; the activation is None or a name and a slope."""


class Pending:
    """The output of a convolution, which runs when it is known what stands behind it.

    Args:
        run: the convolution as a function of its weights.
        source: what it reads, a `Part` for each tensor, so that a change in the meantime is noticed.
        weight, bias, groups, transposed: the convolution's own.
        activated: True if an activation is expected behind the normalisation.
    """

    def __init__(
        self, run: Run, source: tuple[Part, ...], weight: Tensor, bias: Tensor | None, groups: int, transposed: bool,
        activated: bool,
    ) -> None:  # fmt: skip
        self._run = run
        self._source = source
        self._weight = weight
        self._bias = bias
        self._groups = groups
        self._transposed = transposed
        self._awaits = activated
        self._full: Any = None

    def finish(self) -> Any:
        """The output; it runs once."""
        if self._full is None:
            self._full = self._now(None)
        return self._full

    def activated(self, activation: tuple[str, float], inplace: bool) -> Any:
        """The output with an activation on it; in place, this value is that from here on."""
        y = self._now(activation)
        if inplace:
            self._full = y
        return y

    def _now(self, activation: tuple[str, float] | None) -> Any:
        for part in self._source:
            part.small  # noqa: B018  raises where it has changed
        return self._run(self._weight, self._bias, activation)

    @property
    def is_open(self) -> bool:
        """True while it has not run."""
        return self._full is None

    @property
    def dtype(self) -> torch.dtype:
        """As a tensor's."""
        return self._weight.dtype if self._full is None else self._full.dtype

    @property
    def device(self) -> torch.device:
        """As a tensor's."""
        return self._weight.device

    def dim(self) -> int:
        """As a tensor's."""
        return self._weight.dim() if self._full is None else self._full.dim()

    def normalised(self, mean: Tensor, var: Tensor, gamma: Tensor | None, beta: Tensor | None, eps: float) -> Any:
        """The same with a batch normalisation in its weights: pending, or its output if no activation is expected."""
        weight, bias = self._weight, self._bias

        def make() -> tuple[Tensor, ...]:
            return fold_batch_norm(weight, bias, mean, var, eps, gamma, beta, self._groups, self._transposed)

        sources = (weight, bias, mean, var, gamma, beta)
        folded, shift = derive(("batch norm", eps, self._groups, self._transposed), sources, make)
        new = Pending(self._run, self._source, folded, shift, self._groups, self._transposed, False)
        return new if self._awaits else new.finish()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.finish(), name)

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """What PyTorch calls for a function that got a Pending."""
        kwargs = kwargs or {}
        x = args[0] if args else None
        if type(x) is Pending and x.is_open:
            if func is F.batch_norm:
                found = _batch_norm(*args, **kwargs)
            else:
                found = _activation(func, *args, **kwargs)
            if found is not None:
                return found
        return func(*finished(args), **finished(kwargs))


def finished(value: Any) -> Any:
    """The value with every Pending in it, through tuples, lists and dicts, replaced by its output."""
    if type(value) is Pending:
        return value.finish()
    if type(value) is dict:
        return {key: finished(v) for key, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)(finished(v) for v in value)
    return value


def _batch_norm(
    x: Pending, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    if training or running_mean is None or running_mean.dtype != x.dtype or torch.is_autocast_enabled("cpu"):
        return None  # mixed precision rounds in between
    return x.normalised(running_mean, running_var, weight, bias, eps)


def _activation(func: Any, x: Pending, *args: Any, **kwargs: Any) -> Any:
    """The output with `func` on it; None if that is none of `FUSED`."""
    found = activation_of(func, args, kwargs)
    return None if found is None else x.activated(found[:2], found[2])


def activation_of(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[str, float, bool] | None:
    """The name, the slope, and whether it is in place, of a call with these arguments behind its input; None if it is
    none of `FUSED`, or writes to somewhere else."""
    read = FUSED.get(func)
    if read is None or kwargs.keys() - {"negative_slope", "inplace"}:
        return None
    return read(*args, **kwargs)


Reader = Callable[..., "tuple[str, float, bool]"]


def _reader(name: str, always: bool = False) -> Reader:
    def read(inplace: bool = False) -> tuple[str, float, bool]:
        return name, 0.01, inplace or always

    return read


def _leaky(negative_slope: float = 0.01, inplace: bool = False) -> tuple[str, float, bool]:
    return "leaky_relu", float(negative_slope), inplace


def _leaky_in_place(negative_slope: float = 0.01) -> tuple[str, float, bool]:
    return "leaky_relu", float(negative_slope), True


FUSED: dict[Any, Reader] = {F.leaky_relu: _leaky, F.leaky_relu_: _leaky_in_place, F.silu: _reader("silu")}
"""Functions that read their arguments behind the input as one of the operator's activations: name, slope, in place."""
for _name in ("relu", "tanh", "sigmoid"):
    for _home in (torch, torch.Tensor, F):
        FUSED[getattr(_home, _name)] = _reader(_name)
    for _home in (torch, torch.Tensor):
        FUSED[getattr(_home, f"{_name}_")] = _reader(_name, True)


def activate(y: Any, activation: tuple[str, float] | None) -> Any:
    """`activation` on a tensor or a Deferred that nobody else has; in place, unless gradients or a tracer see it."""
    if activation is None:
        return y
    name, slope = activation
    fresh = not (torch.compiler.is_compiling() or is_deferred(y) or y.requires_grad)
    if name == "leaky_relu":
        return F.leaky_relu(y, slope, inplace=fresh)
    if name == "silu":
        return F.silu(y, inplace=fresh)
    if fresh:
        return getattr(y, f"{name}_")()
    return getattr(torch, name)(y)


def _through(name: str) -> Callable[..., Any]:
    def method(self: Pending, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.finish(), name)(*finished(args), **kwargs)

    return method


def _in_place(name: str) -> Callable[..., Any]:
    def method(self: Pending, other: Any) -> Pending:
        getattr(self.finish(), name)(finished(other))
        return self

    return method


_OPERATORS = (
    "add radd sub rsub mul rmul truediv rtruediv neg pow matmul getitem setitem len iter eq ne lt le gt ge bool float "
    "int abs contains array"
)
for _name in _OPERATORS.split():
    setattr(Pending, f"__{_name}__", _through(f"__{_name}__"))
for _name in ("add", "sub", "mul", "truediv"):
    setattr(Pending, f"__i{_name}__", _in_place(f"__i{_name}__"))
setattr(Pending, "__hash__", object.__hash__)  # noqa: B010  __eq__ is the tensor's


def reads(x: Any) -> tuple[Part, ...]:
    """What a convolution of `x`, a tensor or a Deferred, is going to read."""
    if isinstance(x, Tensor):
        rank = x.dim() - 2
        return (Part(x, (1,) * rank, ((0, 0),) * rank),)
    return tuple(x.parts)


def plainly(value: Any) -> Any:
    """The value with neither a Pending nor a Deferred in it."""
    return made(finished(value))
