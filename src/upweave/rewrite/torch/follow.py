"""Which functions read the output of a convolution: what stands behind it, at every call, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from .pending import FUSED, activation_of


@dataclass
class _Value:
    """A tensor on its way: the functions that read it, whether an activation among them changed it in place, and what
    the first of them, a normalisation, wrote."""

    readers: list[Any] = field(default_factory=list)
    is_changed: bool = False
    normalised: _Value | None = None


class Follow:
    """Watches functions go by; holds no tensor."""

    def __init__(self) -> None:
        self._values: Any = WeakTensorKeyDictionary()
        self._calls: dict[str, list[_Value]] = {}

    def start(self, path: str, y: Tensor) -> None:
        """A convolution module wrote `y`."""
        self._values[y] = value = _Value()
        self._calls.setdefault(path, []).append(value)

    def read(self, func: Callable[..., Any], args: Any, kwargs: Any) -> list[_Value]:
        """A function is about to run; returns the followed values that it reads."""
        if getattr(func, "__name__", "") == "__get__":  # shape, dtype and the like
            return []
        found = []
        for value in (*args, *kwargs.values()):
            for t in value if type(value) in (list, tuple) else (value,):
                if isinstance(t, Tensor) and t in self._values:
                    followed = self._values[t]
                    followed.readers.append(func)
                    followed.is_changed |= (named := activation_of(func, args[1:], kwargs)) is not None and named[2]
                    found.append(followed)
        return found

    def wrote(self, func: Callable[..., Any], read: list[_Value], y: Any) -> None:
        """The function has run."""
        if func is F.batch_norm and len(read) == 1 and isinstance(y, Tensor):
            read[0].normalised = self._values[y] = _Value()

    def chains(self) -> dict[str, str]:
        """For each module whose outputs were all read by a batch normalisation alone: that, or also the activation."""
        found = {}
        for path, values in self._calls.items():
            behind = {_behind(v) for v in values}
            if len(behind) == 1 and (only := behind.pop()):
                found[path] = only
        return found


def _behind(value: _Value) -> str:
    normal = value.normalised
    if normal is None or [f for f in value.readers if f is not Tensor.dim] != [F.batch_norm]:
        return ""
    # What reads it behind an activation in place reads the activation's output; else it has to be there as well, and
    # the convolution would run twice.
    alone = len(normal.readers) == 1 or normal.is_changed
    return "batch_norm, activation" if normal.readers and normal.readers[0] in FUSED and alone else "batch_norm"
