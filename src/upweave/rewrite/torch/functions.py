"""Convolutions that a module calls as functions, and runs in another way where that was chosen.

    F.conv_transpose2d(x, self.weight, stride=2, padding=1)      a parameter of the module, or of one inside it
    F.conv1d(x, self.v * self.g / self.v.norm(), padding=1)      a weight that is computed in every call

A call is known again by the function, its numbers, and its weight: the same parameter, or one of the same shape that
is no parameter. Any other call is PyTorch's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...ops.torch.front import conv_transpose
from .derived import derive
from .fold import fold_nearest
from .pending import finished

TRANSPOSED: dict[Any, bool] = {
    F.conv1d: False, F.conv2d: False, F.conv3d: False,
    F.conv_transpose1d: True, F.conv_transpose2d: True, F.conv_transpose3d: True,
}  # fmt: skip
"""PyTorch's functions, and whether they are transposed."""

_FUNCTIONS = {(transposed, int(f.__name__[-2])): f for f, transposed in TRANSPOSED.items()}
_ORDINARY = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_USUAL = {"bias": None, "stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}


@dataclass(frozen=True)
class Function:
    """A call without its input: the numbers of a layer, under the names that PyTorch's layers have for them.

    `padding` is a string where it was given as one.
    """

    transposed: bool
    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    padding: Any
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    padding_mode: str = "zeros"

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """The taps of each axis."""
        return tuple(self.weight.shape[2:])

    @property
    def out_channels(self) -> int:
        """The channels that come out."""
        return int(self.weight.shape[1] * self.groups if self.transposed else self.weight.shape[0])

    @property
    def numbers(self) -> tuple[Any, ...]:
        """What tells calls apart besides their weights."""
        padding = self.padding if isinstance(self.padding, str) else tuple(self.padding)
        shape = tuple(self.weight.shape)
        return self.transposed, shape, self.stride, padding, self.output_padding, self.dilation, self.groups

    def _output_padding(self, *_: Any) -> list[int]:
        """What a layer works out of the size that is asked for; a function is told."""
        return list(self.output_padding)


def read_call(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Function]:
    """(the input, the rest) of a call of one of PyTorch's convolutions."""
    transposed = TRANSPOSED[func]
    given = {**_USUAL, **dict(zip(_TRANSPOSED if transposed else _ORDINARY, args, strict=False)), **kwargs}
    rank = given["weight"].dim() - 2

    def each(name: str) -> Any:
        value = given[name]
        if isinstance(value, str):
            return value
        many = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        return many * rank if len(many) == 1 else many

    function = Function(
        transposed, given["weight"], given["bias"], each("stride"), each("padding"), each("output_padding"),
        each("dilation"), given["groups"],
    )  # fmt: skip
    return given["input"], function


@dataclass(frozen=True)
class Route:
    """Calls that run by Upweave's operator: their numbers, and the name of the parameter seen from the module; empty
    for a weight that is computed."""

    weight: str
    numbers: tuple[Any, ...]

    @property
    def name(self) -> str:
        """What it is called in a report."""
        transposed, shape, *_ = self.numbers
        function = f"conv{'_transpose' if transposed else ''}{len(shape) - 2}d"
        return f"{function} by {self.weight or 'a weight that it computes'}"

    def fits(self, module: nn.Module, function: Function) -> bool:
        """True if a call in the module is one of these."""
        if function.numbers != self.numbers:
            return False
        if not self.weight:
            return not isinstance(function.weight, nn.Parameter)
        return function.weight is parameter(module, self.weight)


def parameter(module: nn.Module, name: str) -> Any:
    """The parameter of that name, seen from the module; None where it has gone."""
    for part in name.split("."):
        module = getattr(module, part, None)  # type: ignore[assignment]
    return module


class Routing(TorchFunctionMode):
    """Runs the calls of a module that were chosen by Upweave's operator."""

    def __init__(self, module: nn.Module, routes: tuple[Route, ...], precise: bool) -> None:
        super().__init__()
        self.module = module
        self.routes = routes
        self.precise = precise

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What PyTorch calls for every function inside."""
        kwargs = kwargs or {}
        if func not in TRANSPOSED:
            return func(*args, **kwargs)
        args, kwargs = finished(tuple(args)), finished(dict(kwargs))
        x, function = read_call(func, args, kwargs)
        if isinstance(x, Tensor) and x.dim() == function.weight.dim():
            for route in self.routes:
                if route.fits(self.module, function):
                    return run(x, function, self.precise)
        return func(*args, **kwargs)


def plain(x: Tensor, f: Function) -> Tensor:
    """The call as PyTorch runs it."""
    function: Any = _FUNCTIONS[f.transposed, len(f.stride)]
    if f.transposed:
        return function(x, f.weight, f.bias, f.stride, f.padding, f.output_padding, f.groups, f.dilation)  # type: ignore[no-any-return]
    return function(x, f.weight, f.bias, f.stride, f.padding, f.dilation, f.groups)  # type: ignore[no-any-return]


def run(x: Tensor, f: Function, precise: bool = True) -> Tensor:
    """The call by Upweave's operator."""
    if f.transposed:
        return conv_transpose(
            x, f.weight, f.bias, f.stride, f.padding, f.output_padding, f.groups, f.dilation, precise=precise
        )  # fmt: skip
    return stride_one(x, f.weight, f.bias, f.padding, f.dilation, f.groups, None, precise)


def stride_one(
    x: Tensor, weight: Tensor, bias: Tensor | None, padding: Any, dilation: tuple[int, ...], groups: int,
    activation: tuple[str, float] | None, precise: bool = True,
) -> Tensor:  # fmt: skip
    """A zero-padded convolution of stride 1 as a transposed one: the flipped kernel, padding d(k − 1) − p."""
    rank = weight.dim() - 2
    (flipped,) = derive(("flip", groups), (weight,), lambda: (fold_nearest(weight, (1,) * rank, groups),))
    ends = tuple(d * (k - 1) - p for d, k, p in zip(dilation, weight.shape[2:], padding, strict=True))
    name, slope = activation or ("none", 0.01)
    return conv_transpose(
        x, flipped, bias, (1,) * rank, ends, (0,) * rank, groups, dilation, name, slope, precise=precise
    )  # fmt: skip
