"""Inference with Upweave, PyTorch and oneDNN all held to AVX2, in a process that starts so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

ENVIRONMENT = {"UPWEAVE_ISA": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def held() -> bool:
    """True if this process was started with the three variables."""
    return all(os.environ.get(key) == value for key, value in ENVIRONMENT.items())


def again(arguments: Sequence[str]) -> int:
    """Run `python -m bench` with the same arguments in a process that is held to AVX2; its exit code."""
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, env={**os.environ, **ENVIRONMENT}, check=False).returncode


def confirm(upweave: str | None, torch: str | None) -> None:
    """`RuntimeError` unless both say that they obey; `upweave` is None where the native core is no part of the run.

    oneDNN says nothing, but it reads its variable itself.
    """
    for who, runs in (("Upweave", upweave), ("PyTorch", torch)):
        if runs is not None and runs.lower() != "avx2":
            raise RuntimeError(f"{who} runs with {runs} where AVX2 was asked for")
