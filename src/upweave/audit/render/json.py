"""A report as JSON. The keys are a public contract; they are added to, never renamed.

    version      of Upweave that wrote it
    target       the model as the user named it
    framework    "torch" or "onnx"
    inputs       the model's inputs: name, shape
    outputs      its outputs, likewise
    layers       every resampling layer, in graph order: path, op, spec, coverage, alignment, multiplies …
    findings     code, name, level, layer, message, evidence, fix, where, node
    counts       findings by level
    notes        what a reader should know about how the model was read
    silenced     findings that the configuration silences

The text is strictly valid JSON. Fractions are numbers: whole ones integers, the others the nearest double. What has
no number in JSON (an infinite rejection, an undefined ratio) is null. Keys of `evidence` belong to their rule.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ... import __version__
from ..plain import plain

if TYPE_CHECKING:
    from ...spec import Spec
    from ..finding import Finding
    from ..layer import Layer
    from ..report import Report


def spec_to_dict(spec: Spec | None) -> dict[str, Any] | None:
    """The hyper-parameters by name, and the class of the spec as `type`."""
    if spec is None:
        return None
    return {"type": type(spec).__name__} | {f.name: plain(getattr(spec, f.name)) for f in fields(spec)}  # type: ignore[arg-type]


def layer_to_dict(layer: Layer) -> dict[str, Any]:
    """One resampling layer."""
    r = layer.resampler
    return {
        "path": plain(layer.path),
        "op": layer.op,
        "spec": spec_to_dict(layer.spec),
        "details": plain(layer.details),
        "coverage": plain(layer.coverage),
        "alignment": plain(layer.alignment),
        "multiplies": int(layer.multiplies),
        "in_shape": plain(layer.in_shape),
        "out_shape": plain(layer.out_shape),
        "factor": plain(r.factor),
        "upsampler": r.is_upsampler,
        "crops": plain(r.crops),
        "node": plain(layer.node),
        "where": plain(layer.where),
    }


def finding_to_dict(finding: Finding) -> dict[str, Any]:
    """One finding; `fix` is null or has `applicability`, `message`, `code`."""
    fix = finding.fix
    return {
        "code": finding.code,
        "name": finding.name,
        "level": str(finding.level),
        "layer": plain(finding.layer),
        "message": plain(finding.message),
        "evidence": plain(finding.evidence),
        "fix": fix and {"applicability": fix.applicability, "message": plain(fix.message), "code": plain(fix.code)},
        "where": plain(finding.where),
        "node": plain(finding.node),
    }


def to_dict(report: Report) -> dict[str, Any]:
    """The report as plain JSON values."""
    graph = report.grids.graph

    def values(names: tuple[str, ...]) -> list[dict[str, Any]]:
        return [{"name": plain(n), "shape": plain(graph.shapes.get(n))} for n in names]

    return {
        "version": __version__,
        "target": plain(report.target),
        "framework": graph.framework,
        "inputs": values(graph.inputs),
        "outputs": values(graph.outputs),
        "layers": [layer_to_dict(x) for x in report.layers],
        "findings": [finding_to_dict(f) for f in report.findings],
        "counts": counts(report),
        "notes": plain(report.notes),
        "silenced": [finding_to_dict(f) for f in report.silenced],
    }


def counts(report: Report) -> dict[str, int]:
    """The number of findings of each level, the worst first."""
    from ..finding import Level

    return {str(v): sum(f.level == v for f in report.findings) for v in sorted(Level, reverse=True)}


def to_json(report: Report, indent: int | None = 2) -> str:
    """The report as JSON text, ending with a newline."""
    return json.dumps(to_dict(report), indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
