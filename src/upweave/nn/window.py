"""Where the output of a layer lies in the full output of its kernel, and how to ask an operator for it.

Per axis, with the dilated kernel K = d(k−1) + 1, the full output of H samples is s(H−1) + K long. A layer cuts `begin`
samples off its start and takes N, of which `surplus` lie beyond a cut of `begin` at the end too:

    full      |<──────────────── s(H−1) + K ────────────────>|
    output          |<───────── N ─────────>|
              begin                          begin − surplus          N = s(H−1) + K − 2·begin + surplus

An ordinary layer has begin = p and surplus = o. The operator takes 0 ≤ padding and 0 ≤ output_padding alone; for
everything else the input is extended by e samples on both sides, which moves the output by s·e:

    padding = begin + s·e      output_padding = surplus            the same N outputs, of the same phases
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..errors import SpecError

PADDING_MODES = ("zeros", "circular", "reflect", "replicate")
"""How an input goes on beyond its border."""


@dataclass(frozen=True, slots=True)
class Window:
    """One axis of a layer, as an operator runs it: extend the input, run, drop the last `cut` outputs."""

    extend: int
    padding: int
    output_padding: int
    cut: int


def window(kernel: int, stride: int, dilation: int, begin: int, surplus: int, *, zeros: bool) -> Window:
    """The window of one axis; `zeros` if the input is 0 outside, so that it need not be extended to the kernel's reach.

    Otherwise e is such that every sample that the outputs read is there: input i and tap t make output
    s·i + d·t − begin, so output 0 reads from −⌊(K−1−begin)/s⌋ on, and output N−1 up to H−1 + ⌊(K−1−begin+surplus)/s⌋.
    """
    reach = dilation * (kernel - 1) - begin
    extend = max(0, -(begin // stride))
    if not zeros:
        extend = max(extend, reach // stride, (reach + surplus) // stride)
    return Window(extend, begin + stride * extend, max(surplus, 0), max(-surplus, 0))


def same(kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """(begin, surplus) of an output of exactly s·H samples.

    Where K − s is even, begin = (K−s)/2: centred on the half-pixel grid, also for K < s (begin is negative then).
    Where it is odd no cut is centred, and begin is Keras' for `padding="same"`: of max(K−s, 0) samples, half, rounded
    down, at the start and the rest at the end. For K > s that is half an output sample late.
    """
    excess = dilation * (kernel - 1) + 1 - stride
    begin = excess // 2 if excess % 2 == 0 else max(excess, 0) // 2
    return begin, 2 * begin - excess


def extend(x: torch.Tensor, by: tuple[int, ...], mode: str) -> torch.Tensor:
    """The batched input with `by` samples more on both sides of each axis: one of `PADDING_MODES`.

    Raises `SpecError` where "reflect" would need more samples than there are.
    """
    if mode == "reflect":
        for size, e in zip(x.shape[2:], by, strict=True):
            if e >= size:
                raise SpecError(f"an input of size {size} cannot be reflected {e} samples far; that needs {e + 1}")
    if mode == "circular":
        for axis, e in enumerate(by, start=2):
            size = x.shape[axis]
            if e > size:  # more than once around, which F.pad does not do
                x = x.index_select(axis, torch.arange(-e, size + e, device=x.device) % size)
                by = (*by[: axis - 2], 0, *by[axis - 1 :])
    amounts = [e for e in reversed(by) for _ in range(2)]
    if not any(amounts):
        return x
    return F.pad(x, amounts) if mode == "zeros" else F.pad(x, amounts, mode=mode)
