from __future__ import annotations

import dataclasses
import json
import math
import os

import pytest

from bench import results
from bench.results import Outcome

from . import made_up


@pytest.mark.parametrize("run", [made_up.every_core_row(), made_up.memory()], ids=["rows", "memory"])
def test_json_there_and_back(run):
    assert results.loads(results.dumps(run)) == run


def test_other_schemas_and_unknown_fields_are_refused():
    data = json.loads(results.dumps(made_up.every_core_row()))
    for change, words in [
        ({"schema": 0}, "schema 0"),
        ({"more": 1}, "no field more"),
        ({"mode": "backward"}, "mode 'backward'"),
        ({"rows": [{"name": "a"}]}, "missing"),
    ]:
        with pytest.raises(ValueError, match=words):
            results.loads(json.dumps({**data, **change}))


def test_a_nan_is_no_result():
    bad = dataclasses.replace(made_up.outcome("torch", 1.0), q1_ms=math.nan)
    with pytest.raises(ValueError, match="JSON"):
        results.dumps(made_up.run([made_up.row("a", [bad])]))


def test_a_time_needs_a_status_that_has_one():
    with pytest.raises(ValueError, match="'wrong' with a median"):
        Outcome("a", "", True, "wrong", median_ms=1.0)
    with pytest.raises(ValueError, match="'ok' with a median"):
        Outcome("a", "", True, "ok")
    with pytest.raises(ValueError, match="status 'fine'"):
        Outcome("a", "", True, "fine")


def test_results_are_not_overwritten_unasked(tmp_path):
    path = results.target("a", tmp_path)
    results.save(made_up.memory(), path)
    with pytest.raises(FileExistsError, match="--force"):
        results.target("a", tmp_path)
    assert results.target("a", tmp_path, force=True) == path


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    results.write(path, "before")

    def fail(*_):
        raise OSError("disk is gone")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk is gone"):
        results.write(path, "after")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == "before"


def test_wrong_names_upweaves_rows_alone():
    bad = Outcome("upweave", "", True, "wrong", "relative error 1e-3")
    peer = Outcome("jax", "", True, "failed", "no such kernel")
    run = made_up.run([made_up.row("a", [bad, peer]), made_up.row("b", [made_up.outcome("upweave", 1.0)])])
    assert run.wrong == ("a: upweave: relative error 1e-3",)
