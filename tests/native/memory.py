"""Operands for the native core, in memory whose edges are watched, and what it should make of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from upweave.ops import native
from upweave.ops.activation import activate
from upweave.ops.problem import Problem
from upweave.ops.vectorised import vectorised

LIMITS = {"float32": 1e-6, "float64": 1e-12, "bfloat16": 4e-3}
"""How far a result may be off, relative to its norm; half a unit in the last of bfloat16's 8 digits is up to 2⁻⁸."""


def rounded(a: np.ndarray, dtype: str) -> np.ndarray:
    """The values in their storage type; bfloat16 is kept in uint16, the upper half of a float32, rounded to even."""
    if dtype != "bfloat16":
        return a.astype(dtype, order="C")
    bits = a.astype(np.float32, order="C").view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def widened(a: np.ndarray) -> np.ndarray:
    """The stored values in float64."""
    if a.dtype == np.uint16:
        a = (a.astype(np.uint32) << 16).view(np.float32)
    return a.astype(np.float64)


class Guarded:
    """An output of `shape` between two fences, which begin at its first and last byte; `early` bytes off a page."""

    FENCE = 4096

    def __init__(self, shape: tuple[int, ...], dtype: str, early: int = 0) -> None:
        kind = np.dtype(np.uint16 if dtype == "bfloat16" else dtype)
        nbytes = math.prod(shape) * kind.itemsize
        self.room = np.full(2 * self.FENCE + nbytes + early, 0xA5, np.uint8)
        self.first, self.last = self.FENCE + early, self.FENCE + early + nbytes
        self.array = self.room[self.first : self.last].view(kind).reshape(shape)

    def check(self) -> None:
        """Raises AssertionError if a byte outside was written."""
        outside = self.room != 0xA5
        outside[self.first : self.last] = False
        touched = np.flatnonzero(outside)
        if touched.size:
            raise AssertionError(f"{touched.size} bytes written outside the output, at {touched[:3] - self.first} …")


@dataclass(frozen=True)
class Operands:
    """What a problem reads, stored as `dtype`; x and gy batch and channels first."""

    x: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    gy: np.ndarray


def operands(p: Problem, dtype: str, seed: int = 0) -> Operands:
    """Random operands, each in an allocation of exactly its size: what is read beyond it, a sanitizer sees."""
    rng = np.random.default_rng(seed)
    shapes = (p.input_shape, p.weight_shape, (p.c_out,), p.output_shape)
    return Operands(*(rounded(rng.standard_normal(s), dtype) for s in shapes))


def laid_out(a: np.ndarray, channels_last: bool) -> np.ndarray:
    """`a` (N, C, …) as it lies in memory."""
    return np.ascontiguousarray(np.moveaxis(a, 1, -1)) if channels_last else a


def taps(p: Problem) -> Iterator[tuple[tuple[int, ...], tuple[np.ndarray, ...], tuple[np.ndarray, ...]]]:
    """(tap, the inputs that it reads, the outputs that they reach), as index arrays: n = s·i + d·t − p on each axis."""
    for tap in np.ndindex(*p.kernel):
        reads, writes = [], []
        for a, t in enumerate(tap):
            n = p.stride[a] * np.arange(p.size[a]) + p.dilation[a] * t - p.padding[a]
            inside = (n >= 0) & (n < p.out[a])
            reads.append(np.flatnonzero(inside))
            writes.append(n[inside])
        yield tap, np.ix_(*reads), np.ix_(*writes)


def expected_output(p: Problem, o: Operands, activation: str, slope: float) -> np.ndarray:
    """The output in float64."""
    y = vectorised(widened(o.x), widened(o.weight), widened(o.bias), p)
    activate(y, activation, slope)
    return y


def expected_gradients(p: Problem, o: Operands) -> tuple[np.ndarray, np.ndarray]:
    """(∂L/∂x, ∂L/∂w) in float64, for ∂L/∂y = gy."""
    g, ci, co = p.groups, p.c_in // p.groups, p.c_out // p.groups
    x = widened(o.x).reshape(p.batch, g, ci, *p.size)
    weight = widened(o.weight).reshape(g, ci, co, *p.kernel)
    gy = widened(o.gy).reshape(p.batch, g, co, *p.out)
    gx, gw = np.zeros_like(x), np.zeros_like(weight)
    for tap, i, n in taps(p):
        at, to = gy[(..., *n)], (..., *i)
        gx[to] += np.einsum("gio,ngo...->ngi...", weight[(..., *tap)], at)
        lines = (p.batch, g, -1, math.prod(at.shape[3:]))
        if at.size:
            gw[(..., *tap)] = np.einsum("ngit,ngot->gio", x[to].reshape(lines), at.reshape(lines))
    return gx.reshape(p.input_shape), gw.reshape(p.weight_shape)


def run_forward(
    p: Problem,
    o: Operands,
    dtype: str,
    y: np.ndarray,
    *,
    channels_last: bool = False,
    activation: str = "none",
    slope: float = 0.01,
    threads: int = 1,
    isa: str,
) -> None:
    """Writes the output into `y`, laid out as `channels_last` says."""
    found = native.compiled(p, dtype, channels_last, activation, slope, native.FORWARD, threads, isa)
    packed = found.kernel.pack(o.weight.ctypes.data, threads)
    x = laid_out(o.x, channels_last)
    found.kernel.run(x.ctypes.data, o.weight.ctypes.data, packed, o.bias.ctypes.data, y.ctypes.data, threads)


def run_grad_input(p: Problem, o: Operands, dtype: str, gx: np.ndarray, *, threads: int = 1, isa: str) -> None:
    """Writes the gradient of the input into `gx`."""
    found = native.compiled(p, dtype, direction=native.GRAD_INPUT, threads=threads, isa=isa)
    packed = found.kernel.pack(o.weight.ctypes.data, threads)
    found.kernel.run(o.gy.ctypes.data, o.weight.ctypes.data, packed, 0, gx.ctypes.data, threads)


def run_grad_weight(p: Problem, o: Operands, dtype: str, gw: np.ndarray, *, threads: int = 1, isa: str) -> None:
    """Writes the gradient of the weight into `gw`; `native.grad_weight`, for an instruction set that is not in use."""
    geometry = native._geometry(p, dtype, False, native.FORWARD, "none", 0.0)
    native._core().module.weight_gradient(isa, geometry, o.x.ctypes.data, o.gy.ctypes.data, gw.ctypes.data, threads)
