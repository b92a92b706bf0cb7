"""The JSON contract."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.render.samples import SAMPLES, evil, gan, silenced
from upweave.audit.plain import plain
from upweave.audit.render.json import to_dict


def strict(text: str) -> Any:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("name", SAMPLES)
def test_is_strict_json_with_the_promised_keys(name: str) -> None:
    report = SAMPLES[name]()
    found = strict(report.to_json())
    assert found == to_dict(report)
    assert list(found)[:2] == ["version", "target"]
    assert {"layers", "findings", "counts", "notes", "silenced", "inputs", "outputs", "framework"} <= set(found)
    for layer in found["layers"]:
        assert {"path", "op", "spec", "coverage", "alignment", "multiplies", "in_shape", "out_shape"} <= set(layer)
        assert {"factor", "where", "node", "details", "upsampler", "crops"} <= set(layer)
    for f in found["findings"]:
        assert set(f) == {"code", "name", "level", "layer", "message", "evidence", "fix", "where", "node"}
        assert f["fix"] is None or set(f["fix"]) == {"applicability", "message", "code"}


def test_numbers_of_a_layer() -> None:
    layer = to_dict(gan())["layers"][0]
    assert layer["spec"]["type"] == "ConvTranspose"
    assert layer["spec"]["kernel"] == [3, 3]
    assert layer["coverage"] == [[1, 2], [2, 4]]
    assert layer["factor"] == [2, 2]
    assert layer["multiplies"] == 8 * 16 * 16 * 6 * 9
    assert layer["in_shape"] == [1, 8, 16, 16]


def test_what_has_no_number_is_null() -> None:
    found = next(f for f in to_dict(evil())["findings"] if f["level"] == "error")["evidence"]
    assert found["nan"] is None
    assert found["inf"] is None
    assert found["half"] == 0.5


def test_plain_keeps_integers_and_strings() -> None:
    from fractions import Fraction

    import numpy as np

    assert plain({1: (Fraction(4, 2), True, np.int64(3), np.array([1.5]))}) == {"1": [2, True, 3, [1.5]]}
    assert plain(frozenset({"b", "a"})) == ["a", "b"]


def test_silenced_findings_are_listed_apart() -> None:
    found = to_dict(silenced())
    assert [f["code"] for f in found["silenced"]] == ["UW101"]
    assert "UW101" not in [f["code"] for f in found["findings"]]
