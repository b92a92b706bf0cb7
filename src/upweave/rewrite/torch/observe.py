"""What a model does with its nearest resizes and transposed convolutions, seen in a run on example inputs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ...ops.torch.layout import as_format, is_channels_last
from .consume import Call as Numbers
from .copying import is_convolution
from .deferred import Deferred, How, Log, Part
from .follow import Follow
from .functions import TRANSPOSED, Route, read_call
from .inputs import Call
from .mode import Deferring

Key: TypeAlias = tuple[str, tuple[int, ...], tuple[int, ...]]
"""What a function is known by wherever it runs: the module, and of a convolution the shapes of weight and input."""


@dataclass(frozen=True)
class PartShape:
    """A part without its numbers."""

    shape: tuple[int, ...]
    factors: tuple[int, ...]
    trim: tuple[tuple[int, int], ...]
    site: str

    @property
    def size(self) -> tuple[int, ...]:
        """Its extent on the trailing axes, resized."""
        ends = zip(self.shape[2:], self.factors, self.trim, strict=True)
        return tuple(n * s - b - e for n, s, (b, e) in ends)

    def filled(self, like: Tensor, channels_last: bool) -> Part:
        """A part of this shape with random numbers."""
        small = torch.randn(self.shape, dtype=like.dtype, device=like.device)
        if channels_last:
            small = as_format(small, small.dim() > 3)
        return Part(small, self.factors, self.trim, self.site)


@dataclass
class Fold:
    """A convolution that can consume a deferred value.

    `path` is the convolution's module, or the one that called it as a function; `times` counts its calls in the run,
    `name` is its weight's in the model, empty for one that is computed.
    """

    path: str
    parts: tuple[PartShape, ...]
    weight: Tensor
    call: Numbers
    multiplies: int
    folded: int
    times: int = 1
    is_layer: bool = True
    name: str = ""

    @property
    def sites(self) -> tuple[str, ...]:
        """The modules that resize."""
        return tuple(dict.fromkeys(p.site for p in self.parts if max(p.factors) > 1))

    @property
    def keys(self) -> tuple[Key, ...]:
        """What is called for it in the model as it is: the convolution, and the resizes."""
        first = self.parts[0]
        x = (first.shape[0], sum(p.shape[1] for p in self.parts), *first.size)
        return (self.path, tuple(self.weight.shape), x), *((site, (), ()) for site in self.sites)


@dataclass
class Layer:
    """A convolution of either kind on a tensor: the module's path, an input's shape, how often, and `output_size`; for
    a function that a module calls, `layer` holds its numbers, and `route` how it is known again. `name` is its weight's
    in the model, empty for one that is computed."""

    path: str
    layer: Any
    shape: tuple[int, ...]
    times: int = 1
    output_size: Any = None
    route: Route | None = None
    name: str = ""

    @property
    def keys(self) -> tuple[Key, ...]:
        """What is called for it in the model as it is."""
        return ((self.path, tuple(self.layer.weight.shape), self.shape),)

    @property
    def multiplies(self) -> int:
        """Multiplications of one call: inputs times taps, or outputs times taps."""
        layer, rank = self.layer, len(self.layer.stride)
        batch = self.shape[0] if len(self.shape) == rank + 2 else 1
        positions = list(self.shape[-rank:])
        if not layer.transposed:
            pads = layer.padding if isinstance(layer.padding, tuple) else (0,) * rank
            ends = zip(positions, pads, layer.dilation, layer.kernel_size, layer.stride, strict=True)
            positions = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in ends]
        return int(batch * prod(positions) * layer.weight.numel())


@dataclass
class Observation:
    """What was seen."""

    folds: list[Fold] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    calls: list[Layer] = field(default_factory=list)
    """Convolutions that modules call as functions, on tensors."""
    chains: dict[str, str] = field(default_factory=dict)
    """For each convolution: "batch_norm" or "batch_norm, activation" where that stands behind it at every call."""
    resized: dict[str, list[str]] = field(default_factory=dict)
    """For each module that resizes: the functions that needed the resized tensor."""


class _Watch(Log):
    """Writes down what becomes of values, and what is called; the stack of modules tells where."""

    def __init__(self, model: nn.Module, found: Observation, stack: list[str], layers: Collection[str]) -> None:
        self.model = model
        self.found = found
        self.convolutions = {path for path, module in model.named_modules() if is_convolution(module)}
        self.layers = layers
        self.names = names_of_weights(model)
        self.stack = stack
        self.folds: dict[Any, Fold] = {}
        self.calls: dict[Any, Layer] = {}

    def called(self, func: Any, args: Any, kwargs: Any) -> None:
        """One of PyTorch's convolutions is called."""
        path = self.stack[-1]
        x, function = read_call(func, args, kwargs)
        if path in self.layers or not isinstance(x, Tensor) or x.dim() != function.weight.dim():
            return
        name = ""
        if isinstance(function.weight, nn.Parameter):
            inside = self.model.get_submodule(path).named_parameters()
            name = next((n for n, p in inside if p is function.weight), "")
            if not name:
                return  # a parameter of somebody else: this module alone could not say which
        route = Route(name, function.numbers)
        key = (path, route, tuple(x.shape))
        if key in self.calls:
            self.calls[key].times += 1
            return
        full = self.names.get(memory_of(function.weight), "")
        self.calls[key] = Layer(path, function, tuple(x.shape), route=route, name=full)
        self.found.calls.append(self.calls[key])

    def consumed(self, x: Deferred, weight: Tensor, call: Numbers) -> None:
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
            1, path in self.convolutions, self.names.get(memory_of(weight), ""),
        )  # fmt: skip
        self.folds[key] = fold
        self.found.folds.append(fold)

    def materialised(self, x: Deferred, why: str) -> None:
        for part in x.parts:
            if max(part.factors) > 1:
                self.found.resized.setdefault(part.site, []).append(why)


class _Watching(Deferring):
    """Defers everything, knows in which module, and follows what becomes of the outputs of convolutions."""

    def __init__(self, watch: _Watch, follow: Follow) -> None:
        super().__init__(How("torch", watch))
        self.watch = watch
        self.follow = follow

    @property
    def site(self) -> str:
        """The innermost module that is running."""
        return self.watch.stack[-1]

    @site.setter
    def site(self, value: str) -> None:
        pass

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in TRANSPOSED:
            self.watch.called(func, args, kwargs)
        readers = self.follow.read(func, args, kwargs)
        y = super().__torch_function__(func, types, args, kwargs)
        self.follow.wrote(func, readers, y)
        return y


def observe(model: nn.Module, call: Call, *, defer: bool = True) -> tuple[Observation, Any]:
    """(what was seen, the outputs) of one run, without gradients, with every nearest resize deferred if `defer`."""
    found = Observation()
    follow = Follow()
    # before there are hooks of this run
    layers = {path: module for path, module in model.named_modules() if _is_layer(module)}
    with _layers(model, layers, found, follow), stack_of_modules(model) as stack, torch.no_grad():
        if defer:
            with _Watching(_Watch(model, found, stack, layers), follow):
                y = model(*call[0], **call[1])
        else:
            y = model(*call[0], **call[1])
    found.chains = follow.chains()
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


def names_of_weights(model: nn.Module) -> dict[int, str]:
    """The first name of each parameter and buffer, by the memory that it lies in; for what a weight is made of by a
    parametrisation, the path of the module that has it."""
    names: dict[int, str] = {}
    for name, t in (*model.named_parameters(), *model.named_buffers()):
        module, parametrized, _ = f".{name}".partition(".parametrizations.")
        names.setdefault(memory_of(t), module[1:] if parametrized else name)
    return names


def memory_of(t: Tensor) -> int:
    """Which memory a tensor lies in."""
    return t.untyped_storage().data_ptr() if t.layout is torch.strided else id(t)


def _is_layer(module: nn.Module) -> bool:
    """True for one of PyTorch's convolutions without hooks, which may do anything to its weights or outputs."""
    return is_convolution(module) and not module._forward_hooks and not module._forward_pre_hooks


@contextmanager
def _layers(model: nn.Module, layers: Mapping[str, nn.Module], found: Observation, follow: Follow) -> Iterator[None]:
    seen: dict[Any, Layer] = {}
    handles = []
    names = names_of_weights(model)
    for path, module in layers.items():

        def note(layer: nn.Module, args: Any, kwargs: Any, y: Any, path: str = path) -> None:
            x = args[0] if args else kwargs["input"]
            if isinstance(y, Tensor):
                follow.start(path, y)
            if not isinstance(x, Tensor):
                return
            size = args[1] if len(args) > 1 else kwargs.get("output_size")
            key = (path, tuple(x.shape), None if size is None else tuple(size))
            if key in seen:
                seen[key].times += 1
            else:
                weight: Any = layer.weight
                seen[key] = Layer(path, layer, tuple(x.shape), 1, size, name=names.get(memory_of(weight), ""))
                found.layers.append(seen[key])

        handles.append(module.register_forward_hook(note, with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def is_any_channels_last(value: Any) -> bool:
    """True if some tensor in the value lies channels-last."""
    leaves = torch.utils._pytree.tree_leaves(value)
    return any(isinstance(t, Tensor) and is_channels_last(t) for t in leaves)
