"""The GPU benchmark: its values, its page, and the whole command on shrunken problems in Triton's interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from bench import gpu, gpu_floors, gpu_table, layers
from bench.gpu_measure import folded_weight, shrunken
from bench.gpu_table import Outcome, Row, Run
from upweave.ops.triton.machine import H100

ROOT = Path(__file__).parents[2]
CORE = layers.select(layers.load(), core=True)


def made_up(ms: float = 1.0, status: str = "ok", **settings: bool) -> Run:
    ours = Outcome("upweave", "last", status, "" if status == "ok" else "error 1", 1e-3, ms if status == "ok" else None)
    row = Row(
        "a", "forward", "bfloat16", {"input": [1]}, 100, 200, 0.5, "phase_gemm",
        (ours, Outcome("cudnn", "first", "ok", "", 1e-3, 3.0), Outcome("cudnn", "last", "ok", "", 1e-3, 2.0),
         Outcome("compile", "first", "failed", "no compiler")),
    )  # fmt: skip
    return Run(
        "2030-01-01", "c", {"gpu": "H100", "capability": "9.0"}, {"torch": "2.8"}, settings, {"copy_gb_s": 3e3}, (row,)
    )


def test_ratios_are_of_the_better_layouts() -> None:
    (row,) = made_up().rows
    assert row.ratio == 2.0
    assert row.roofline == 0.5
    assert made_up(status="wrong").rows[0].ratio is None


def test_json_comes_back_as_it_was() -> None:
    run = made_up()
    assert gpu_table.loads(gpu_table.dumps(run)) == run
    with pytest.raises(ValueError, match="schema 9"):
        gpu_table.loads(json.dumps({"schema": 9, "mode": "gpu"}))
    with pytest.raises(ValueError, match="Out of range"):
        gpu_table.dumps(made_up(ms=float("nan")))
    with pytest.raises(ValueError, match="'ok' with a median of None"):
        Outcome("upweave", "first", "ok")


def test_what_is_wrong_is_named() -> None:
    assert made_up().wrong == ()
    assert made_up(status="wrong").wrong == ("a forward bfloat16: upweave last: wrong, error 1",)


def test_the_section_says_what_was_measured_or_that_nothing_was() -> None:
    assert "**No GPU has been measured yet.**" in gpu_table.section(None)
    assert "**No GPU has been measured yet.**" in gpu_table.section(made_up(interpret=True))
    text = gpu_table.section(made_up())
    assert "No GPU" not in text
    assert "| a | bfloat16 | phase_gemm | — | 1 | — | — | 3 | 2 | failed | — | 2.00× | 0.50 |" in text
    assert "On H100, compute capability 9.0." in text
    assert "geometric mean of 1 rows 2.00×" in text


def test_predictions_are_no_better_than_the_floor() -> None:
    for layer in CORE:
        for dtype in gpu_floors.DTYPES:
            found = gpu_floors.predict(layer, dtype)
            p = layer.problem
            # a crop may remove products of the definition that a kernel never makes
            cropped = any(p.padding)
            assert found.share <= 1.0001 or cropped, (layer.name, found)
            assert found.floor_us >= 0.999 * 2e6 * p.multiplies / H100.peak(dtype, True)
    page = gpu_floors.page(CORE)
    assert "No time has been measured on a GPU yet." in page
    assert all(f"| {layer.name} |" in page for layer in CORE)


@pytest.mark.parametrize("name", [layer.name for layer in CORE])
def test_shrunken_problems_are_small_and_of_the_same_kind(name: str) -> None:
    p = next(layer.problem for layer in CORE if layer.name == name)
    small = shrunken(p)
    assert small.rank == p.rank
    assert small.multiplies < 200_000
    assert (small.groups > 1) == (p.groups > 1)
    assert (small.kernel == small.stride) == (p.kernel == p.stride)


def test_the_fold_is_the_resize_and_the_convolution() -> None:
    x, w = torch.randn(1, 3, 4, 5, dtype=torch.float64), torch.randn(2, 3, 3, 3, dtype=torch.float64)
    want = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), w, padding=1)
    torch.testing.assert_close(F.conv_transpose2d(x, folded_weight(w, 2), stride=2, padding=1), want)


def test_an_output_is_not_replaced_without_being_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gpu.json"
    path.write_text("{}")
    with pytest.raises(SystemExit):
        gpu.arguments(["--output", str(path)])
    assert "exists; choose another --output" in capsys.readouterr().err
    assert gpu.arguments(["--output", str(path), "--force"]).force


def test_the_whole_command_in_the_interpreter(tmp_path: Path) -> None:
    pytest.importorskip("triton")
    path = tmp_path / "gpu.json"
    command = [
        sys.executable, "bench/gpu.py", "--tiny", "--interpret", "--output", str(path),
        "--rows", "dcgan_rgb,unet_up4,erfnet_up1,mednext_dw_k3,hifigan_v1_up3", "--dtypes", "bfloat16",
    ]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    run = gpu_table.load(tmp_path)
    assert run is not None
    assert not run.measured
    assert not run.left_out
    assert {r.mode for r in run.rows} == set(gpu_table.MODES)
    for row in run.rows:
        triton = [o for o in row.outcomes if o.name == "triton"]
        assert triton
        assert all(o.status == "ok" for o in row.outcomes), row
    assert "Forward and backward" in done.stdout
