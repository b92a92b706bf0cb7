"""Weights that were made of other weights, kept as long as what they were made of has not changed.

Keyed on what they are and on the memory of their sources. An entry holds for the very tensors that it was made of
(weak references, their version counters, and values sampled over each): a step of an optimiser, `load_state_dict` and
a write through `.data` are seen at the next call. The store is bounded; the least recently used goes first.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...ops import native

LIMIT = 2 * 2**30
"""Bytes that derived weights may take together."""

SAMPLES = 61
"""Values looked at in each source besides its version, which a write through `.data` does not count."""


@dataclass(slots=True)
class _Entry:
    sources: tuple[weakref.ref[Tensor], ...]
    versions: tuple[int, ...]
    print: tuple[float, ...]
    value: tuple[Tensor, ...]
    nbytes: int


class DerivedWeights:
    """A bounded store, safe to use from many threads."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._entries: OrderedDict[Any, _Entry] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.RLock()  # a weak reference may die inside

    def get(
        self, what: Any, sources: Sequence[Tensor | None], make: Callable[[], tuple[Tensor, ...]]
    ) -> tuple[Tensor, ...]:
        """`make()`, or what it returned before for the same unchanged `sources`, detached from any graph.

        `what` names the function that `make` is, with its numbers.
        """
        there = [t for t in sources if t is not None]
        key = (what, tuple((t.data_ptr(), t.shape, t.stride(), t.dtype) for t in there))
        versions = tuple(-1 if t.is_inference() else t._version for t in there)
        seen = _fingerprint(there)
        with self._lock:
            entry = self._entries.get(key)
            if (
                entry is not None and entry.versions == versions and entry.print == seen
                and all(ref() is t for ref, t in zip(entry.sources, there, strict=True))
            ):  # fmt: skip
                self._entries.move_to_end(key)
                return entry.value
        # An ordinary tensor even where it is first needed under inference_mode: it may be needed elsewhere later.
        with torch.inference_mode(False), torch.no_grad():
            value = make()
        nbytes = sum(v.numel() * v.element_size() for v in value)

        def died(_: object) -> None:
            self._remove(key)

        entry = _Entry(tuple(weakref.ref(t, died) for t in there), versions, seen, value, nbytes)
        with self._lock:
            self._remove(key)
            if nbytes <= self.limit:
                self._entries[key] = entry
                self._nbytes += nbytes
                while self._nbytes > self.limit:
                    self._remove(next(iter(self._entries)))
        return value

    def _remove(self, key: Any) -> None:
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._nbytes -= entry.nbytes

    def origins(self) -> dict[int, int]:
        """For each tensor that is kept, the memory that it lies in: the memory of the first that it was made of."""
        with self._lock:
            entries = list(self._entries.values())
        found: dict[int, int] = {}
        for entry in entries:
            source = entry.sources[0]()
            if source is not None:
                found |= {t.untyped_storage().data_ptr(): source.untyped_storage().data_ptr() for t in entry.value}
        return found

    @property
    def nbytes(self) -> int:
        """Bytes that the entries take now."""
        return self._nbytes

    def clear(self) -> None:
        """Forget every entry."""
        with self._lock:
            self._entries.clear()
            self._nbytes = 0


def _fingerprint(tensors: list[Tensor]) -> tuple[float, ...]:
    if native.available() and all(t.is_cpu for t in tensors):
        return tuple(native.fingerprint(t.data_ptr(), _span(t)) for t in tensors)
    return tuple(float(t.detach().reshape(-1)[:: max(1, t.numel() // SAMPLES)].double().sum()) for t in tensors)


def _span(t: Tensor) -> int:
    """Bytes from the first element to the last."""
    return t.element_size() * (1 + sum((n - 1) * s for n, s in zip(t.shape, t.stride(), strict=True)))


DERIVED = DerivedWeights()
"""The store of the process, keyed as the module says."""


def derive(what: Any, sources: Sequence[Tensor | None], make: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """`make()`, kept where that is sound: not under a tracer, and not where gradients go through it to the sources."""
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return make()
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in sources):
        return make()
    if torch._C._are_functorch_transforms_active() or any(
        t is not None and type(t) not in (Tensor, torch.nn.Parameter) for t in sources
    ):
        return make()  # batched or fake tensors, or classes with rules of their own
    return DERIVED.get(what, sources, make)
