"""Packed forms of frozen weights, kept between calls.

The native core reads a weight in an order of its own. For a large weight, arranging it costs several times what the
convolution of a small map costs, so the arranged copy is kept while the weight stays what it was:

    key     where the weight lies (address), how (shape, strides, dtype), and for which kernels (`native.pack_key`)
    kept    weak references to tensor and storage, the tensor's version, a fingerprint of sampled values

What is kept serves only the very tensor and storage it was made for (addresses are used again after a tensor's death),
at the same version, with the same fingerprint. The version counts every in-place change that autograd can see; the
fingerprint catches most of what is written through `weight.data` (an average of weights does so), which counts nothing.
Write to single elements there, and `clear` is yours to call.
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import weakref
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from .. import native
from ..problem import Problem


def _memory() -> int:
    """Bytes of the machine's memory; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


DEFAULT_LIMIT = min(max(_memory() // 8, 256 * 2**20), 4 * 2**30)
"""Bytes that packed weights may take together, unless `limit` says otherwise: an eighth of the memory, between 256 MiB
and 4 GiB."""

SMALL = 1024
"""Weights of fewer elements are arranged anew at each call: that takes less time than looking them up."""


class Packer(Protocol):
    """The part of `upweave.ops.native` that is needed here."""

    def pack(
        self, p: Problem, dtype: str, channels_last: bool, weight: int, threads: int = 0, precise: bool = True
    ) -> Any:
        """The packed form, with its size as `nbytes`."""

    def pack_key(self, p: Problem, dtype: str, channels_last: bool, threads: int = 0, precise: bool = True) -> Any:
        """What two problems have in common if one packed form serves both."""

    def fingerprint(self, address: int, nbytes: int) -> int:
        """A number made of values sampled over the memory."""


@dataclass(slots=True)
class Kept:
    """A packed weight, and by what the weight is known; `packed` is None from when it is forgotten."""

    tensor: weakref.ref[torch.Tensor]
    storage: weakref.ref[torch.UntypedStorage]
    state: tuple[Any, ...]
    fingerprint: int
    span: int
    packer: Packer
    packed: Any
    nbytes: int
    used: int

    def of(self, weight: torch.Tensor) -> Any:
        """The packed form of `weight`, if it is what it was; else None."""
        if (
            self.tensor() is not weight or state_of(weight) != self.state
            or weight.untyped_storage() is not self.storage()
            or self.packer.fingerprint(self.state[0], self.span) != self.fingerprint
        ):  # fmt: skip
            return None
        self.used = next(_CLOCK)
        return self.packed


_CLOCK = itertools.count()


def state_of(weight: torch.Tensor) -> tuple[Any, ...]:
    """Where a weight lies, how, and its version."""
    return weight.data_ptr(), weight._version, weight.dtype, weight.shape, weight.stride()


class PackedWeights:
    """A bounded store of packed weights, least recently used out first; safe to use from many threads."""

    def __init__(self, packer: Packer, limit: int = DEFAULT_LIMIT) -> None:
        self._packer = packer
        self._limit = limit
        self._entries: dict[Any, Kept] = {}
        self._nbytes = 0
        self._dead: deque[tuple[Any, weakref.ref[Any]]] = deque()
        self._lock = threading.Lock()

    def get(self, weight: torch.Tensor, p: Problem, dtype: str, channels_last: bool, precise: bool = True) -> Any:
        """The packed form of `weight` for `p`, kept or newly made; None for a small tensor or one without a version."""
        found = self.keep(weight, p, dtype, channels_last, precise)
        return None if found is None else found[1]

    def keep(
        self, weight: torch.Tensor, p: Problem, dtype: str, channels_last: bool, precise: bool = True
    ) -> tuple[Kept, Any] | None:
        """What is kept of `weight` and, since it may be forgotten at any time, the packed form itself."""
        if weight.numel() < SMALL or weight.is_inference():
            return None
        packer = self._packer
        address, _, _, shape, strides = state = state_of(weight)
        key = (address, shape, strides, dtype, packer.pack_key(p, dtype, channels_last, precise=precise))
        with self._lock:
            if self._dead:
                self._bury()
            kept = self._entries.get(key)
        packed = None if kept is None else kept.of(weight)
        if kept is not None and packed is not None:
            return kept, packed
        if weight.is_contiguous():
            span = weight.nbytes
        else:
            span = weight.element_size() * (1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)))
        # taken before packing: a change in between is then seen at the next call
        fingerprint, storage = packer.fingerprint(address, span), weight.untyped_storage()
        dense = weight.detach().contiguous()
        packed = packer.pack(p, dtype, channels_last, dense.data_ptr(), precise=precise)
        return self._insert(key, weight, storage, state, fingerprint, span, packed), packed

    def _insert(
        self, key: Any, weight: torch.Tensor, storage: torch.UntypedStorage, state: tuple[Any, ...], fingerprint: int,
        span: int, packed: Any,
    ) -> Kept:  # fmt: skip
        def died(ref: weakref.ref[Any]) -> None:
            # A reference may die anywhere, in this thread inside this very lock: note it, tidy up if possible.
            self._dead.append((key, ref))
            if self._lock.acquire(blocking=False):
                try:
                    self._bury()
                finally:
                    self._lock.release()

        kept = Kept(
            weakref.ref(weight, died), weakref.ref(storage, died), state, fingerprint, span, self._packer, packed,
            int(packed.nbytes), next(_CLOCK),
        )  # fmt: skip
        with self._lock:
            self._remove(key)
            self._entries[key] = kept
            self._nbytes += kept.nbytes
            if kept.nbytes > self._limit:  # all the others would not make room for it
                self._remove(key)
            self._shrink()
        return kept

    def _bury(self) -> None:
        while self._dead:
            key, ref = self._dead.popleft()
            entry = self._entries.get(key)
            if entry is not None and (entry.tensor is ref or entry.storage is ref):
                self._remove(key)

    def _remove(self, key: Any) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._nbytes -= entry.nbytes
            entry.packed = None

    def _shrink(self) -> None:
        while self._nbytes > self._limit:
            self._remove(min(self._entries, key=lambda key: self._entries[key].used))

    @property
    def limit(self) -> int:
        """Bytes that the entries may take together."""
        return self._limit

    @limit.setter
    def limit(self, nbytes: int) -> None:
        with self._lock:
            self._limit = nbytes
            self._shrink()

    @property
    def nbytes(self) -> int:
        """Bytes that the entries take now."""
        with self._lock:
            self._bury()
            return self._nbytes

    def clear(self) -> None:
        """Forget every entry."""
        with self._lock:
            for key in list(self._entries):
                self._remove(key)

    def after_fork(self) -> None:
        """In a forked child: a lock that another thread held at the fork would stay held for ever."""
        self._lock = threading.Lock()


PACKED = PackedWeights(native)
"""The store of the process, keyed as the module says."""

atexit.register(PACKED.clear)  # what outlives the interpreter would be reported as leaked

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PACKED.after_fork)
