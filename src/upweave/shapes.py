"""Which axis of which array means what: ranks, sizes, weights and biases of a spec, checked in one place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from .bank import Array
from .errors import SpecError
from .spec import ConvPixelShuffle, ConvTranspose, FirUpsample, Spec, is_int

Size: TypeAlias = int | Sequence[int]


def check_spec(spec: Any) -> Spec:
    """`spec` itself; `SpecError` where it is none."""
    if not isinstance(spec, Spec):
        raise SpecError(f"expected a spec such as upweave.ConvTranspose(kernel=4, stride=2), got {spec!r:.80}")
    return spec


def rank_of(spec: Spec, size: Size | None = None, weight: Array | None = None) -> int:
    """The number of spatial axes: the spec's own, else that of a tuple size, else that of the weight, else 1.

    A weight of one or two axes can only be a single channel's kernel; from three axes on it is read in the full
    layout (two channel axes, then the kernel), unless spec or size say that the layer has as many axes as the weight.
    """
    check_spec(spec)
    if not spec.is_scalar:
        return spec.rank
    if size is not None and not _is_one(size):
        return len(_entries(size))
    if weight is not None:
        ndim = as_array(weight, "weight").ndim
        return ndim - 2 if ndim > 2 else max(ndim, 1)
    return 1


def as_sizes(spec: Spec, size: Size, rank: int | None = None) -> tuple[int, ...]:
    """`size` as one int an axis, an int repeated over the axes; `SpecError` for a wrong count or a size < 1."""
    rank = rank_of(spec, size) if rank is None else rank
    many: tuple[Any, ...] = (size,) * rank if _is_one(size) else _entries(size)
    if len(many) != rank:
        raise SpecError(f"{type(spec).__name__} has {rank} axes, but the size {many} has {len(many)}")
    for n in many:
        if not is_int(n):
            raise SpecError(f"a size must be an int or a tuple of ints, got {size!r}")
        if n < 1:
            raise SpecError(f"a size must be at least 1, got {size!r}")
    return tuple(int(n) for n in many)


def _is_one(size: Any) -> bool:
    """True for a number (or whatever else is no sequence), False for one entry an axis."""
    return np.isscalar(size) or not hasattr(size, "__len__") or np.ndim(size) == 0


def _entries(size: Any) -> tuple[Any, ...]:
    """The entries of a size that is a sequence; `SpecError` if there are none."""
    many = tuple(size)
    if not many:
        raise SpecError(f"a size needs at least one axis, got {size!r}")
    return many


def as_array(values: Any, what: str) -> Array:
    """`values` as an array of numbers: a list, an array, a torch tensor or parameter of any type that has values.

    Raises `SpecError`, naming `what`, for what is no array of numbers (ragged lists, text, a tensor without values).
    """
    if hasattr(values, "detach"):  # a tensor: NumPy takes neither one that requires a gradient nor bfloat16
        if getattr(values, "is_meta", False):
            raise SpecError(f"a {what} of shape {tuple(values.shape)} on the meta device has no values")
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SpecError(f"a {what} must be an array of numbers, got {type(values).__name__}: {error}") from None
    if array.dtype.kind not in "biufc":
        raise SpecError(f"a {what} must be an array of numbers, got {values!r:.80}")
    wider = {"b": np.int64, "e": np.float32}.get(array.dtype.char if array.dtype.char == "e" else array.dtype.kind)
    return array if wider is None else array.astype(wider)  # booleans count, and no sparse matrix holds halves


def kernel_of(spec: Spec, rank: int) -> tuple[int, ...]:
    """The kernel's extent on each of `rank` axes."""
    return tuple(int(a.kernel) for a in spec.per_axis(rank))


def stride_of(spec: Spec, rank: int) -> tuple[int, ...]:
    """The stride on each of `rank` axes."""
    return tuple(int(a.stride) for a in spec.per_axis(rank))


def groups_of(spec: Spec) -> int:
    """The number of channel groups (1 for a spec without that field)."""
    return int(getattr(spec, "groups", 1))


def default_weight(spec: Spec, rank: int) -> Array:
    """All ones, one channel in and one out for every group: the weight that shows the structure alone."""
    g = groups_of(spec)
    lead = math.prod(stride_of(spec, rank)) * g if isinstance(spec, ConvPixelShuffle) else g
    return np.ones((lead, 1, *kernel_of(spec, rank)))


def full_weight(spec: Spec, weight: Any, rank: int) -> Array:
    """`weight` as an array in the spec's full layout; a bare kernel of shape k… becomes a single channel's.

    Raises `SpecError`, naming both shapes, where the weight does not fit.
    """
    name = type(spec).__name__
    if isinstance(spec, FirUpsample):
        raise SpecError("FirUpsample takes no weight: its filter is the spec's taps")
    w = as_array(weight, "weight")
    given, kernel, g = w.shape, kernel_of(spec, rank), groups_of(spec)
    if w.ndim == rank:
        w = w.reshape(1, 1, *w.shape)
    if w.ndim != rank + 2 or w.shape[2:] != kernel:
        raise SpecError(f"{name}: a weight of shape {given} does not fit the kernel {kernel}")
    if not w.shape[0] or not w.shape[1]:
        raise SpecError(f"{name}: a weight of shape {w.shape} has no channels")
    lead = "C_in" if isinstance(spec, ConvTranspose) else "C_out"
    if isinstance(spec, ConvPixelShuffle) and w.shape[0] % math.prod(stride_of(spec, rank)):
        s = stride_of(spec, rank)
        raise SpecError(f"{name}: {w.shape[0]} channels do not fill the {math.prod(s)} phases of stride {s}")
    if w.shape[0] % g:
        raise SpecError(f"{name}: {lead} {w.shape[0]} does not split into {g} groups")
    return w


def channels_of(spec: Spec, weight: Array, rank: int) -> tuple[int, int]:
    """(C_in, C_out) of a layer with this weight, which is in the full layout."""
    g, lead, other = groups_of(spec), int(weight.shape[0]), int(weight.shape[1])
    if isinstance(spec, ConvTranspose):
        return lead, other * g
    if isinstance(spec, ConvPixelShuffle):
        return other * g, lead // math.prod(stride_of(spec, rank))
    return other * g, lead
