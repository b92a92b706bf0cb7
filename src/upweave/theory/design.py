"""Which (k, s, p, o, d) take one size to another, best first, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

from ..errors import SpecError
from ..shapes import Size, kernel_of
from ..spec import ConvTranspose, is_int
from .alignment import Alignment, alignment
from .coverage import Counts, coverage, gaps, uncovered_border

Key = tuple[Any, ...]
GREATEST_STRIDE = 4096
"""No layer upsamples further at once, and every candidate lists its coverage residue by residue."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One transposed convolution that does what was asked.

    Attributes:
        spec: the layer.
        coverage: see `upweave.coverage`.
        alignment: see `upweave.alignment`.
        shift: per axis, how far the picture's centre lands from the output's centre, in output samples.
        cost: multiplications per input position and channel pair, ∏k.
        reasons: why it ranks where it does, the weightiest first.
    """

    spec: ConvTranspose
    coverage: Counts
    alignment: Alignment
    shift: tuple[Fraction, ...]
    cost: int
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        s = self.spec
        return (
            f"k{_short(s.kernel)} s{_short(s.stride)} p{_short(s.padding)} o{_short(s.output_padding)} "
            f"d{_short(s.dilation)}: " + "; ".join(self.reasons)
        )


def design(
    input: Size,  # noqa: A002
    output: Size,
    *,
    max_kernel: int = 16,
    dilation: int | Sequence[int] = 1,
    stride: int | Sequence[int] | None = None,
    limit: int | None = 10,
) -> tuple[Candidate, ...]:
    """The transposed convolutions that take an input of size `input` to `output`, best first.

    Args:
        input: H, an int or one an axis.
        output: H_T, likewise; a number is repeated over the axes of the other.
        max_kernel: k runs from 1 to this.
        dilation: the d to try, one or several.
        stride: the s to try; by default the integers next to H_T/H, and 1 as well where H = 1, which any stride serves.
        limit: how many to return; None for all.

    The search is exhaustive over these bounds, symmetric paddings 0 ≤ p ≤ d(k−1), and 0 ≤ o < max(s, d), on
    H_T = s(H−1) − 2p + d(k−1) + 1 + o. The rank compares, in this order: the stride nearest to H_T/H, no gaps, even
    coverage, no uncovered border, a centred picture, fewest multiplications, no dilation, least padding. Several axes
    are ranked together, each axis taking the best `limit` of its own where it has one.
    Raises `SpecError` where nothing does it, with the nearest sizes that can be had.
    """
    sizes, wanted = _pair(input, output)
    dilations = _choices("dilation", dilation)
    strides = None if stride is None else _choices("stride", stride)
    if not _counts(max_kernel) or not (limit is None or _counts(limit)):
        raise SpecError(f"max_kernel and limit must be ints of at least 1, got {max_kernel!r} and {limit!r}")
    per_axis = [_rank_axis(h, h_t, max_kernel, dilations, strides) for h, h_t in zip(sizes, wanted, strict=True)]
    combined: list[tuple[tuple[ConvTranspose, ...], tuple[Key, ...]]]
    if len(sizes) == 1:
        combined = [((spec,), (key,)) for key, spec in per_axis[0]]
    elif len(set(zip(sizes, wanted, strict=True))) == 1:
        combined = [((spec,) * len(sizes), (key,) * len(sizes)) for key, spec in per_axis[0]]
    else:
        rows = product(*(row[:limit] for row in per_axis))
        combined = [(tuple(s for _, s in row), tuple(k for k, _ in row)) for row in rows]
        combined.sort(key=lambda entry: _joint(entry[1]))
    scalar = not hasattr(input, "__len__") and not hasattr(output, "__len__")
    return tuple(_candidate(specs, sizes, wanted, scalar) for specs, _ in combined[:limit])


def design_chain(
    sizes: Sequence[Size],
    *,
    max_kernel: int = 16,
    dilation: int | Sequence[int] = 1,
    stride: int | Sequence[int] | None = None,
    limit: int | None = 10,
) -> tuple[tuple[Candidate, ...], ...]:
    """The candidates of every step of a decoder that goes through `sizes`, each list best first; see `design`.

    Raises `SpecError` for fewer than two sizes, or where a step cannot be had, naming the step.
    """
    steps = list(_tuple(sizes))
    if len(steps) < 2:
        raise SpecError(f"a chain needs at least two sizes, got {steps}")
    out: list[tuple[Candidate, ...]] = []
    for n, (a, b) in enumerate(pairwise(steps), 1):
        try:
            out.append(design(a, b, max_kernel=max_kernel, dilation=dilation, stride=stride, limit=limit))
        except SpecError as error:
            raise SpecError(f"step {n}, {a} to {b}: {error}") from None
    return tuple(out)


def _rank_axis(
    h: int, h_t: int, max_kernel: int, dilations: tuple[int, ...], strides: tuple[int, ...] | None
) -> list[tuple[Key, ConvTranspose]]:
    """Every solution of one axis with its rank, best first."""
    ratio = Fraction(h_t, h)
    tried = strides or tuple(sorted({max(1, math.floor(ratio)), max(1, math.ceil(ratio)), *((1,) if h == 1 else ())}))
    if max(tried) > GREATEST_STRIDE:
        raise SpecError(
            f"{h} to {h_t} needs stride {max(tried)}; the search ends at {GREATEST_STRIDE}: take a chain of sizes"
        )
    found: list[tuple[Key, ConvTranspose]] = []
    nearest = min(abs(s - ratio) for s in tried)
    for s, d, k in product(tried, dilations, range(1, max_kernel + 1)):
        if k == 1 and d != min(dilations):
            continue  # a kernel of one tap has no dilation
        reach = d * (k - 1)
        for p in range(reach + 1):
            o = h_t - (s * (h - 1) - 2 * p + reach + 1)
            if 0 <= o < max(s, d):
                spec = ConvTranspose(k, s, p, o, d)
                found.append((_key(spec, 0 if h == 1 else abs(s - ratio) - nearest), spec))
    if not found:
        shown = ", ".join(map(str, tried))
        raise SpecError(
            f"no transposed convolution with kernel ≤ {max_kernel}, stride {shown} and dilation "
            f"{', '.join(map(str, dilations))} takes {h} to {h_t}; raise max_kernel, or pass other strides or dilations"
        )
    return sorted(found, key=lambda entry: entry[0])


def _key(spec: ConvTranspose, drift: Fraction | int) -> Key:
    counts = coverage(spec)
    (gap,), ((_, border),) = gaps(spec), uncovered_border(spec)
    spread = int(counts.max()) - int(counts.min())
    p, o = spec.padding, spec.output_padding
    return (drift, gap, min(spread, 1), border, o, spec.kernel, spec.dilation, p, spec.stride)


def _joint(keys: tuple[Key, ...]) -> Key:
    """The rank of several axes at once: criterion by criterion, summed over the axes."""
    return tuple(sum(column) for column in zip(*keys, strict=True))


def _candidate(
    specs: tuple[ConvTranspose, ...], sizes: tuple[int, ...], wanted: tuple[int, ...], scalar: bool
) -> Candidate:
    if scalar:
        spec = specs[0]
    else:
        fields: dict[str, Any] = {
            name: tuple(getattr(s, name) for s in specs)
            for name in ("kernel", "stride", "padding", "output_padding", "dilation")
        }
        spec = ConvTranspose(**fields)
    placed = alignment(spec)
    shift = tuple(
        a.centre(Fraction(h - 1, 2)) - Fraction(h_t - 1, 2)
        for a, h, h_t in zip(placed.axes, sizes, wanted, strict=True)
    )
    cost = math.prod(kernel_of(spec, spec.rank))
    return Candidate(spec, coverage(spec), placed, shift, cost, _reasons(spec, sizes, wanted, shift, cost))


def _reasons(
    spec: ConvTranspose, sizes: tuple[int, ...], wanted: tuple[int, ...], shift: tuple[Fraction, ...], cost: int
) -> tuple[str, ...]:
    counts = coverage(spec)
    out: list[str] = []
    for s, h, h_t in zip((a.stride for a in spec.per_axis()), sizes, wanted, strict=True):
        if h > 1 and abs(s - Fraction(h_t, h)) >= 1:
            out.append(f"stride {s} is far from the ratio {h_t}/{h}")
    empty = gaps(spec)
    if any(empty):
        out.append(f"gaps: {_short(empty)} of every {_short(spec.stride)} outputs get nothing")
    elif counts.max() > counts.min():
        out.append(f"uneven coverage {counts.tolist()}: risk of a checkerboard")
    else:
        n = int(counts.flat[0])
        out.append(f"even coverage: {n} tap{'s' if n > 1 else ''} at every output away from the border")
    borders = tuple(e for _, e in uncovered_border(spec))
    if any(borders):
        out.append(f"the last {_short(borders)} outputs are bias only (output padding beyond the padding)")
    if any(shift):
        out.append(f"off centre by {', '.join(str(s) for s in shift)} output samples (output padding)")
    else:
        out.append("centred")
    out.append(f"{cost} multiplications per input position and channel pair")
    return tuple(out)


def _pair(given: Size, output: Size) -> tuple[tuple[int, ...], tuple[int, ...]]:
    a, b = _tuple(given), _tuple(output)
    a = a if hasattr(given, "__len__") else a * len(b)
    b = b if hasattr(output, "__len__") else b * len(a)
    if len(a) != len(b) or not a:
        raise SpecError(f"input {given!r} and output {output!r} have different numbers of axes")
    for n in (*a, *b):
        if not _counts(n):
            raise SpecError(f"sizes must be ints of at least 1, got input {given!r} and output {output!r}")
    return tuple(int(n) for n in a), tuple(int(n) for n in b)


def _choices(name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    many = _tuple(value)
    if not many or not all(map(_counts, many)):
        raise SpecError(f"{name} must be an int of at least 1, or several, got {value!r}")
    return tuple(sorted(set(map(int, many))))


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, str) else (value,)


def _counts(value: Any) -> bool:
    """True for an int of at least 1."""
    return is_int(value) and int(value) >= 1


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        entries: list[str] = [str(v) for v in value]  # pyright: ignore
        return entries[0] if len(set(entries)) == 1 else "×".join(entries)
    return str(value)
