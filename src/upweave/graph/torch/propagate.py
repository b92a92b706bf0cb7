"""New input shapes through a traced graph, on the meta device: shapes only, no numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx
from torch.fx.node import map_arg

from ...errors import ModelError
from .constants import may_run
from .inputs import example_inputs
from .record import first_line


def propagate(module: fx.GraphModule, inputs: list[fx.Node], specs: Any) -> None:
    """Write the "val" of every node for inputs of the given shapes.

    Raises `ModelError` if the graph has other inputs, or was exported for one shape and does not run on another.
    """
    args, kwargs = example_inputs(torch.nn.Identity().to("meta"), specs)
    given = [*args, *kwargs.values()] if isinstance(specs, Mapping) else list(args)
    known = [tuple(n.meta["val"].shape) for n in inputs]
    if len(given) != len(inputs):
        raise ModelError(f"the file takes {len(inputs)} inputs of the shapes {known}, not {len(given)}")
    vals: dict[fx.Node, Any] = {}
    for node, value in zip(inputs, given, strict=True):
        old = node.meta["val"]
        if value.dim() != old.dim():
            raise ModelError(f"the file's input {node.name} has the shape {tuple(old.shape)}, not {tuple(value.shape)}")
        vals[node] = torch.empty(value.shape, dtype=old.dtype, device="meta")
    if all(vals[n].shape == n.meta["val"].shape for n in inputs):
        return
    try:
        _run(module, vals)
    except Exception as error:
        raise ModelError(
            f"the file was exported for inputs of the shapes {known} and does not take others ({first_line(error)}); "
            "export it with dynamic shapes, or leave out the input"
        ) from error


def _run(module: fx.GraphModule, vals: dict[fx.Node, Any]) -> Any:
    for node in module.graph.nodes:
        if node.op == "placeholder":
            vals.setdefault(node, node.meta.get("val"))
        elif node.op == "get_attr":
            vals[node] = getattr(module, str(node.target))
        elif node.op == "output":
            return map_arg(node.args[0], vals.__getitem__)
        else:
            vals[node] = _call(node, vals)
        if node.op != "get_attr":
            node.meta["val"] = vals[node]
    return None


def _call(node: fx.Node, vals: dict[fx.Node, Any]) -> Any:
    args: Any = map_arg(node.args, vals.__getitem__)
    kwargs = dict(map_arg(node.kwargs, vals.__getitem__))
    inner = next((a for a in args if isinstance(a, fx.GraphModule)), None)
    if inner is not None:
        places = [n for n in inner.graph.nodes if n.op == "placeholder"]
        operands = args[args.index(inner) + 1 :]
        return _run(inner, dict(zip(places, operands, strict=True)))
    if not may_run(node.target):
        raise ModelError(f"the operator {node.target} of the file is not run")
    if "device" in kwargs:
        kwargs["device"] = torch.device("meta")
    with torch.device("meta"):
        return node.target(*args, **kwargs)  # type: ignore[operator]
