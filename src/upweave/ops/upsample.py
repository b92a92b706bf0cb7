"""Any phase bank, run as one transposed convolution.

The bank's impulse response h is the kernel. With low the first u = n − s·i that it reaches, tap t stands for
u = low + t; the outputs n = 0 … s·H − 1 then begin −low behind the kernel's first and end K − s + low before its last.
Where both ends crop the same, that is the padding; where the end crops less, by less than s, the difference is the
output padding; else the run keeps the longer end, what is too much is cut off, and what is missing is bias alone.

    K = 4, s = 2, low = −1        full run   · 0 1 2 3 4 5 ·        crop 1 and 1: padding 1 (bilinear, half-pixel)
    K = 3, s = 2, low = −1        full run   · 0 1 2 3 4 5          crop 1 and 0: padding 1, output padding 1
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bank import Array, PhaseBank
from ..convert.impulse import Impulse, unfold
from ..errors import SpecError
from . import backends
from .conv_transpose import conv_transpose


@dataclass(frozen=True, slots=True)
class _Ends:
    """One axis: the run's padding, output padding and length, its outputs [first, last) that are wanted, and how many
    before and after them no input reaches."""

    padding: int
    output_padding: int
    run: int
    first: int
    last: int
    before: int
    after: int


def upsample(x: Any, bank: PhaseBank, *, backend: str = "auto") -> Any:
    """The output of a phase bank: y[s·q + r] = bias[r] + Σ_j weights[r, …, j]·x[q + start + j], zeros outside.

    Args:
        x: shape (N, C_in, *size), or (C_in, *size); a float32 or float64 NumPy array, or a torch tensor.
        bank: any bank (`upweave.phase_bank`, a composition, a `PhaseBank` of your own).
        backend: as in `upweave.conv_transpose`.

    Returns an array or tensor of x's dtype, shape (N, C_out, *(s·H)) or (C_out, *(s·H)). The bank's weights and bias
    are rounded to that dtype; for tensors the gradient reaches x. Raises `SpecError` for an input of other rank or
    channels than the bank's, for complex weights, and as `conv_transpose` does. Source: the article, polyphase view.
    """
    if not isinstance(bank, PhaseBank):
        raise SpecError(f"bank must be a PhaseBank (upweave.phase_bank(spec, weight)), got {type(bank).__name__}")
    put = _putter(x)
    d, shape = bank.rank, tuple(x.shape)
    if not 1 <= d <= 3:
        raise SpecError(f"the bank has {d} axes; 1, 2 or 3 can be run")
    if bank.weights.dtype.kind == "c":
        raise SpecError(f"the bank's weights are {bank.weights.dtype}; only real ones can be run")
    if len(shape) not in (d + 1, d + 2):
        raise SpecError(f"a bank of {d} axes upsamples (N, C, …) with {d + 2} axes or (C, …) with {d + 1}, got {shape}")
    if shape[-d - 1] != bank.in_channels:
        raise SpecError(f"the input has {shape[-d - 1]} channels, the bank reads {bank.in_channels}")
    impulse = unfold(bank)
    sizes = zip(bank.stride, shape[-d:], impulse.low, impulse.h.shape[2:], strict=True)
    ends = [_ends(*axis) for axis in sizes]
    bias, bare = _bias(bank, ends)
    y = conv_transpose(
        x, put(_kernel(impulse)), None if bias is None else put(bias),
        stride=bank.stride, padding=tuple(e.padding for e in ends),
        output_padding=tuple(e.output_padding for e in ends), groups=bank.groups, backend=backend,
    )  # fmt: skip
    if any(e.first or e.last != e.run or e.before or e.after for e in ends):
        y = _place(y, ends)
    return y if bare is None else _add_by_phase(y, put(bare), bank.stride)


def _ends(s: int, size: int, low: int, k: int) -> _Ends:
    begin, end = -low, k - s + low  # what the outputs 0 … s·H − 1 leave of the full run
    padding = begin if begin >= 0 and 0 <= begin - end < s else max(0, min(begin, end))
    output_padding = begin - end if padding == begin and 0 <= begin - end < s else 0
    run = s * (size - 1) - 2 * padding + k + output_padding
    at, want = begin - padding, s * size  # output 0's place in the run
    first = min(max(at, 0), run)
    last = max(first, min(at + want, run))
    before = min(max(-at, 0), want)
    return _Ends(padding, output_padding, run, first, last, before, want - before - (last - first))


def _kernel(impulse: Impulse) -> Array:
    """h, (C_out, C_in/g, K…), in a transposed convolution's layout, (C_in, C_out/g, K…)."""
    h, g = impulse.h, impulse.groups
    c_out, per_group, *k = h.shape
    split = np.swapaxes(h.reshape(g, c_out // g, per_group, *k), 1, 2)
    return split.reshape(g * per_group, c_out // g, *k)


def _bias(bank: PhaseBank, ends: list[_Ends]) -> tuple[Array | None, Array | None]:
    """(bias for the run, bias to add by phase): the first if all phases agree and the run makes every output."""
    if bank.bias is None:
        return None, None
    one = bank.bias[(0,) * bank.rank]
    if (bank.bias == one).all() and not any(e.before or e.after for e in ends):
        return one, None
    return None, bank.bias


def _place(y: Any, ends: list[_Ends]) -> Any:
    """The run, cut to the outputs that are wanted, with zeros for those that no input reaches."""
    y = y[(..., *(slice(e.first, e.last) for e in ends))]
    if isinstance(y, np.ndarray):
        pads = [(0, 0)] * (y.ndim - len(ends)) + [(e.before, e.after) for e in ends]
        return np.ascontiguousarray(np.pad(y, pads) if any(map(any, pads)) else y)
    import torch.nn.functional as F

    return F.pad(y, [n for e in reversed(ends) for n in (e.before, e.after)]).contiguous()


def _add_by_phase(y: Any, bias: Any, stride: tuple[int, ...]) -> Any:
    """y[…, s·q + r] + bias[r] by a view of y with each axis split into (q, r)."""
    d = len(stride)
    shape = tuple(y.shape)
    split = (*shape[:-d], *(n for s, length in zip(stride, shape[-d:], strict=True) for n in (length // s, s)))
    by_channel = bias.reshape(-1, shape[-d - 1]).T.reshape(shape[-d - 1], *(n for s in stride for n in (1, s)))
    return (y.reshape(split) + by_channel).reshape(shape)


def _putter(x: Any) -> Callable[[Array], Any]:
    """What turns an array of the bank's into an array or tensor like x."""
    if isinstance(x, np.ndarray):
        return lambda a: np.ascontiguousarray(a, backends.name_of(x.dtype, "x"))
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(x, torch.Tensor):
        raise SpecError(f"x must be a NumPy array or a torch tensor, got {type(x).__name__}")
    return lambda a: torch.from_numpy(np.array(a, np.float64)).to(x.device, x.dtype)
