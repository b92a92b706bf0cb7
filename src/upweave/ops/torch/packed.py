"""Packed forms of frozen weights, kept between calls.

The native core reads a weight in an order of its own. For a large weight, arranging it costs several times what the
convolution of a small map costs, so the arranged copy is kept while the weight stays what it was:

    key     where the weight lies (address), how (shape, strides, dtype), and for which kernels (`native.pack_key`)
    held    weak references to tensor and storage, the tensor's version, a fingerprint of sampled values

An entry serves only the very tensor and storage it was made for (addresses are used again after a tensor's death),
at the same version, with the same fingerprint. The version counts every in-place change that autograd can see; the
fingerprint catches most of what is written through `weight.data` (an average of weights does so), which counts nothing.
Write to single elements there, and `clear` is yours to call.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict, deque
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


@dataclass(frozen=True, slots=True)
class _Entry:
    tensor: weakref.ref[torch.Tensor]
    storage: weakref.ref[torch.UntypedStorage]
    version: int
    fingerprint: int
    packed: Any
    nbytes: int


class PackedWeights:
    """A bounded store of packed weights, least recently used out first; safe to use from many threads."""

    def __init__(self, packer: Packer, limit: int = DEFAULT_LIMIT) -> None:
        self._packer = packer
        self._limit = limit
        self._entries: OrderedDict[Any, _Entry] = OrderedDict()
        self._nbytes = 0
        self._dead: deque[tuple[Any, weakref.ref[Any]]] = deque()
        self._lock = threading.Lock()

    def get(self, weight: torch.Tensor, p: Problem, dtype: str, channels_last: bool, precise: bool = True) -> Any:
        """The packed form of `weight` for `p`, kept or newly made; None for a small tensor or one without a version."""
        if weight.numel() < SMALL or weight.is_inference():
            return None
        packer = self._packer
        address, shape, strides = weight.data_ptr(), weight.shape, weight.stride()
        key = (address, shape, strides, dtype, packer.pack_key(p, dtype, channels_last, precise=precise))
        if weight.is_contiguous():
            span = weight.nbytes
        else:
            span = weight.element_size() * (1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)))
        # taken before packing: a change in between is then seen at the next call
        fingerprint, version, storage = packer.fingerprint(address, span), weight._version, weight.untyped_storage()
        with self._lock:
            if self._dead:
                self._bury()
            entry = self._entries.get(key)
            if (
                entry is not None and entry.version == version and entry.fingerprint == fingerprint
                and entry.tensor() is weight and entry.storage() is storage
            ):  # fmt: skip
                self._entries.move_to_end(key)
                return entry.packed
        dense = weight.detach().contiguous()
        packed = packer.pack(p, dtype, channels_last, dense.data_ptr(), precise=precise)
        self._insert(key, weight, storage, version, fingerprint, packed)
        return packed

    def _insert(
        self, key: Any, weight: torch.Tensor, storage: torch.UntypedStorage, version: int, fingerprint: int, packed: Any
    ) -> None:
        nbytes = int(packed.nbytes)

        def died(ref: weakref.ref[Any]) -> None:
            # A reference may die anywhere, in this thread inside this very lock: note it, tidy up if possible.
            self._dead.append((key, ref))
            if self._lock.acquire(blocking=False):
                try:
                    self._bury()
                finally:
                    self._lock.release()

        entry = _Entry(weakref.ref(weight, died), weakref.ref(storage, died), version, fingerprint, packed, nbytes)
        with self._lock:
            self._remove(key)
            if nbytes <= self._limit:
                self._entries[key] = entry
                self._nbytes += nbytes
                self._shrink()

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

    def _shrink(self) -> None:
        while self._nbytes > self._limit:
            self._remove(next(iter(self._entries)))

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
            self._entries.clear()
            self._nbytes = 0

    def after_fork(self) -> None:
        """In a forked child: a lock that another thread held at the fork would stay held for ever."""
        self._lock = threading.Lock()


PACKED = PackedWeights(native)
"""The store of the process, keyed as the module says."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PACKED.after_fork)
