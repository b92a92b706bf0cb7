"""Peer `torch`: PyTorch as most people run it."""

from __future__ import annotations

import torch

from ..case import Case, aten
from ..contender import Contender, peer


@peer("torch", package="torch", fresh_output="every call returns a new tensor")
def contenders(case: Case, threads: int) -> list[Contender]:
    """torch.nn.functional.conv_transpose, contiguous tensors, no_grad."""

    def call() -> torch.Tensor:
        with torch.no_grad():
            return aten(case)

    return [Contender("torch", "NCHW", True, call, lambda y: (y,))]
