"""The model itself at other input sizes, on fake tensors: what the recorded graph can only predict."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree

from ..ir import Graph, Shape
from .export import quiet
from .state import evaluation


class Rerun:
    """Callable: input shapes by name to output shapes by name; None where the model does not run on them.

    `is_usable` is False where a fake run says nothing: it already fails, or returns something else than the graph, at
    the sizes that the graph was recorded at.
    """

    def __init__(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], graph: Graph) -> None:
        self._model = model
        self._args, self._kwargs = args, kwargs
        self._inputs, self._outputs = graph.inputs, graph.outputs
        self._recorded = {v: graph.shapes[v] for v in (*graph.inputs, *graph.outputs) if v in graph.shapes}

    @cached_property
    def is_usable(self) -> bool:
        """Whether a fake run at the recorded sizes gives the recorded outputs."""
        tensors = [t for t in pytree.tree_leaves((self._args, self._kwargs)) if isinstance(t, torch.Tensor)]
        if [tuple(t.shape) for t in tensors] != [self._recorded.get(v) for v in self._inputs]:
            return False
        return self({}) == {v: self._recorded.get(v) for v in self._outputs}

    def __call__(self, shapes: Mapping[str, Shape]) -> dict[str, Shape] | None:
        """The output shapes with these input shapes, the other inputs as they were recorded."""
        names = iter(self._inputs)

        def resized(leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor):
                return leaf
            shape = shapes.get(next(names), tuple(leaf.shape))
            return torch.zeros(shape, dtype=leaf.dtype, device=leaf.device)

        with evaluation(self._model), quiet(), torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
            args, kwargs = pytree.tree_map(resized, (self._args, self._kwargs))
            try:
                returned = self._model(*args, **kwargs)
            except Exception:
                return None
        found = [tuple(t.shape) for t in pytree.tree_leaves(returned) if isinstance(t, torch.Tensor)]
        return dict(zip(self._outputs, found, strict=True)) if len(found) == len(self._outputs) else None
