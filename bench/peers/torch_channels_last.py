"""Peer `torch_channels_last`: PyTorch with input and weight already channels-last."""

from __future__ import annotations

import torch

from ..case import CHANNELS_LAST, Case, aten
from ..contender import CannotRun, Contender, peer


@peer("torch_channels_last", package="torch", fresh_output="every call returns a new tensor")
def contenders(case: Case, threads: int) -> list[Contender]:
    """torch.nn.functional.conv_transpose, input and weight channels-last beforehand, no_grad."""
    if case.problem.rank == 1:
        raise CannotRun("PyTorch has no channels-last format for one axis")
    layout = CHANNELS_LAST[case.problem.rank]
    turned = Case(case.problem, case.x.to(memory_format=layout), case.weight.to(memory_format=layout), case.bias)

    def call() -> torch.Tensor:
        with torch.no_grad():
            return aten(turned)

    return [Contender("torch_channels_last", "channels-last", False, call, lambda y: (y,))]
