"""The polyphase view: a kernel is s kernels, interleaved.

h        h[0] h[1] h[2] h[3] h[4] …
h₀       h[0]      h[2]      h[4]        y[2r]   = (x * h₀)[r]
h₁            h[1]      h[3]             y[2r+1] = (x * h₁)[r]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..bank import Array
from ..errors import SpecError


def polyphase(h: Any, stride: int) -> tuple[Array, ...]:
    """The s components h_r[m] = h[s·m + r] of a kernel, along its last axis; y[s·q + r] = (x * h_r)[q].

    `PhaseBank` is the same with borders, channels and structure. Source: the article, polyphase view.
    """
    if stride < 1:
        raise SpecError(f"stride must be at least 1, got {stride}")
    h = np.asarray(h)
    return tuple(h[..., r::stride] for r in range(stride))


def interleave(parts: Sequence[Any]) -> Array:
    """The signal whose component r is `parts[r]`: the inverse of `polyphase`, along the last axis.

    Parts may be one sample shorter from some r on. Raises `SpecError` for lengths that do not interleave.
    """
    arrays = [np.asarray(p) for p in parts]
    lengths = [a.shape[-1] for a in arrays]
    total, s = sum(lengths), len(arrays)
    want = [len(range(r, total, s)) for r in range(s)]
    if lengths != want:
        raise SpecError(f"parts of lengths {lengths} do not interleave; {total} samples need {want}")
    out = np.zeros((*arrays[0].shape[:-1], total), dtype=np.result_type(*arrays))
    for r, a in enumerate(arrays):
        out[..., r::s] = a
    return out
