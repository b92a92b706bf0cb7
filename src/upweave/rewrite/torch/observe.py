"""What a model does with its nearest resizes and transposed convolutions, seen in a run on example inputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ...ops.torch.layout import is_channels_last
from .consume import Call
from .deferred import Deferred, How, Log, Part
from .mode import Deferring


@dataclass(frozen=True)
class PartShape:
    """A part without its numbers."""

    shape: tuple[int, ...]
    factors: tuple[int, ...]
    trim: tuple[tuple[int, int], ...]
    site: str

    def filled(self, like: Tensor, channels_last: bool) -> Part:
        """A part of this shape with random numbers."""
        small = torch.randn(self.shape, dtype=like.dtype, device=like.device)
        if channels_last:
            from ...ops.torch.layout import as_format

            small = as_format(small, small.dim() > 3)
        return Part(small, self.factors, self.trim, self.site)


@dataclass
class Fold:
    """A convolution that can consume a deferred value.

    `path` is the convolution's module, empty where a function was called; `times` counts its calls in the run.
    """

    path: str
    parts: tuple[PartShape, ...]
    weight: Tensor
    call: Call
    multiplies: int
    folded: int
    times: int = 1

    @property
    def sites(self) -> tuple[str, ...]:
        """The modules that resize."""
        return tuple(dict.fromkeys(p.site for p in self.parts if max(p.factors) > 1))


@dataclass
class Transposed:
    """A transposed convolution: the module's path and an input's shape."""

    path: str
    layer: nn.Module
    shape: tuple[int, ...]
    times: int = 1
    output_size: Any = None


@dataclass
class Observation:
    """What was seen."""

    folds: list[Fold] = field(default_factory=list)
    transposed: list[Transposed] = field(default_factory=list)
    resized: dict[str, list[str]] = field(default_factory=dict)
    """For each module that resizes: the functions that needed the resized tensor."""


class _Watch(Log):
    """Writes down what becomes of values; the stack of modules tells where."""

    def __init__(self, found: Observation, stack: list[str]) -> None:
        self.found = found
        self.stack = stack
        self.folds: dict[Any, Fold] = {}

    def consumed(self, x: Deferred, weight: Tensor, call: Call) -> None:
        if max(call.kernel) == 1:
            return
        shapes = tuple(PartShape(tuple(p._small.shape), p.factors, p.trim, p.site) for p in x.parts)
        path = self.stack[-1]
        key = (path, shapes, id(weight), call)
        if key in self.folds:
            self.folds[key].times += 1
            return
        fold = Fold(
            path, shapes, weight, call,
            call.multiplies(weight.shape, x.parts, False), call.multiplies(weight.shape, x.parts, True),
        )  # fmt: skip
        self.folds[key] = fold
        self.found.folds.append(fold)

    def materialised(self, x: Deferred, why: str) -> None:
        for part in x.parts:
            if max(part.factors) > 1:
                self.found.resized.setdefault(part.site, []).append(why)


class _Watching(Deferring):
    """Defers everything, and knows in which module."""

    def __init__(self, watch: _Watch) -> None:
        super().__init__(How("torch", watch))
        self.watch = watch

    @property
    def site(self) -> str:
        """The innermost module that is running."""
        return self.watch.stack[-1]

    @site.setter
    def site(self, value: str) -> None:
        pass


def observe(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Observation, Any]:
    """(what was seen, the outputs) of one run, without gradients, with every nearest resize deferred."""
    found = Observation()
    with stack_of_modules(model) as stack, _transposed(model, found):
        watch = _Watch(found, stack)
        with torch.no_grad(), _Watching(watch):
            y = model(*args, **kwargs)
    return found, y


@contextmanager
def stack_of_modules(model: nn.Module) -> Iterator[list[str]]:
    """The paths of the modules that are running, the innermost last; hooks that go when the context ends."""
    stack = [""]
    handles = []
    names: dict[nn.Module, str] = {}
    for path, module in model.named_modules():
        names.setdefault(module, path)

    def enter(module: nn.Module, args: Any) -> None:
        stack.append(names[module])

    def leave(module: nn.Module, args: Any, y: Any) -> None:
        stack.pop()

    for module in names:
        handles.append(module.register_forward_pre_hook(enter, prepend=True))
        handles.append(module.register_forward_hook(leave, always_call=True))
    try:
        yield stack
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _transposed(model: nn.Module, found: Observation) -> Iterator[None]:
    seen: dict[Any, Transposed] = {}
    handles = []
    for path, module in model.named_modules():
        if type(module) not in (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d):
            continue

        def note(layer: nn.Module, args: Any, kwargs: Any, path: str = path) -> None:
            x = args[0] if args else kwargs["input"]
            size = args[1] if len(args) > 1 else kwargs.get("output_size")
            key = (path, tuple(x.shape), None if size is None else tuple(size))
            if key in seen:
                seen[key].times += 1
            else:
                seen[key] = Transposed(path, layer, tuple(x.shape), 1, size)
                found.transposed.append(seen[key])

        handles.append(module.register_forward_pre_hook(note, with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def is_any_channels_last(value: Any) -> bool:
    """True if some tensor in the value lies channels-last."""
    leaves = torch.utils._pytree.tree_leaves(value)
    return any(isinstance(t, Tensor) and is_channels_last(t) for t in leaves)
