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


def confirm() -> None:
    """`RuntimeError` unless PyTorch says that it obeys; Upweave's native core raises by itself for a set it lacks."""
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    if capability != "AVX2":
        raise RuntimeError(f"PyTorch runs with {capability} where AVX2 was asked for")
