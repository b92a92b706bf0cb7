"""Without a GPU, the kernels' tests run in Triton's interpreter, in a process that has asked for it from the start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from upweave.ops.triton import available

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_kernels_in_the_interpreter() -> None:
    for module in ("torch", "triton"):
        pytest.importorskip(module)
    if not available.why_not():
        pytest.skip("the kernels' tests run by themselves, on a GPU or in the interpreter")
    environment = {
        **os.environ,
        "TRITON_INTERPRET": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(HERE / "kernels")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 80
