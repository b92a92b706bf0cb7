"""Calls like one before them: found by one look-up, and run without asking again what was answered then.

Between two layers of a model the interpreter's code and objects leave the caches, and each of its steps then takes
five to ten times as long as in a loop: beside a layer of 3 ms the way from the call to the kernel took 0.2 ms. So a
call of a frozen weight that comes a second time, with the same shapes and numbers, is remembered with its kernel and
its packed weight. What may have changed since is asked anew: PyTorch's modes, the number of threads, the tensors.
"""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch._C import _any_requires_grad

from .. import native
from .autograd import forward_mode
from .kernels import DTYPES, problem_of
from .layout import empty, is_channels_last
from .packed import PACKED, Kept
from .plain import is_plain

MOST = 512
"""Calls that are kept in mind; one more, and all are forgotten."""


@dataclass(frozen=True, slots=True)
class Anew:
    """A weight that is packed in every call: a small one, or one without a version."""

    tensor: weakref.ref[torch.Tensor]
    dtype: torch.dtype
    shape: tuple[int, ...]
    prepared: native.Prepared

    def of(self, weight: torch.Tensor) -> Any:
        """The packed form of `weight`, if it is of the kind it was; else None."""
        if (
            self.tensor() is not weight or weight.dtype is not self.dtype or weight.shape != self.shape
            or not weight.is_contiguous()
        ):  # fmt: skip
            return None
        return self.prepared.pack(weight.data_ptr(), self.prepared.threads)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was made before, of tensors of these kinds: its kernel, its packed weight, its output's shape."""

    kept: Kept | Anew
    bias: weakref.ref[torch.Tensor] | None
    dtype: torch.dtype
    channels_last: bool
    shape: tuple[int, ...]
    prepared: native.Prepared

    def again(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor | None:
        """The output for tensors of the same shapes, or None where anything else is not as it was."""
        dtype, prepared, at_bias = self.dtype, self.prepared, 0
        if bias is not None:
            if (
                self.bias is None or self.bias() is not bias or bias.dtype is not dtype
                or bias.shape != self.shape[1:2] or not bias.is_contiguous()
            ):  # fmt: skip
                return None
            at_bias = bias.data_ptr()
        if (
            type(x) is not torch.Tensor or x.dtype is not dtype
            or torch.is_autocast_enabled("cpu") or forward_mode()
            or (torch.is_grad_enabled() and _any_requires_grad(x, weight, bias))
            or not is_plain(x) or prepared.thread_count() != prepared.threads
            or not (is_channels_last(x) if self.channels_last else x.is_contiguous())
        ):  # fmt: skip
            return None
        packed = self.kept.of(weight)
        if packed is None:
            return None
        y = empty(x, self.shape, self.channels_last)
        done = prepared.run(x.data_ptr(), weight.data_ptr(), packed, at_bias, y.data_ptr(), prepared.threads)
        return y if done else None


class Calls:
    """The calls of a process; each is remembered when it comes a second time.

    A key says what calls have in common if one may stand for the other, but for what `Call.again` asks: the weight's
    identity, the input's shape, the numbers.
    """

    def __init__(self) -> None:
        # None: it came once; False: there is nothing to remember of it
        self._known: dict[Hashable, Call | bool | None] = {}

    def __len__(self) -> int:
        return len(self._known)

    def clear(self) -> None:
        """Forget them all."""
        self._known.clear()

    def get(self, key: Hashable) -> Call | None:
        """The call of this key, if one is remembered; `TypeError` for a key without a hash."""
        return self._known.get(key) or None  # type: ignore[return-value]

    def note(
        self, key: Hashable, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, numbers: tuple[Any, ...],
        activation: str, slope: float, precise: bool,
    ) -> None:  # fmt: skip
        """A call was made, of plain tensors, with the native core and without gradients."""
        if key not in self._known:
            if len(self._known) >= MOST:
                self.clear()
            self._known[key] = None
        elif self._known.get(key) is not False:
            self._known[key] = _call(x, weight, bias, numbers, activation, slope, precise) or False


def _call(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, numbers: tuple[Any, ...], activation: str,
    slope: float, precise: bool,
) -> Call | None:  # fmt: skip
    dtype, channels_last = DTYPES.get(x.dtype), is_channels_last(x)
    p = problem_of(x.shape, weight.shape, None if bias is None else bias.shape, *numbers)
    if not p.batch or dtype is None or not weight.is_contiguous() or not (channels_last or x.is_contiguous()):
        return None
    found = PACKED.keep(weight, p, dtype, channels_last, precise)
    prepared = native.prepared(p, dtype, channels_last, activation, slope, precise, found is None)
    kept = Anew(weakref.ref(weight), weight.dtype, weight.shape, prepared) if found is None else found[0]
    return Call(kept, None if bias is None else weakref.ref(bias), x.dtype, channels_last, p.output_shape, prepared)


CALLS = Calls()
"""Those of this process."""
atexit.register(CALLS.clear)  # a kernel that outlives the interpreter would be reported as leaked
