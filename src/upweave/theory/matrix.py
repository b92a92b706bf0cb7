"""The layer as a matrix: the transposed convolution's Cᵀ, the convolution's C, and every other upsampler's."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from ..bank import Array, PhaseBank
from ..boundary import Boundary
from ..errors import NotRepresentable, SpecError
from ..shapes import Size, as_array, as_sizes, channels_of, default_weight, full_weight, rank_of, stride_of
from ..spec import Conv, ConvPixelShuffle, ConvTranspose, FirUpsample, ResizeConv, Spec, ZeroInsertConv
from .sizes import output_size
from .stages import Convolve, Insert, Resize, Scatter, Shuffle, Stage


def matrix(spec: Spec, size: Size, weight: Any = None, *, channels: int = 1) -> Any:
    """The layer's own matrix, outputs × inputs: a scipy.sparse array of shape (C_out·∏H_T, C_in·∏H), borders included.

    Rows and columns are channel-major, then row-major over the axes: the flattened (C, H…) array. For `ConvTranspose`
    it is the article's Cᵀ, for `Conv` its C.

    Args:
        spec: any spec.
        size: the input's, an int or one an axis.
        weight: in the spec's layout, or a bare kernel k… for a single channel; without one, all ones.
        channels: for `FirUpsample` alone, how many channels the filter runs on.

    Raises `SpecError` for shapes that do not fit or an input that is too short.
    Source: the article, mathematical foundation.
    """
    parts = [s.matrix() for s in stages(spec, size, weight, channels)]
    return reduce(lambda first, second: (second @ first).tocsr(), parts)


def linear_operator(spec: Spec, size: Size, weight: Any = None, *, channels: int = 1) -> Any:
    """The layer as a scipy `LinearOperator` on flattened signals, with its adjoint, without making the matrix.

    Arguments, order of the entries and errors as for `matrix`.
    """
    chain = stages(spec, size, weight, channels)
    dtype = np.result_type(np.float64, *(s.of.weight if isinstance(s, Scatter) else s.weight for s in _weighted(chain)))

    def forward(x: Array) -> Array:
        return reduce(lambda v, s: s.forward(v), chain, np.reshape(x, chain[0].in_shape)).reshape(-1)

    def backward(y: Array) -> Array:
        return reduce(lambda v, s: s.adjoint(v), reversed(chain), np.reshape(y, chain[-1].out_shape)).reshape(-1)

    shape = (math.prod(chain[-1].out_shape), math.prod(chain[0].in_shape))
    linalg = importlib.import_module("scipy.sparse.linalg")
    return linalg.LinearOperator(shape, matvec=forward, rmatvec=backward, dtype=dtype)


def bank_matrix(bank: PhaseBank, size: Size, boundary: Sequence[Boundary]) -> Any:
    """The matrix of a bank with these ends, as a scipy.sparse array; the route to `matrix` that goes by phases.

    Raises `NotRepresentable` for a "mixed" boundary (ask for its interior by another extension), `SpecError` where the
    counts of axes disagree or the output is empty.
    """
    d = bank.rank
    sizes = (int(size),) * d if isinstance(size, int) else tuple(int(n) for n in size)
    if len(sizes) != d or len(boundary) != d:
        raise SpecError(f"a bank of {d} axes needs {d} sizes and {d} boundaries, got {len(sizes)} and {len(boundary)}")
    reads = [_axis_reads(bank, a, n, boundary[a]) for a, n in enumerate(sizes)]
    outs = tuple(length for length, _ in reads)
    c_out, per = bank.weights.shape[d : d + 2]
    each = np.arange(c_out * per, dtype=np.int64)
    co, ci = each // per, each % per
    ci = ci + per * (co // (c_out // bank.groups))
    empty = np.zeros(0, dtype=np.int64)
    rows, cols, values = [empty], [empty], [np.zeros(0, dtype=bank.weights.dtype)]
    for index in np.ndindex(*bank.stride, *(t.length for t in bank.axes)):
        r, j = index[:d], index[d:]
        n, i = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        for a in range(d):
            at_n, at_i = reads[a][1][r[a], j[a]]
            n = np.add.outer(n * outs[a], at_n).reshape(-1)
            i = np.add.outer(i * sizes[a], at_i).reshape(-1)
        rows.append(np.add.outer(co * math.prod(outs), n).reshape(-1))
        cols.append(np.add.outer(ci * math.prod(sizes), i).reshape(-1))
        values.append(np.repeat(bank.weights[(*r, slice(None), slice(None), *j)].reshape(-1), len(n)))
    shape = (c_out * math.prod(outs), bank.in_channels * math.prod(sizes))
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols)))
    return importlib.import_module("scipy.sparse").csr_array(entries, shape=shape)


def _axis_reads(bank: PhaseBank, axis: int, size: int, edge: Boundary) -> tuple[int, dict[tuple[int, int], Any]]:
    """(H_T, {(r, j): (outputs n, inputs i)}) of the live taps of one axis."""
    if edge.extension == "mixed":
        raise NotRepresentable(
            f"axis {axis} mixes zeros and repeated samples at its border: the bank is exact in its interior only"
        )
    t = bank.axes[axis]
    length = edge.output_size(t.stride, size)
    if length < 1:
        raise SpecError(f"axis {axis}: an input of length {size} gives an output of length {length}")
    out: dict[tuple[int, int], Any] = {}
    for r in range(t.stride):
        n = np.arange(r, length, t.stride)
        for j in range(t.length):
            i = n // t.stride + t.start + j
            if not t.count[r, j]:
                out[r, j] = (n[:0], i[:0])
            elif edge.extension == "replicate":
                out[r, j] = (n, i.clip(0, size - 1))
            else:
                real = (i >= 0) & (i < size)
                out[r, j] = (n[real], i[real])
    return length, out


def weight_gradient(spec: Spec, x: Any, grad_output: Any) -> Array:
    """The gradient of the loss in the layer's weights, ∂L/∂w, in the weight's own layout.

    For `ConvTranspose` ∂L/∂h[r] = Σᵢ x[i]·g[s·i + r − p]. `x` is the input (C_in, H…), `grad_output` the gradient at
    the output (C_out, H_T…). With a spec of tuples both may have one more batch axis in front, or no channels (the
    result is then of shape k…); a spec of numbers reads one axis as a bare line, more as channels first. Raises
    `SpecError` for shapes that do not fit and for `FirUpsample`, which has no weights.
    Source: the article, relation to gradients.
    """
    if isinstance(spec, FirUpsample):
        raise SpecError("FirUpsample has no weights to take a gradient in")
    x, g = as_array(x, "input"), as_array(grad_output, "gradient")
    if x.ndim != g.ndim or not x.ndim:
        raise SpecError(f"input {x.shape} and output gradient {g.shape} have different numbers of axes")
    rank = spec.rank if not spec.is_scalar else max(1, x.ndim - 1)
    if x.ndim == rank:
        return np.asarray(weight_gradient(_with_rank(spec, rank), x[None], g[None])[0, 0])
    if x.ndim == rank + 2:
        if x.shape[0] != g.shape[0]:
            raise SpecError(f"input {x.shape} and output gradient {g.shape} have different batches")
        return np.asarray(sum(weight_gradient(spec, a, b) for a, b in zip(x, g, strict=True)))
    if x.ndim != rank + 1:
        raise SpecError(f"{type(spec).__name__} has {rank} axes, but the input has shape {x.shape}")
    chain = stages(_with_rank(spec, rank), x.shape[1:], _zero_weight(spec, rank, x.shape[0], g.shape[0]), 1)
    if chain[-1].out_shape != g.shape:
        raise SpecError(f"the output of an input {x.shape} is {chain[-1].out_shape}, but its gradient is {g.shape}")
    at = next(i for i, s in enumerate(chain) if isinstance(s, (Convolve, Scatter)))
    for s in chain[:at]:
        x = s.forward(x)
    for s in reversed(chain[at + 1 :]):
        g = s.adjoint(g)
    (stage,) = _weighted(chain)
    return np.asarray(stage.weight_gradient(x, g))


def stages(spec: Spec | PhaseBank, size: Size, weight: Any = None, channels: int = 1) -> list[Stage]:
    """The chain of elementary operators that the layer is by definition."""
    if isinstance(spec, PhaseBank):
        raise SpecError("a PhaseBank does not know its borders: take upweave.bank_matrix(bank, size, boundary)")
    rank = rank_of(spec, size, weight)
    sizes = as_sizes(spec, size, rank)
    if rank_of(spec, size) != rank:
        spec = _with_rank(spec, rank)
    fir = isinstance(spec, FirUpsample)
    if fir:
        w = _fir_weight(spec, rank, channels, weight)
    else:
        w = default_weight(spec, rank) if weight is None else full_weight(spec, weight, rank)
    axes = spec.per_axis(rank)
    groups = channels if fir else spec.groups  # type: ignore[attr-defined]
    c_in, c_out = (channels, channels) if fir else channels_of(spec, w, rank)
    s, begin = stride_of(spec, rank), tuple(a.begin for a in axes)
    out = tuple(int(n) for n in output_size(_with_rank(spec, rank), sizes))
    one, dilation = (1,) * rank, one_of(axes, "dilation")

    def convolve(n: tuple[int, ...], m: tuple[int, ...], stride: tuple[int, ...] = one) -> Convolve:
        return Convolve(w, stride, begin, dilation, groups, n, m)

    if isinstance(spec, Conv):
        return [convolve(sizes, out, s)]
    if isinstance(spec, ConvTranspose):
        return [Scatter(convolve(out, sizes, s))]
    if isinstance(spec, ConvPixelShuffle):
        before = tuple(n // f for n, f in zip(out, s, strict=True))
        return [convolve(sizes, before), Shuffle(c_out, before, s)]
    first: Stage
    if isinstance(spec, ResizeConv):
        first = Resize(c_in, sizes, s, spec.mode, spec.cubic_a)
    elif isinstance(spec, ZeroInsertConv):
        first = Insert(c_in, sizes, s, one_of(axes, "output_padding"))
    elif fir:
        first = Insert(c_in, sizes, s, tuple(f - 1 for f in s))
    else:
        raise NotRepresentable(f"no chain of elementary operators is known for {type(spec).__name__}")
    return [first, convolve(first.out_shape[1:], out)]


def one_of(axes: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """Field `name` of every single-axis spec, 1 where it has none."""
    return tuple(int(getattr(a, name, 1)) for a in axes)


def _weighted(chain: list[Stage]) -> list[Any]:
    return [s for s in chain if isinstance(s, (Convolve, Scatter))]


def _with_rank(spec: Spec, rank: int) -> Spec:
    """The same spec with a tuple where it had numbers, so that it has exactly `rank` axes."""
    if not spec.is_scalar:
        return spec
    concrete: Any = spec  # every registered spec is a frozen dataclass
    out: Spec = replace(concrete, stride=(spec.stride,) * rank)
    return out


def _fir_weight(spec: Any, rank: int, channels: int, weight: Any) -> Array:
    """The filter as a depthwise correlation: flipped, scaled, and the same on every axis."""
    if weight is not None:
        raise SpecError("FirUpsample takes no weight: its filter is the spec's taps")
    if channels < 1:
        raise SpecError(f"channels must be at least 1, got {channels}")
    flipped = np.asarray(spec.taps)[::-1]
    scale = [s / flipped.sum() if spec.normalise else 1.0 for s in stride_of(spec, rank)]
    kernel = reduce(np.multiply.outer, [flipped * f for f in scale])
    return np.broadcast_to(kernel, (channels, 1, *kernel.shape)).copy()


def _zero_weight(spec: Any, rank: int, c_in: int, c_out: int) -> Array:
    """A weight of zeros with these channels, for its shape."""
    kernel = default_weight(spec, rank).shape[2:]
    g = spec.groups
    if c_in % g or c_out % g:
        raise SpecError(f"{c_in} input and {c_out} output channels do not split into {g} groups")
    if isinstance(spec, ConvTranspose):
        return np.zeros((c_in, c_out // g, *kernel))
    rows = c_out * math.prod(stride_of(spec, rank)) if isinstance(spec, ConvPixelShuffle) else c_out
    return np.zeros((rows, c_in // g, *kernel))
