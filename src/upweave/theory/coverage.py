"""How many taps reach each output: in the interior by residue, along a finite line, and where none does."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bank import PhaseBank, Taps
from ..boundary import Boundary
from ..convert.axis import AxisResponse, axis_boundary, axis_response
from ..convert.forward import taps
from ..convert.impulse import unfold_count
from ..errors import SpecError
from ..interpolation import samples_read
from ..shapes import Size, as_sizes
from ..spec import ResizeConv, Spec

Counts = npt.NDArray[np.int64]


def coverage(what: Spec | PhaseBank) -> Counts:
    """The coverage count C(n) of an output far from the border: integers of shape (s₁…s_d), indexed by n mod s.

    It counts paths from inputs, whatever their weights are: on one axis the taps t with d·t ≡ r + p (mod s). With d = 1
    and ρ = k mod s, ρ residues have ⌊k/s⌋+1 and the rest ⌊k/s⌋. Raises `NotRepresentable` for a strided `Conv`; its
    backward pass is covered as `adjoint(conv)` is. Source: the article, checkerboard artifacts.
    """
    return _outer([t.count.sum(axis=1) for t in _axes(what)])


def coverage_line(what: Spec | PhaseBank, size: Size, boundary: Sequence[Boundary] | None = None) -> Counts:
    """The coverage count of every output of a finite input, borders included: integers of the output's shape.

    `size` is the input's, an int or one an axis. A spec knows its own border; a bank needs its `boundary`, one an axis.
    Samples that a resize repeats at its edge count as real ones, zero padding does not. Raises `SpecError` where the
    output would be empty or the boundaries are missing.
    """
    if isinstance(what, PhaseBank):
        if boundary is None or len(boundary) != what.rank:
            raise SpecError(f"the line of a bank needs its {what.rank} boundaries; see upweave.convert.boundary")
        sizes = (int(size),) * what.rank if isinstance(size, int) else tuple(int(n) for n in size)
        if len(sizes) != what.rank:
            raise SpecError(f"a bank of {what.rank} axes, but the size {sizes} has {len(sizes)}")
        lines = [_line(t, b, n) for t, b, n in zip(what.axes, boundary, sizes, strict=True)]
        return _outer(lines)
    sizes = as_sizes(what, size)
    return _outer([_spec_line(a, n) for a, n in zip(what.per_axis(len(sizes)), sizes, strict=True)])


def coverage_variance(what: Spec | PhaseBank) -> float:
    """The variance of the coverage over the residues: 0 if and only if every output is reached equally often.

    On one axis with d = 1 it is V = (ρ/s)(1−ρ/s), ρ = k mod s. Source: the article, checkerboard artifacts.
    """
    return float(np.var(coverage(what)))


def overlap(kernel: int, stride: int) -> tuple[int, int, Fraction]:
    """The article's closed form for d = 1: (ρ, ⌊k/s⌋, V) with ρ = k mod s residues of ⌊k/s⌋+1 and V = (ρ/s)(1−ρ/s)."""
    rho = kernel % stride
    share = Fraction(rho, stride)
    return rho, kernel // stride, share * (1 - share)


def empty_residues(what: Spec | PhaseBank) -> tuple[tuple[int, ...], ...]:
    """On each axis the residues n mod s that no tap reaches."""
    return tuple(tuple(int(r) for r in (t.count.sum(axis=1) == 0).nonzero()[0]) for t in _axes(what))


def gaps(what: Spec | PhaseBank) -> tuple[int, ...]:
    """On each axis the number of outputs a stride that get nothing: s−k if k < s, and those off the dilated lattice.

    With γ = gcd(d, s) > 1 at least s − s/γ residues stay empty, however large k is.
    Source: the article, checkerboard artifacts.
    """
    return tuple(len(r) for r in empty_residues(what))


def uncovered_border(spec: Spec, rank: int | None = None) -> tuple[tuple[int, int], ...]:
    """On each axis how many outputs at (begin, end) lie beyond the reach of every input, so that they are bias only.

    For `ConvTranspose` (0, max(0, o − p_end)): the last samples that output padding adds behind the padding it undoes.
    """
    return tuple(_border(a) for a in spec.per_axis(rank))


def _border(spec: Any) -> tuple[int, int]:
    if isinstance(spec, ResizeConv):
        (a,) = spec.per_axis()
        reach = int(a.dilation) * (int(a.kernel) - 1)
        return max(0, spec.begin - reach), max(0, spec.end - reach)
    response: AxisResponse = axis_response(spec)
    edge = axis_boundary(spec)
    # the last input, H−1, reaches up to s(H−1) + high; the last output is s·H + excess − 1
    return max(0, response.low), max(0, edge.excess + response.stride - 1 - response.high)


def _spec_line(spec: Any, size: int) -> Counts:
    if isinstance(spec, ResizeConv) and spec.mode != "nearest":
        # Every output of the resize has all its samples (edges are repeated); only the convolution pads with zeros.
        (a,) = spec.per_axis()
        inner = ResizeConv(a.kernel, 1, a.padding, a.dilation)
        return _spec_line(inner, size * int(a.stride)) * (samples_read(spec.mode) if a.stride > 1 else 1)
    (t,) = taps(spec)
    return _line(t, axis_boundary(spec), size)


def _line(t: Taps, edge: Boundary, size: int) -> Counts:
    length = edge.output_size(t.stride, size)
    if length < 1:
        raise SpecError(f"an input of length {size} gives an output of length {length}")
    if edge.extension != "zero":
        return np.asarray(t.count.sum(axis=1)[np.arange(length) % t.stride])
    low, count = unfold_count(t)
    line = np.zeros(length, dtype=np.int64)
    for v, c in enumerate(count):
        n = t.stride * np.arange(size) + low + v
        line[n[(n >= 0) & (n < length)]] += c
    return line


def _axes(what: Spec | PhaseBank) -> tuple[Taps, ...]:
    return what.axes if isinstance(what, PhaseBank) else taps(what)


def _outer(lines: list[Counts]) -> Counts:
    return reduce(np.multiply.outer, lines)
