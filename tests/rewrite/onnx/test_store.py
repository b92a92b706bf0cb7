"""Models that are too large for one file, with the limit set where a test can reach it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from upweave.rewrite.onnx import runtime, store

from .files import fold_model, numbers


def test_a_model_above_the_limit_is_spread_over_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LARGEST", 1000)
    path = store.save(fold_model(8), tmp_path / "large.onnx")
    assert store.uses_external_data(onnx.load(path, load_external_data=False))
    assert len(list(tmp_path.iterdir())) == 2
    onnx.checker.check_model(str(path), full_check=True)
    whole = store.with_weights(onnx.load(path, load_external_data=False), str(tmp_path))
    assert not store.uses_external_data(whole)
    assert whole.graph.initializer == fold_model(8).graph.initializer


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_model_above_the_limit_runs_and_stays_whole_in_memory(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pytest.importorskip(name)
    model, x = fold_model(8), numbers(1, 16, 8, 8)
    want = runtime.load(model, name)({"x": x})["y"]
    monkeypatch.setattr(runtime, "LARGEST", 1000)
    got = runtime.load(model, name)({"x": x})["y"]
    assert np.allclose(want, got, atol=1e-6)
    assert model == fold_model(8)
