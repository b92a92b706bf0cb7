"""From a module to a `Graph`: the first of two routes that works."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from ...errors import ModelError
from ..check import check
from ..ir import Graph
from .export import by_export, quiet
from .inputs import example_inputs
from .record import by_recording, first_line
from .rerun import Rerun
from .state import evaluation


def from_torch(model: nn.Module, inputs: Any) -> Graph:
    """The graph of `model` as it runs on `inputs` in evaluation mode; the model is left as it was.

    `inputs` is a tuple of specifications (or one alone), or a dict of them for keyword arguments. A specification is
    a shape such as (1, 3, 64, 64), which becomes zeros of the model's own dtype on its own device; a pair
    ("int64", shape); or a tensor. Models on the meta device work: their weights then have no numbers.

    Two routes, the first that works: torch.export (non-strict); a recording under fake tensors. `Graph.notes` says
    why a route was left. Raises `ModelError` if the model itself cannot run on such inputs.
    """
    if not isinstance(model, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ModelError(
            f"{type(model).__name__} is no torch.nn.Module; give the model itself, or a function that builds it"
        )
    args, kwargs = example_inputs(model, inputs)
    graph = _traced(model, args, kwargs)
    return replace(graph, rerun=Rerun(model, args, kwargs, graph))


def _traced(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Graph:
    with evaluation(model), quiet():
        try:
            return check(by_export(model, args, kwargs))
        except Exception as error:
            note = f"torch.export could not trace the model ({first_line(error)})"
        try:
            graph = by_recording(model, args, kwargs)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"the model cannot run on these inputs: {first_line(error)}") from error
    how = "its run on fake tensors was recorded instead" if graph.has_topology else "only its layers were recorded"
    return check(replace(graph, notes=(f"{note}; {how}", *graph.notes)))
