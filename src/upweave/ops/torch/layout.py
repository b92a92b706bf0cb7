"""Which memory format a result has: channels-last for channels-last, contiguous for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""PyTorch's channels-last format by the number of axes; it has none for 1-D signals."""


def is_channels_last(x: torch.Tensor) -> bool:
    """True for a tensor that is dense in channels-last order and not in the plain one; the real kernels and the fake
    ones decide by this alone, so that they agree."""
    return not x.is_contiguous() and x.dim() in CHANNELS_LAST and x.is_contiguous(memory_format=CHANNELS_LAST[x.dim()])


def as_format(x: torch.Tensor, channels_last: bool) -> torch.Tensor:
    """`x` itself where it is dense in the wanted order, else a copy that is."""
    return x.contiguous(memory_format=CHANNELS_LAST[x.dim()]) if channels_last else x.contiguous()


def empty(like: torch.Tensor, shape: Sequence[Any], channels_last: bool) -> torch.Tensor:
    """An uninitialised tensor of `shape` with the dtype and device of `like`, dense in the wanted order."""
    if not channels_last:
        return like.new_empty(shape)
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=CHANNELS_LAST[len(shape)])
