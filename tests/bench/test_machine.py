from __future__ import annotations

import json
import os

import pytest

from bench import child, machine


def test_the_description_is_json_and_knows_this_process():
    found = json.loads(json.dumps(machine.describe()))
    assert found["cores"] == os.cpu_count()
    assert found["python"].startswith("3.")
    assert set(found["flags"]) <= set(machine.FLAGS)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_pin_takes_as_many_processors_as_threads_from_different_cores(monkeypatch):
    chosen = []
    siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cpus: chosen.append(list(cpus)))
    monkeypatch.setattr(machine, "_read", lambda path: siblings[int(path.split("/cpu")[-1].split("/")[0])])
    assert machine.pin(2) == [0, 1]
    assert machine.pin(3) == [0, 1, 2]
    assert chosen == [[0, 1], [0, 1, 2]]
    with pytest.raises(ValueError, match="5 threads on 4 processors"):
        machine.pin(5)


def test_a_function_in_a_process_of_its_own():
    assert child.call("bench.stats:geomean", {"ratios": [2, 8]}) == pytest.approx(4)
    assert child.call("os:getenv", {"key": "UPWEAVE_TEST"}, {"UPWEAVE_TEST": "yes"}) == "yes"
    with pytest.raises(RuntimeError, match="no geometric mean of"):
        child.call("bench.stats:geomean", {"ratios": []})
