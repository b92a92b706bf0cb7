"""A report as SARIF 2.1.0, for code scanning and editors.

Every rule is declared, whether it found something or not. A result points at its layer by a logical location (the
module's path or the ONNX node's name) and, where the class or call is known, at its line as well.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ... import __version__
from ..plain import plain
from ..rule import all_rules
from .docs import markdown_of, text_of
from .json import counts
from .location import relative, split_where

if TYPE_CHECKING:
    from ..finding import Finding
    from ..report import Report
    from ..rule import Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://pypi.org/project/upweave/"


def rule_descriptor(rule: type[Rule]) -> dict[str, Any]:
    """SARIF's reportingDescriptor of one rule."""
    return {
        "id": rule.code,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.summary or rule.name},
        "fullDescription": {"text": rule.summary or rule.name},
        "help": {"text": text_of(rule), "markdown": markdown_of(rule)},
        "defaultConfiguration": {"enabled": True, "level": str(rule.level)},
        "properties": {"name": rule.name, "needsWeights": rule.needs_weights, "needsTopology": rule.needs_topology},
    }


def artifact_uri(path: str) -> str:
    """The URI of a source file: relative below the current folder, else file://."""
    short = relative(path)
    if PurePath(short).is_absolute():
        return Path(short).as_uri()
    return quote(PurePath(short).as_posix())


def location(finding: Finding, report: Report) -> dict[str, Any]:
    """Where a finding is: always a layer (or the model), often a line."""
    logical: dict[str, Any] = {
        "fullyQualifiedName": plain(finding.layer or report.target or "model"),
        "kind": "module" if not finding.layer or report.grids.graph.framework == "torch" else "onnx-node",
    }
    if finding.layer:
        logical["name"] = plain(finding.layer.rsplit(".", 1)[-1] or finding.layer)
    found: dict[str, Any] = {"logicalLocations": [logical]}
    place = split_where(finding.where)
    if place is not None:
        physical: dict[str, Any] = {"artifactLocation": {"uri": artifact_uri(place[0])}}
        if place[1] is not None:
            physical["region"] = {"startLine": place[1]}
        found["physicalLocation"] = physical
    return found


def result(finding: Finding, report: Report, index: dict[str, int], *, silenced: bool = False) -> dict[str, Any]:
    """SARIF's result of one finding. Fixes are text: a network's layer is no region of a file to patch."""
    properties: dict[str, Any] = {"evidence": plain(finding.evidence)}
    text = plain(finding.message)
    if finding.fix is not None:
        properties["fix"] = {
            "applicability": finding.fix.applicability,
            "message": plain(finding.fix.message),
            "code": plain(finding.fix.code),
        }
        text += f"\nFix ({finding.fix.applicability}): {plain(finding.fix.message)}"
    identity = "\0".join((finding.code, finding.layer, finding.node))
    found: dict[str, Any] = {
        "ruleId": finding.code,
        "level": str(finding.level),
        "message": {"text": text},
        "locations": [location(finding, report)],
        "partialFingerprints": {"upweave/v1": hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:32]},
        "properties": properties,
    }
    if finding.code in index:
        found["ruleIndex"] = index[finding.code]
    if silenced:
        found["suppressions"] = [{"kind": "external", "justification": "silenced by the configuration"}]
    return found


def to_sarif(report: Report) -> dict[str, Any]:
    """The report as plain values of a SARIF log with one run."""
    rules = all_rules()
    index = {code: i for i, code in enumerate(rules)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "upweave",
                "version": __version__,
                "semanticVersion": __version__,
                "informationUri": HOME,
                "rules": [rule_descriptor(r) for r in rules.values()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [{"level": "note", "message": {"text": plain(n)}} for n in report.notes],
            }
        ],
        "results": [
            *(result(f, report, index) for f in report.findings),
            *(result(f, report, index, silenced=True) for f in report.silenced),
        ],
        "properties": {"target": plain(report.target), "layers": len(report.layers), "counts": counts(report)},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def to_sarif_json(report: Report) -> str:
    """The report as SARIF text, ending with a newline."""
    return json.dumps(to_sarif(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
