"""The audit of one model: read it, place its grids, list its layers, ask every rule, apply the silences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..graph.infer import infer
from ..graph.ir import Graph
from ..graph.load import load
from .config import Config, load_config, silence_findings
from .context import Context
from .finding import Finding
from .layers import layers_of
from .report import Report
from .rule import all_rules


def audit(
    target: Any,
    inputs: Any = None,
    *,
    config: Config | None = None,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
) -> Report:
    """Audit a model and return what was found.

    Arguments:
        target: a `torch.nn.Module`, the path of an `.onnx` or `.pt2` file, "package.module:factory", or a `Graph`.
        inputs: what the front end needs to trace it: shapes or tensors for PyTorch; shapes for dynamic axes in ONNX.
        config: the configuration; by default `[tool.upweave]` of the nearest pyproject.toml.
        select, ignore: codes, prefixes or names of rules, instead of the configuration's.

    Raises `ModelError` if the model cannot be read, `ConfigError` if a rule is named that does not exist.
    """
    config = load_config() if config is None else config
    if select is not None:
        config = replace(config, select=tuple(select))
    if ignore is not None:
        config = replace(config, ignore=tuple(ignore))
    rules = config.rules()
    graph, model = load(target, inputs)
    return audit_graph(graph, config=config, rules=rules, model=model)


def audit_graph(graph: Graph, *, config: Config, rules: Iterable[str] | None = None, model: Any = None) -> Report:
    """Audit a graph that has been read already; `rules` are codes, by default those that `config` selects."""
    grids = infer(graph)
    layers = layers_of(grids)
    context = Context(graph, grids, layers, model)
    chosen = config.rules() if rules is None else tuple(rules)
    known = all_rules()
    findings: list[Finding] = []
    for code in chosen:
        rule = known[code]
        if rule.needs_topology and not graph.has_topology:
            continue
        findings.extend(rule().check(context))
    order = {n.name: i for i, n in enumerate(graph.nodes)}
    findings.sort(key=lambda f: (order.get(f.node, len(order)), f.code))
    kept, silenced = silence_findings(_each_once(findings), config, graph.target, chosen)
    return Report(graph.target, kept, layers, grids, graph.notes, silenced)


def _each_once(findings: list[Finding]) -> list[Finding]:
    """The findings with what a shared layer repeats at every call said once; evidence `calls` counts them."""
    first: dict[tuple[str, str, str], Finding] = {}
    calls: dict[tuple[str, str, str], int] = {}
    for f in findings:
        key = (f.code, f.layer, f.message)
        first.setdefault(key, f)
        calls[key] = calls.get(key, 0) + 1
    return [f if calls[k] == 1 else replace(f, evidence={**f.evidence, "calls": calls[k]}) for k, f in first.items()]
