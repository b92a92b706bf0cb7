"""From a module to a `Graph`: the first of three routes that works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from ...errors import ModelError
from ..check import check
from ..ir import Graph
from .export import Quiet, by_export
from .inputs import example_inputs


def from_torch(model: nn.Module, inputs: Any) -> Graph:
    """The graph of `model` as it runs on `inputs` in evaluation mode."""
    if not isinstance(model, nn.Module):
        raise ModelError(f"{type(model).__name__} is no torch.nn.Module")
    args, kwargs = example_inputs(model, inputs)
    with evaluation(model), Quiet():
        return check(by_export(model, args, kwargs))


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Every module in evaluation mode inside, and in its own mode again afterwards."""
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, mode in modes:
            module.training = mode
