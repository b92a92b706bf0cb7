"""Every layer as a chain of elementary operators, each with its own adjoint and matrix.

    ConvTranspose     Scatter                      the transpose of a convolution
    ZeroInsertConv    Insert → Convolve
    ConvPixelShuffle  Convolve → Shuffle
    ResizeConv        Resize → Convolve
    FirUpsample       Insert → Convolve            one channel a group
    Conv              Convolve

This is the layer as its definition runs it; it knows nothing of phase banks, so that each can test the other.
Signals are (channels, *size); matrices are outputs × inputs over the row-major flattened signals.
"""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..bank import Array
from ..interpolation import interpolation
from ..spec import Mode

Shape = tuple[int, ...]


class Stage(Protocol):
    """One elementary linear operator on signals of shape (channels, *size)."""

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (channels, *size)."""
        ...

    @property
    def out_shape(self) -> Shape:
        """Shape of the output."""
        ...

    def forward(self, x: Array) -> Array:
        """A x."""
        ...

    def adjoint(self, y: Array) -> Array:
        """Aᵀ y."""
        ...

    def matrix(self) -> Any:
        """A, as a scipy.sparse array."""
        ...


@dataclass(frozen=True, eq=False)
class Convolve:
    """y[co, n] = Σ w[co, ci, t] · x[ci, s·n + d·t − p], zeros outside; exactly `out_size` outputs."""

    weight: Array
    stride: Shape
    begin: Shape
    dilation: Shape
    groups: int
    in_size: Shape
    out_size: Shape

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (channels, *size)."""
        return (self.weight.shape[1] * self.groups, *self.in_size)

    @property
    def out_shape(self) -> Shape:
        """Shape of the output."""
        return (self.weight.shape[0], *self.out_size)

    @property
    def _kernel(self) -> Shape:
        return self.weight.shape[2:]

    def _split(self) -> Array:
        return self.weight.reshape(self.groups, -1, *self.weight.shape[1:])

    def _frame(self) -> tuple[Shape, tuple[slice, ...], tuple[slice, ...]]:
        """The padded signal that the taps read: its size, where the input lies in it, and which part of the input."""
        sizes: list[int] = []
        inside: list[slice] = []
        of_input: list[slice] = []
        for n, out, s, p, d, k in zip(
            self.in_size, self.out_size, self.stride, self.begin, self.dilation, self._kernel, strict=True
        ):
            size = s * (out - 1) + d * (k - 1) + 1
            last = max(p, min(n + p, size))
            sizes.append(size)
            inside.append(slice(min(p, size), min(last, size)))
            of_input.append(slice(0, last - p if p < size else 0))
        return tuple(sizes), tuple(inside), tuple(of_input)

    def _reads(self, tap: Shape) -> tuple[Any, ...]:
        """The index of what one tap reads in the padded signal (groups, channels, *size), over all outputs."""
        return (
            ...,
            *(
                slice(d * t, d * t + s * (out - 1) + 1, s)
                for d, t, s, out in zip(self.dilation, tap, self.stride, self.out_size, strict=True)
            ),
        )

    def _padded(self, x: Array) -> Array:
        size, inside, of_input = self._frame()
        buffer = np.zeros((x.shape[0], *size), dtype=x.dtype)
        buffer[(slice(None), *inside)] = x[(slice(None), *of_input)]
        return buffer.reshape(self.groups, -1, *size)

    def forward(self, x: Array) -> Array:
        """A x."""
        buffer, w = self._padded(x), self._split()
        out = np.zeros(self.out_shape, dtype=np.result_type(x, w)).reshape(self.groups, -1, *self.out_size)
        for tap in np.ndindex(*self._kernel):
            out += np.einsum("goi,gi...->go...", w[(..., *tap)], buffer[self._reads(tap)])
        return out.reshape(self.out_shape)

    def adjoint(self, y: Array) -> Array:
        """Aᵀ y."""
        size, inside, of_input = self._frame()
        w, g = self._split(), y.reshape(self.groups, -1, *self.out_size)
        buffer = np.zeros((self.groups, w.shape[2], *size), dtype=np.result_type(y, w))
        for tap in np.ndindex(*self._kernel):
            buffer[self._reads(tap)] += np.einsum("goi,go...->gi...", w[(..., *tap)], g)
        x = np.zeros(self.in_shape, dtype=buffer.dtype)
        x[(slice(None), *of_input)] = buffer.reshape(-1, *size)[(slice(None), *inside)]
        return x

    def weight_gradient(self, x: Array, grad: Array) -> Array:
        """∂⟨grad, forward(x)⟩/∂w, in the weight's shape."""
        buffer, flat = self._padded(x), grad.reshape(self.groups, -1, math.prod(self.out_size))
        out = np.zeros(self.weight.shape, dtype=np.result_type(x, grad))
        split = out.reshape(self.groups, -1, *self.weight.shape[1:])
        for tap in np.ndindex(*self._kernel):
            read = buffer[self._reads(tap)]
            split[(..., *tap)] = flat @ read.reshape(*read.shape[:2], -1).swapaxes(1, 2)
        return out

    def matrix(self) -> Any:
        """A, as a scipy.sparse array."""
        sparse = _sparse()
        inputs, outputs = math.prod(self.in_size), math.prod(self.out_size)
        c_out, per = self.weight.shape[:2]
        each = np.arange(c_out * per, dtype=np.int64)
        co, ci = each // per, each % per
        ci = ci + per * (co // (c_out // self.groups))
        rows: list[Array] = []
        cols: list[Array] = []
        values: list[Array] = []
        for tap in np.ndindex(*self._kernel):
            n, i = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
            for a, t in enumerate(tap):
                out = np.arange(self.out_size[a])
                at = self.stride[a] * out + self.dilation[a] * t - self.begin[a]
                real = (at >= 0) & (at < self.in_size[a])
                n = np.add.outer(n * self.out_size[a], out[real]).reshape(-1)
                i = np.add.outer(i * self.in_size[a], at[real]).reshape(-1)
            rows.append(np.add.outer(co * outputs, n).reshape(-1))
            cols.append(np.add.outer(ci * inputs, i).reshape(-1))
            values.append(np.repeat(self.weight[(..., *tap)].reshape(-1), len(n)))
        data = np.concatenate(values)
        shape = (c_out * outputs, per * self.groups * inputs)
        return sparse.csr_array((data, (np.concatenate(rows), np.concatenate(cols))), shape=shape)


@dataclass(frozen=True, eq=False)
class Scatter:
    """The transpose of a convolution: every input adds the kernel, times itself, to the outputs around s·i − p."""

    of: Convolve

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (channels, *size)."""
        return self.of.out_shape

    @property
    def out_shape(self) -> Shape:
        """Shape of the output."""
        return self.of.in_shape

    def forward(self, x: Array) -> Array:
        """A x."""
        return self.of.adjoint(x)

    def adjoint(self, y: Array) -> Array:
        """Aᵀ y."""
        return self.of.forward(y)

    def weight_gradient(self, x: Array, grad: Array) -> Array:
        """The convolution's weight gradient with input and gradient exchanged: ∂L/∂h[r] = Σᵢ x[i]·g[s·i + r − p]."""
        return self.of.weight_gradient(grad, x)

    def matrix(self) -> Any:
        """A, as a scipy.sparse array."""
        return self.of.matrix().T.tocsr()


class Selection(ABC):
    """A stage each of whose outputs is one input, or zero: its matrix follows from where it puts numbered samples."""

    in_shape: Shape
    out_shape: Shape

    @abstractmethod
    def forward(self, x: Array) -> Array:
        """A x."""

    def matrix(self) -> Any:
        """A, as a scipy.sparse array."""
        n = math.prod(self.in_shape)
        source = self.forward(np.arange(1, n + 1).reshape(self.in_shape)).reshape(-1)
        (rows,) = source.nonzero()
        shape = (math.prod(self.out_shape), n)
        return _sparse().csr_array((np.ones(len(rows)), (rows, source[rows] - 1)), shape=shape)


class Insert(Selection):
    """s−1 zeros between neighbours, and `tail` more after the last sample."""

    def __init__(self, channels: int, size: Shape, stride: Shape, tail: Shape) -> None:
        self.stride = stride
        self.in_shape = (channels, *size)
        self.out_shape = (channels, *(s * (n - 1) + 1 + o for n, s, o in zip(size, stride, tail, strict=True)))
        self._at = (slice(None), *(slice(0, s * (n - 1) + 1, s) for n, s in zip(size, stride, strict=True)))

    def forward(self, x: Array) -> Array:
        """A x."""
        out = np.zeros(self.out_shape, dtype=x.dtype)
        out[self._at] = x
        return out

    def adjoint(self, y: Array) -> Array:
        """Aᵀ y."""
        return y[self._at]


class Shuffle(Selection):
    """Channel c·∏s + r becomes sample s·q + r of channel c (PyTorch's pixel shuffle, row-major over the axes)."""

    def __init__(self, channels: int, size: Shape, stride: Shape) -> None:
        d = len(size)
        self.in_shape = (channels * math.prod(stride), *size)
        self.out_shape = (channels, *(n * s for n, s in zip(size, stride, strict=True)))
        self._apart = (channels, *stride, *size)
        self._order = (0, *(x for a in range(d) for x in (1 + d + a, 1 + a)))

    def forward(self, x: Array) -> Array:
        """A x."""
        return x.reshape(self._apart).transpose(self._order).reshape(self.out_shape)

    def adjoint(self, y: Array) -> Array:
        """Aᵀ y."""
        woven = tuple(self._apart[a] for a in self._order)
        return y.reshape(woven).transpose(np.argsort(self._order)).reshape(self.in_shape)


class Resize:
    """Half-pixel interpolation by an integer factor on each axis, indices clamped to the edge."""

    def __init__(self, channels: int, size: Shape, stride: Shape, mode: Mode, cubic_a: float) -> None:
        self.in_shape = (channels, *size)
        self.out_shape = (channels, *(n * s for n, s in zip(size, stride, strict=True)))
        self._axes: list[tuple[npt.NDArray[np.int64], Array]] = []
        for n, s in zip(size, stride, strict=True):
            reads = [interpolation(mode, s, m, cubic_a) for m in range(n * s)]
            most = max(len(r) for r in reads)
            index = np.array([[min(max(i, 0), n - 1) for i, _, _ in r] + [0] * (most - len(r)) for r in reads])
            weight = np.array([[w for _, w, _ in r] + [0.0] * (most - len(r)) for r in reads])
            self._axes.append((index, weight))

    def forward(self, x: Array) -> Array:
        """A x."""
        for a, (index, weight) in enumerate(self._axes):
            lines = np.moveaxis(x, 1 + a, -1)
            x = np.moveaxis((lines[..., index] * weight).sum(axis=-1), -1, 1 + a)
        return x

    def adjoint(self, y: Array) -> Array:
        """Aᵀ y."""
        for a, (index, weight) in enumerate(self._axes):
            lines = np.moveaxis(y, 1 + a, 0)
            out = np.zeros((self.in_shape[1 + a], *lines.shape[1:]), dtype=np.result_type(y, weight))
            for j in range(index.shape[1]):
                np.add.at(out, index[:, j], lines * weight[:, j].reshape(-1, *(1,) * (lines.ndim - 1)))
            y = np.moveaxis(out, 0, 1 + a)
        return y

    def matrix(self) -> Any:
        """A, as a scipy.sparse array."""
        sparse = _sparse()
        out = sparse.eye_array(self.in_shape[0], format="csr")
        for n, (index, weight) in zip(self.in_shape[1:], self._axes, strict=True):
            rows = np.repeat(np.arange(len(index)), index.shape[1])
            axis = sparse.csr_array((weight.reshape(-1), (rows, index.reshape(-1))), shape=(len(index), n))
            out = sparse.kron(out, axis, format="csr")
        return out


def _sparse() -> Any:
    return importlib.import_module("scipy.sparse")
