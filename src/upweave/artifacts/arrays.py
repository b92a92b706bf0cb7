"""The few operations in which NumPy arrays and torch tensors differ, for one formula over both."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..bank import Array
from ..errors import SpecError

Tensorlike = Any
"""A NumPy array or a torch tensor: what goes in comes out."""


def is_tensor(x: Any) -> bool:
    """True for a torch tensor; torch is not loaded for the question."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def real(x: Any) -> Tensorlike:
    """`x` as an array or tensor of real numbers; integers and half precision become floating point when they are used.

    Raises `SpecError` for complex numbers and for what is no array of numbers.
    """
    if is_tensor(x):
        if x.is_complex():
            raise SpecError(f"the score is for real signals, this one is {x.dtype}")
        return x
    array = np.asarray(x)
    if array.dtype.kind not in "buif":
        raise SpecError(f"the score is for arrays of real numbers, this one is {array.dtype}")
    return array


def floating(x: Tensorlike) -> Tensorlike:
    """Single or double precision: NumPy computes in double, torch in the tensor's own, at least single."""
    if is_tensor(x):
        import torch

        return x.to(torch.promote_types(x.dtype, torch.float32))
    return x.astype(np.float64, copy=False)


def epsilon(x: Tensorlike) -> float:
    """Relative rounding error of the computation on `x`."""
    if is_tensor(x):
        import torch

        return float(torch.finfo(torch.promote_types(x.dtype, torch.float32)).eps)
    return float(np.finfo(np.float64 if x.dtype.kind != "f" else max(x.dtype, np.dtype(np.float32))).eps)


def like(array: Array, x: Tensorlike) -> Tensorlike:
    """A constant beside `x`: an array stays, or becomes a tensor of x's dtype and device."""
    if is_tensor(x):
        import torch

        return torch.as_tensor(array, dtype=x.dtype, device=x.device)
    return array


def blocks(x: Tensorlike, length: tuple[int, ...], step: tuple[int, ...]) -> Tensorlike:
    """All blocks of the last d axes: shape (…, b₁…b_d, L₁…L_d), a view."""
    d = len(length)
    if is_tensor(x):
        first = x.ndim - d
        for a in range(d):
            x = x.unfold(first + a, length[a], step[a])
        return x
    view: Any = np.lib.stride_tricks.sliding_window_view(x, length, axis=tuple(range(x.ndim - d, x.ndim)))
    return view[(..., *(slice(None, None, h) for h in step), *(slice(None),) * d)]


def transform(x: Tensorlike, d: int) -> Tensorlike:
    """Discrete Fourier transform over the last d axes."""
    axes = tuple(range(-d, 0))
    if is_tensor(x):
        import torch

        return torch.fft.fftn(x, dim=axes)
    import scipy.fft

    return scipy.fft.fftn(x, axes=axes)


def own(x: Tensorlike) -> Tensorlike:
    """A copy: a view would keep all that it was taken from in memory."""
    return x.clone() if is_tensor(x) else x.copy()


def squared(z: Tensorlike) -> Tensorlike:
    """|z|²."""
    return z.real * z.real + z.imag * z.imag


def total(x: Tensorlike, axes: tuple[int, ...]) -> Tensorlike:
    """Sum over some axes; none of them means x itself."""
    return x if not axes else x.sum(axes)


def all_finite(x: Tensorlike) -> bool:
    """True if there is no NaN and no infinity."""
    if is_tensor(x):
        import torch

        return bool(torch.isfinite(x).all())
    return x.dtype.kind != "f" or bool(np.isfinite(x).all())


def stack(parts: list[Tensorlike]) -> Tensorlike:
    """Stack along a new last axis."""
    if is_tensor(parts[0]):
        import torch

        return torch.stack(parts, -1)
    return np.stack(parts, -1)


def join(parts: list[Tensorlike]) -> Tensorlike:
    """One after another along the last axis."""
    if is_tensor(parts[0]):
        import torch

        return torch.cat(parts, -1)
    return np.concatenate(parts, -1)


def numbers(x: Tensorlike) -> Array:
    """The values as a NumPy array, cut from any gradient."""
    return np.asarray(x.detach().cpu().double().numpy() if is_tensor(x) else x)
