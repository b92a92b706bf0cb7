"""Route 1: `torch.export`, and the walk over any exported program."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import Any, cast

import torch
from torch import fx, nn

from ..ir import Graph
from .constants import DATA_SIZE, shape_of
from .places import Places
from .values import Const, Value, flat
from .walk import Walker


def by_export(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Graph:
    """Trace `model` with torch.export (non-strict) and walk the program."""
    with torch.no_grad():
        program = torch.export.export(model, args, kwargs, strict=False)
    return from_program(program, Places(model))


def from_program(program: Any, places: Places) -> Graph:
    """The graph of an exported program."""
    walker = Walker(places)
    inputs: list[str] = []
    specs = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
    for node in program.graph.nodes:
        if node.op != "placeholder":
            continue
        spec = specs[node.name]
        kind = spec.kind.name
        if kind == "USER_INPUT":
            if isinstance(node.meta.get("val"), torch.Tensor):
                inputs.append(walker.input(node))
            else:
                walker.env[node] = node.meta.get("val")
        elif isinstance(node.meta.get("val"), torch.Tensor):
            tensor = program.state_dict.get(spec.target, program.constants.get(spec.target))
            bind_constant(walker, node, str(spec.target), tensor)
        else:
            walker.env[node] = program.constants.get(spec.target)
    returned = walker.run(program.graph_module)
    kinds = [s.kind.name for s in program.graph_signature.output_specs]
    graph = finished(walker, inputs, [v for v, k in zip(returned, kinds, strict=True) if k == "USER_OUTPUT"])
    if any(_sized_by_data(node.meta.get("val")) for node in program.graph.nodes):
        note = f"some sizes depend on the data; they are shown as if each unknown were {DATA_SIZE}"
        graph = replace(graph, notes=(note,))
    return graph


def _sized_by_data(val: Any) -> bool:
    vals = val if isinstance(val, (list, tuple)) else [val]
    tensors = [v for v in vals if isinstance(v, torch.Tensor)]
    return any(isinstance(e, torch.SymInt) and e.node.hint is None for t in tensors for e in cast("list[Any]", t.shape))


def bind_constant(walker: Walker, node: fx.Node, name: str, tensor: Any) -> None:
    """Let a placeholder stand for a parameter or buffer."""
    walker.constants.bind(node, name, tensor)
    walker.env[node] = Const(node, shape_of(node.meta["val"]))


def finished(walker: Walker, inputs: list[str], results: Any) -> Graph:
    """The `Graph` of a finished walk; `results` is what the model returns, nested as it likes."""
    values = [v for v in flat(results) if isinstance(v, (Value, Const))]
    outputs = dict.fromkeys(walker.activation(v).name for v in values)
    return Graph(tuple(inputs), tuple(outputs), tuple(walker.nodes), walker.shapes)


@contextmanager
def quiet() -> Generator[None]:
    """Nothing that torch logs or prints gets out: a failed route is told in one note, not in pages of graph."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    sink = io.StringIO()
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with redirect_stdout(sink), redirect_stderr(sink), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


_LOGGERS = ("torch._export", "torch.export", "torch._dynamo", "torch.fx", "torch._subclasses", "torch._functorch")
