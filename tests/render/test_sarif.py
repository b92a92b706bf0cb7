"""SARIF against the 2.1.0 schema."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft4Validator

from scripts import sarif_schema
from tests.render.samples import SAMPLES, evil, gan, silenced
from upweave.audit import Report, all_rules
from upweave.audit.render.sarif import to_sarif_json


@cache
def official() -> Any:
    """The official schema; without npm to fetch it the tests skip, but not in CI."""
    try:
        return sarif_schema.schema()
    except (OSError, subprocess.SubprocessError) as reason:
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        return give_up(f"no SARIF schema: {reason}; .ci/debian-packages.sh installs npm, which fetches it")


def run_of(report: Report) -> Any:
    log = json.loads(to_sarif_json(report))
    validator = Draft4Validator(official(), format_checker=Draft4Validator.FORMAT_CHECKER)
    assert [e.message for e in validator.iter_errors(log)] == []
    assert log["version"] == "2.1.0"
    return log["runs"][0]


@pytest.mark.parametrize("name", SAMPLES)
def test_validates(name: str) -> None:
    report = SAMPLES[name]()
    run = run_of(report)
    assert len(run["results"]) == len(report.findings) + len(report.silenced)


def test_the_schema_can_fail() -> None:
    assert list(Draft4Validator(official()).iter_errors({"version": "2.1.0", "runs": [{"results": 3}]}))


def test_declares_every_rule() -> None:
    rules = run_of(gan())["tool"]["driver"]["rules"]
    assert [r["id"] for r in rules] == list(all_rules())
    for declared, rule in zip(rules, all_rules().values(), strict=True):
        assert declared["defaultConfiguration"]["level"] == str(rule.level)
        assert declared["help"]["text"]
        assert declared["help"]["markdown"].startswith(f"# {rule.name}")


def test_results_point_at_layers_and_lines() -> None:
    run = run_of(gan())
    first = next(r for r in run["results"] if r["ruleId"] == "UW101")
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == "UW101"
    (place,) = first["locations"]
    (logical,) = place["logicalLocations"]
    assert logical["fullyQualifiedName"] == "up.0"
    assert logical["kind"] == "onnx-node"
    assert place["physicalLocation"] == {"artifactLocation": {"uri": "model.py"}, "region": {"startLine": 1}}
    assert "Fix (safe)" in first["message"]["text"]


def test_fingerprints_tell_layers_apart_and_stay() -> None:
    one, two = ([r["partialFingerprints"]["upweave/v1"] for r in run_of(gan())["results"]] for _ in range(2))
    assert one == two
    assert len(set(one)) == len(one)


def test_silenced_findings_are_suppressed() -> None:
    results = run_of(silenced())["results"]
    assert [r["ruleId"] for r in results if "suppressions" in r] == ["UW101"]


def test_hostile_names_stay_text() -> None:
    uris = [
        r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for r in run_of(evil())["results"]
        if r["level"] == "error"
    ]
    assert uris
    assert all(" " not in u and "<" not in u and "\n" not in u for u in uris)
