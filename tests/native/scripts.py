"""Programs in a process of their own: where a crash or a hang must not take the tests along."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

PATIENCE = 120
"""Seconds after which a program counts as hanging; the work itself takes a few."""


def run(code: str, **environment: str) -> str:
    """What the program prints; raises with its errors if it fails, and if it hangs."""
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": path, **environment}, check=False,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout.strip()


def need_torch() -> None:
    """Skip where PyTorch is not installed, without loading it: under the sanitizers only scripts may."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
