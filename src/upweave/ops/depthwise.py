"""Depthwise layers with channels last: no product of matrices, vectors of channels instead.

Every output is a sum over the few taps of its phase, channel by channel. With channels last, neighbours in memory are
channels of one position: a vector of them is multiplied by the taps' weights, a vector each, which serve several
positions of a phase. With channels first the direct loops' vectors are positions, and need nothing of this.
"""

from __future__ import annotations

from dataclasses import dataclass

from .problem import Problem


@dataclass(frozen=True, slots=True)
class Depthwise:
    """A stencil over vectors of channels. It needs no tilings to be priced: where it fits, nothing else comes near."""

    why: str

    saved = 1.0
    """Products of the definition for each one made."""

    @property
    def algorithm(self) -> str:
        """The name in a plan."""
        return "depthwise"


def schedule(p: Problem, *, channels_last: bool, tile: tuple[int, int] = (16, 14)) -> Depthwise | None:
    """The stencil where it fits: channels last, one of them in and one out of each group. `tile` as in `schedule`."""
    if not channels_last or p.c_in != p.groups or p.c_out != p.groups:
        return None
    vectors = -(-p.c_in // tile[0])
    side = f"{vectors} vectors of channels" if vectors > 1 else "a vector of channels"
    return Depthwise(f"{side} for each tap of a position, since nothing is summed over channels")
