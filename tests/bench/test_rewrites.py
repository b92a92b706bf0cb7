"""The benchmark of rewrites: its patterns match what they are meant to, and its table says what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import rewrites
from bench.rewrites import PATTERNS, RUNTIMES, Row, forms, load, save, section
from upweave.rewrite.identity import all_identities
from upweave.rewrite.onnx.runtime import load as load_model


def test_names_are_unique_and_identities_exist() -> None:
    assert len({p.name for p in PATTERNS}) == len(PATTERNS)
    assert {p.identity for p in PATTERNS} <= set(all_identities())


@pytest.mark.parametrize("pattern", [p for p in PATTERNS if p.channels <= 64], ids=lambda p: p.name)
def test_the_rewritten_form_computes_the_same(pattern: rewrites.Pattern, tmp_path: Path) -> None:
    old, new, chosen = forms(pattern, tmp_path)
    assert set(chosen) == set(RUNTIMES)
    assert [n.op_type for n in new.graph.node] != [n.op_type for n in old.graph.node] or pattern.identity in (
        "absorb-output-padding",
    )
    rng = np.random.default_rng(1)
    feeds = {
        i.name: rng.standard_normal([d.dim_value for d in i.type.tensor_type.shape.dim]).astype(np.float32)
        for i in old.graph.input
    }
    want, got = (load_model(m, "onnxruntime")(feeds)["y"] for m in (old, new))
    assert np.linalg.norm(want - got) < 1e-5 * np.linalg.norm(want)


def test_results_are_kept_runtime_by_runtime_and_shown(tmp_path: Path) -> None:
    assert section(tmp_path) == ""
    name, identity = PATTERNS[0].name, PATTERNS[0].identity
    save([Row(name, identity, "onnxruntime", 10.0, 20.0, False, 5)], tmp_path, "python -m bench rewrites")
    save([Row(name, identity, "openvino", 30.0, 10.0, True, 5)], tmp_path, "python -m bench rewrites")
    rows, _ = load(tmp_path)
    assert [(r.runtime, r.ratio) for r in rows] == [("onnxruntime", 0.5), ("openvino", 3.0)]
    text = section(tmp_path)
    assert f"| {name} | `{identity}` | 10 | 20 | 0.50 | left alone |" in text
    assert f"| {name} | `{identity}` | 30 | 10 | 3.00 | yes |" in text
    (tmp_path / rewrites.FILE).write_text('{"schema": 0}')
    with pytest.raises(ValueError, match="schema 0"):
        load(tmp_path)
