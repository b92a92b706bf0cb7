"""The kernels compile for GPUs that are not here, without spilling, into matrix instructions where they should."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from upweave.ops.triton.choice import ALGORITHMS

ROOT = Path(__file__).parents[2]
SHARED = {"sm_90": 227 * 1024, "sm_80": 163 * 1024, "gfx942": 64 * 1024}
"""Bytes of shared memory that a program may have."""


@pytest.fixture(scope="module")
def compiled() -> list[dict]:
    pytest.importorskip("torch")
    pytest.importorskip("triton")
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("Triton's assembler is there for x86 alone")
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.triton.compile_kernels"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**environment, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_every_kernel_compiles_for_every_target(compiled: list[dict]) -> None:
    names = {name for names in ALGORITHMS.values() for name in names}
    assert {c["algorithm"] for c in compiled if c["target"] == "sm_90"} == names
    assert {c["algorithm"] for c in compiled if c["target"] == "sm_80"} == names
    assert {c["algorithm"] for c in compiled if c["target"] == "gfx942"} == set(ALGORITHMS["forward"])


def test_none_takes_more_than_there_is(compiled: list[dict]) -> None:
    for c in compiled:
        assert c["shared"] <= SHARED[c["target"]], c
        assert c.get("stack", 0) <= 64, c  # spilled registers
        assert c.get("registers", 0) <= 255, c


def test_products_are_made_by_matrix_units(compiled: list[dict]) -> None:
    gemms = [c for c in compiled if c["target"] != "gfx942" and "stencil" not in c["algorithm"]]
    gemms = [c for c in gemms if c["kernel"] != "sum_partials"]
    assert gemms
    assert all(c["matrix"] for c in gemms), [c for c in gemms if not c["matrix"]]


def test_wide_channels_last_rows_are_fetched_asynchronously(compiled: list[dict]) -> None:
    wide = [c for c in compiled if c["problem"] == "wide" and c["kernel"] == "phase_gemm" and c["target"] == "sm_90"]
    assert wide
    assert all(c["asynchronous"] for c in wide), wide
