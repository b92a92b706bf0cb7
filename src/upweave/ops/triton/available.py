"""Whether the Triton backend can run here, and why not.

Nothing heavy is loaded to find out: without a GPU's device file, PyTorch is not imported.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import cache
from pathlib import Path

OLDEST = (8, 0)
"""Compute capability of the oldest NVIDIA GPU that is used: matrix units for bfloat16 and TF32, asynchronous copies."""

DEVICE_FILES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")
"""What a GPU's driver makes: NVIDIA's on Linux and under WSL, AMD's."""


def interpreted() -> bool:
    """True if kernels run step by step on the CPU (`TRITON_INTERPRET=1`): slow, for tests."""
    return os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "on", "yes", "y")


def why_not() -> str:
    """Why no kernel can run on this machine; empty if one can, on a GPU or in the interpreter."""
    missing = _not_installed()
    if missing or interpreted():
        return missing
    if "torch" not in sys.modules and not any(Path(f).exists() for f in DEVICE_FILES):
        return "no GPU was found"
    return _no_gpu()


@cache
def _not_installed() -> str:
    for module, name in (("torch", "PyTorch"), ("triton", "Triton")):
        if importlib.util.find_spec(module) is None:
            return f"{name} is not installed"
    return ""


@cache
def _no_gpu() -> str:
    """Asked once: a process neither gains nor loses a GPU."""
    import torch

    if not torch.cuda.is_available():
        return "PyTorch sees no GPU"
    reasons = [too_old(i) for i in range(torch.cuda.device_count())]
    return "" if "" in reasons else reasons[0]


@cache
def too_old(index: int) -> str:
    """Why the GPU of this number cannot run the kernels; empty if it can."""
    import torch

    if torch.version.hip is not None:
        return ""
    found = torch.cuda.get_device_capability(index)
    if found >= OLDEST:
        return ""
    return (
        f"{torch.cuda.get_device_name(index)} has compute capability {found[0]}.{found[1]}, "
        f"the kernels need {OLDEST[0]}.{OLDEST[1]}"
    )
