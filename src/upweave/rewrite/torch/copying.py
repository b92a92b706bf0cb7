"""A second module tree over the same parameters, and modules that change their class."""

from __future__ import annotations

import copy
import inspect
from functools import lru_cache
from types import FunctionType
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrizations import _WeightNorm
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations

from ...ops.torch.layout import CHANNELS_LAST

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def is_convolution(module: nn.Module) -> bool:
    """True for PyTorch's own convolutions, whose weight may be normalised (`parametrizations.weight_norm`).

    Other parametrisations, and subclasses, may do anything at a call: those are left alone.
    """
    if type(module) in CONVOLUTIONS:
        return True
    return is_parametrized(module) and type_before_parametrizations(module) in CONVOLUTIONS and all(
        type(step) is _WeightNorm for chain in parametrizations(module) for step in chain
    )  # fmt: skip


def parametrizations(module: nn.Module) -> list[Any]:
    """The lists of parametrisations of a module's tensors; none for most modules."""
    return list(module.parametrizations.values()) if is_parametrized(module) else []  # type: ignore[operator]


def shared_copy(model: nn.Module) -> nn.Module:
    """A deep copy of a model whose tensors (parameters, buffers, tensors among the attributes) are the model's own."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for value in (*module._parameters.values(), *module._buffers.values(), *vars(module).values()):
            if isinstance(value, Tensor):
                memo[id(value)] = value
    return copy.deepcopy(model, memo)


def to_channels_last(model: nn.Module) -> int:
    """Give a model convolution weights of its own in channels-last order, where that is another order; returns bytes.

    The tensors that it shared with other modules stay those modules' own.
    """
    made: dict[int, nn.Parameter] = {}
    nbytes = 0
    for module in model.modules():
        if not isinstance(module, CONVOLUTIONS):
            continue
        weight = module._parameters.get("weight")
        if weight is None or weight.dim() not in CHANNELS_LAST:
            continue
        order = CHANNELS_LAST[weight.dim()]
        if weight.is_contiguous(memory_format=order):
            continue
        if id(weight) not in made:
            own = weight.detach().contiguous(memory_format=order)
            made[id(weight)] = nn.Parameter(own, requires_grad=weight.requires_grad)
            nbytes += own.numel() * own.element_size()
        module._parameters["weight"] = made[id(weight)]
    return nbytes


def become(module: nn.Module, *mixins: type) -> None:
    """Put `mixins` in front of the module's class: it stays the object that it is, with its state and its hooks."""
    cls: Any = type(module)
    if "_upweave_mixed" in vars(cls):
        cls, already = cls._upweave_mixed
        mixins = (*mixins, *already)
    module.__class__ = _mixed(cls, mixins)


@lru_cache(maxsize=1024)
def _mixed(cls: Any, mixins: tuple[Any, ...]) -> Any:
    # The name stays: models look at it, and so do people.
    members = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    members["_upweave_mixed"] = (cls, mixins)
    forward = _same(mixins[0].forward)
    forward.__signature__ = inspect.signature(cls.forward)
    return type(cls.__name__, (*mixins, cls), {**members, "forward": forward, "__reduce_ex__": _reduce})


def _same(f: Any) -> Any:
    """Another function of the same code: it may say another signature of itself, which torch.export goes by."""
    new = FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    new.__doc__, new.__kwdefaults__, new.__qualname__ = f.__doc__, f.__kwdefaults__, f.__qualname__
    return new


def _reduce(self: Any, protocol: Any) -> Any:
    """Pickled as its class before, its mixins, and its state: the class itself has no name to be found by."""
    return _restored, type(self)._upweave_mixed, self.__dict__


def _restored(plain: Any, mixins: tuple[type, ...]) -> nn.Module:
    cls = _mixed(plain, mixins)
    return cls.__new__(cls)  # type: ignore[no-any-return]
