"""The methods and operators of a `Deferred`: the rules of `algebra` where there are some, else the tensor's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .algebra import ALIKE, BINARY, apply
from .deferred import Deferred, made


def _method(func: Any) -> Callable[..., Any]:
    def method(self: Deferred, *args: Any, **kwargs: Any) -> Any:
        return apply(func, (self, *args), kwargs)

    return method


def _reflected(func: Any) -> Callable[..., Any]:
    def method(self: Deferred, other: Any) -> Any:
        return apply(func, (other, self), {})

    return method


def _rsub(self: Deferred, other: Any) -> Any:
    return apply(torch.rsub, (self, other), {})


for _name in {*ALIKE.split(), *(f"{n}_" for n in ALIKE.split()), *BINARY, "contiguous", "clone", "to"}:
    if (_f := getattr(torch.Tensor, _name, None)) is not None:
        setattr(Deferred, _name, _method(_f))
_OPERATORS: dict[str, Any] = {
    "add": _method(torch.add),
    "sub": _method(torch.sub),
    "mul": _method(torch.mul),
    "truediv": _method(torch.div),
    "neg": _method(torch.neg),
    "radd": _reflected(torch.add),
    "rmul": _reflected(torch.mul),
    "rsub": _rsub,
    "hash": object.__hash__,  # __eq__ is the tensor's
}
_THROUGH = (
    "matmul rmatmul pow rpow rtruediv floordiv mod getitem setitem iter eq ne lt le gt ge and or xor invert bool float "
    "int abs contains array"
)
# Everything else is the resized tensor's. In-place operators leave this object in the caller's variable.
for _name in _THROUGH.split():

    def _through(self: Deferred, *args: Any, _name: str = f"__{_name}__", **kwargs: Any) -> Any:
        return getattr(self.materialise(_name), _name)(*(made(a) for a in args), **kwargs)

    setattr(Deferred, f"__{_name}__", _through)
for _name in ["add", "sub", "mul", "truediv"]:

    def _in_place(self: Deferred, other: Any, _name: str = f"__i{_name}__") -> Any:
        full = self.materialise(_name)
        getattr(full, _name)(made(other))
        return self

    setattr(Deferred, f"__i{_name}__", _in_place)


def _torch_function(
    cls: type, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
) -> Any:
    """What PyTorch calls for a function that got a Deferred."""
    return apply(func, args, kwargs or {})


_OPERATORS["torch_function"] = classmethod(_torch_function)
for _name, _f in _OPERATORS.items():
    setattr(Deferred, f"__{_name}__", _f)
