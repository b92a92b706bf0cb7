"""Where deferral begins: nearest resizes by integers, within a `with Deferring():`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from . import methods as methods  # gives Deferred its methods
from .deferred import LARGEST_FACTOR, Deferred, How, Part, is_deferred

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


class Deferring(TorchFunctionMode):
    """Inside it, `F.interpolate` by integers with mode "nearest" or "nearest-exact", and `repeat_interleave` of a
    trailing axis, return a `Deferred`; every other function is what it is."""

    def __init__(self, how: How | None = None, site: str = "") -> None:
        super().__init__()
        self.how = how or How()
        self.site = site

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """What PyTorch calls for every function inside."""
        kwargs = kwargs or {}
        if func is F.interpolate:
            found = defer_interpolate(self.how, self.site, *args, **kwargs)
        elif func is torch.repeat_interleave or func is torch.Tensor.repeat_interleave:
            found = defer_repeat(self.how, self.site, *args, **kwargs)
        else:
            return func(*args, **kwargs)
        return func(*args, **kwargs) if found is None else found


def defer_interpolate(
    how: How, site: str, input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",  # noqa: A002
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Deferred | None:  # fmt: skip
    """The arguments of `F.interpolate`; None where the resize repeats no sample an integer number of times."""
    if mode not in ("nearest", "nearest-exact") or not _fits(input) or antialias:
        return None
    rank = input.dim() - 2
    if scale_factor is not None:
        scales = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * rank
        if len(scales) != rank or any(float(s) != int(s) for s in scales):
            return None
        factors = tuple(int(s) for s in scales)
    else:
        sizes = tuple(size) if isinstance(size, (tuple, list)) else (size,) * rank
        # A size that a tracer keeps open is no known multiple, and asking would pin it down.
        if len(sizes) != rank or not all(type(n) is int for n in (*sizes, *input.shape[2:])):
            return None
        if any(n % m for n, m in zip(sizes, input.shape[2:], strict=True)):
            return None
        factors = tuple(n // m for n, m in zip(sizes, input.shape[2:], strict=True))
    if min(factors) < 1 or all(s == 1 for s in factors) or (mode == "nearest" and max(factors) > LARGEST_FACTOR):
        return None
    return repeated(input, factors, how, site)


def defer_repeat(
    how: How,
    site: str,
    input: Any,  # noqa: A002
    repeats: Any = None,
    dim: Any = None,
    output_size: Any = None,
) -> Deferred | None:
    """The arguments of `torch.repeat_interleave`; None unless it repeats every sample of a trailing axis."""
    if type(repeats) is not int or repeats < 2 or type(dim) is not int or not _fits(input):
        return None
    axis = dim % input.dim() - 2
    if axis < 0:
        return None
    return repeated(input, tuple(repeats if a == axis else 1 for a in range(input.dim() - 2)), how, site)


def repeated(x: Any, factors: tuple[int, ...], how: How, site: str) -> Deferred | None:
    """`x` repeated, later; None for a Deferred that was cropped: then the order matters."""
    none = ((0, 0),) * len(factors)
    if not is_deferred(x):
        return Deferred((Part(x, factors, none, site),), how)
    if any(part.trim != none for part in x.parts):
        return None
    parts = (Part(p.small, tuple(a * b for a, b in zip(p.factors, factors, strict=True)), none, site) for p in x.parts)
    return Deferred(tuple(parts), x.how)


def _fits(x: Any) -> bool:
    if not (isinstance(x, torch.Tensor) or is_deferred(x)):
        return False
    return x.dim() in (3, 4, 5) and x.dtype in FLOATS
