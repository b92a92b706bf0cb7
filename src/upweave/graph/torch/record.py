"""Route 2: run the model under fake tensors and record every ATen call, with module hooks for the paths.

Nothing is computed: fake tensors carry shapes only. Where the model asks a tensor of its data for a number (a branch
on the input), the answer is zero, and the graph comes without topology: its layers are real, the connections are not
claimed. Where a shape depends on data, the recording ends there.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses import fake_tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from ...errors import ModelError
from .. import ir
from .export import bind_constant, finished
from .places import Places
from .walk import Walker

_LAYERS = (
    ir.Convolution,
    ir.TransposedConvolution,
    ir.Resize,
    ir.PixelShuffle,
    ir.PixelUnshuffle,
    ir.Pool,
    ir.AdaptivePool,
    ir.Pad,
    ir.Repeat,
    ir.Linear,
)
_UNKNOWABLE = (
    fake_tensor.DataDependentOutputException,
    fake_tensor.DynamicOutputShapeException,
    fake_tensor.UnsupportedOperatorException,
    fake_tensor.UnsupportedFakeTensorException,
)
_SMALL = 64


def by_recording(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ir.Graph:
    """The graph of one run of `model` on fake tensors. Raises whatever the model raises."""
    with fake_tensor.FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.no_grad():
        recorder = Recorder()
        state = {name: _fake(mode, tensor, recorder, name) for name, tensor in _state(model)}
        leaves, layout = pytree.tree_flatten((args, kwargs))
        leaves = [_fake(mode, v, recorder, None) if isinstance(v, torch.Tensor) else v for v in leaves]
        fake_args, fake_kwargs = pytree.tree_unflatten(leaves, layout)
        stop, returned = None, None
        with _paths(model, recorder), recorder:
            try:
                returned = torch.func.functional_call(model, state, fake_args, fake_kwargs)
            except _UNKNOWABLE as reason:
                stop = f"the recording ends where a shape or value depends on data ({first_line(reason)})"
    return _graph(recorder, Places(model), returned, stop)


def _graph(recorder: Recorder, places: Places, returned: Any, stop: str | None) -> ir.Graph:
    results = [recorder.node(t) for t in pytree.tree_leaves(returned) if isinstance(t, torch.Tensor)]
    recorder.graph.output(tuple(results))
    walker = Walker(places)
    inputs: list[str] = []
    for node, (name, tensor) in recorder.sources.items():
        if name is None:
            inputs.append(walker.input(node))
        else:
            bind_constant(walker, node, name, tensor)
    module = fx.GraphModule(torch.nn.Module(), recorder.graph)
    graph = finished(walker, inputs, walker.run(module))
    notes = [*recorder.assumed, *([stop] if stop else [])]
    if not notes:
        return graph
    layers = tuple(n for n in graph.nodes if isinstance(n.op, _LAYERS))
    return replace(graph, nodes=layers, outputs=(), has_topology=False, notes=tuple(notes))


class Recorder(TorchDispatchMode):
    """Writes every ATen call under it into `graph`, with the fake results as "val" and the running module's path.

    `sources` maps placeholders to (name, real tensor), with the name None for inputs of the model.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = fx.Graph()
        self.sources: dict[fx.Node, tuple[str | None, Any]] = {}
        self.assumed: dict[str, None] = {}
        self.stack: list[str] = [""]
        self._nodes: dict[int, fx.Node] = {}
        self._alive: list[Any] = []
        self._from_input: set[fx.Node] = set()

    def source(self, fake: Any, name: str | None, real: Any) -> None:
        """Declare a parameter, a buffer, or (name None) an input."""
        node = self.graph.placeholder(f"p_{name}".replace(".", "_") if name else "input")
        node.meta["val"] = fake
        self.sources[node] = (name, real)
        if name is None:
            self._from_input.add(node)
        self._remember(fake, node)

    def node(self, tensor: Any) -> fx.Node:
        """The node that wrote `tensor`; a tensor from nowhere (torch.tensor in the forward) is a constant."""
        if id(tensor) not in self._nodes:
            real = getattr(tensor, "constant", None)
            self.source(tensor, f"constant_{len(self.sources)}", real if real is not None else tensor)
        return self._nodes[id(tensor)]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            return self._number(func, args[0])
        result = func(*args, **kwargs)
        if func.namespace == "prim" or not any(isinstance(t, torch.Tensor) for t in pytree.tree_leaves(result)):
            return result
        traced = pytree.tree_map_only(torch.Tensor, self.node, (args, dict(kwargs)))
        node = self.graph.call_function(func, *traced)
        node.meta["val"] = result
        node.meta["nn_module_stack"] = {self.stack[-1]: (self.stack[-1], "")}
        if self._from_input.intersection(node.all_input_nodes):
            self._from_input.add(node)
        if isinstance(result, (list, tuple)):
            for i, item in enumerate(result):
                if isinstance(item, torch.Tensor):
                    self._piece(node, i, item)
        else:
            self._remember(result, node)
        return result

    def _piece(self, node: fx.Node, index: int, item: Any) -> None:
        piece = self.graph.call_function(operator.getitem, (node, index))
        piece.meta.update(node.meta, val=item)
        if node in self._from_input:
            self._from_input.add(piece)
        self._remember(item, piece)

    def _remember(self, tensor: Any, node: fx.Node) -> None:
        self._nodes[id(tensor)] = node
        self._alive.append(tensor)  # ids stay unique while the tensors live

    def _number(self, func: Any, tensor: Any) -> Any:
        try:
            return func(tensor)
        except fake_tensor.DataDependentOutputException:
            path = self.stack[-1] or "the model itself"
            if self.node(tensor) in self._from_input:
                self.assumed[
                    f"{path} reads a number from its data; it was taken as 0, so what feeds what is not claimed"
                ] = None
                return False if tensor.dtype is torch.bool else 0.0 if tensor.dtype.is_floating_point else 0
            raise ModelError(
                f"{path} reads the numbers of a buffer, which a model on the meta device does not have; "
                "build the model on the CPU"
            ) from None


def _state(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _fake(mode: Any, tensor: torch.Tensor, recorder: Recorder, name: str | None) -> Any:
    """A fake of `tensor`; small integer buffers keep their numbers, which models use as sizes and strides."""
    fake = mode.from_tensor(tensor, static_shapes=True)
    small = tensor.numel() <= _SMALL and not tensor.is_floating_point() and not tensor.is_meta
    if name is not None and small:
        fake = fake_tensor.FakeTensor(mode, tensor.to("meta"), tensor.device, constant=tensor)
    recorder.source(fake, name, tensor)
    return fake


@contextmanager
def _paths(model: nn.Module, recorder: Recorder) -> Generator[None]:
    """While inside, the recorder's stack holds the paths of the running modules."""
    handles: list[Any] = []

    def enter(path: str) -> Any:
        return lambda *_: recorder.stack.append(path)

    def leave(*_: Any) -> None:
        recorder.stack.pop()

    try:
        for path, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(enter(path), prepend=True))
            handles.append(module.register_forward_hook(leave))
        yield
    finally:
        for handle in handles:
            handle.remove()


def first_line(error: BaseException) -> str:
    """The first line of an error that says something, with its type."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    plain = re.sub(r"\s*\((unhinted|Size-like)[^()]*(\([^()]*\)[^()]*)*\)\.?", "", lines[0])
    return f"{type(error).__name__}: {plain[:200]}"
