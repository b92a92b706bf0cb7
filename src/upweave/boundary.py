"""What happens at the border of a finite signal: how long the output is, and where the bank is exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .bank import Taps

Extension: TypeAlias = Literal["zero", "replicate", "mixed"]


@dataclass(frozen=True)
class Boundary:
    """How an axis of a layer ends.

    `excess` gives the output length H_T = s·H + excess. `extension` says what the layer reads outside its input:
    zeros, its edge sample repeated, or "mixed" where no single extension reproduces the border (a linear or cubic
    resize in front of a zero-padded convolution); a mixed layer is a bank in its exact interior only.
    """

    excess: int
    extension: Extension = "zero"

    def output_size(self, stride: int, size: int) -> int:
        """H_T of an input of length `size`; may be ≤ 0 for inputs that are too short."""
        return stride * size + self.excess


def exact_interior(taps: Taps, size: int, output_size: int) -> range:
    """The outputs whose every tap reads inside [0, size): there the bank is exact whatever the extension is."""
    s = taps.stride
    low, high = 0, output_size
    for r in range(s):
        live = taps.count[r].nonzero()[0]
        if not len(live):
            continue
        # output s·q + r reads q + start + j: inside for −start−first ≤ q < size−start−last
        first_q, last_q = -taps.start - int(live[0]), size - 1 - taps.start - int(live[-1])
        low = max(low, s * (first_q - 1) + r + 1)
        high = min(high, s * (last_q + 1) + r)
    return range(low, max(low, high))
