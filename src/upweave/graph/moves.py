"""How one operation moves one axis's grid: pure functions from grid to grid.

A strided convolution reads input s·n + d·t − p, so its output n is centred on s·n − p + d(k−1)/2; a transposed
convolution writes output s·i + d·t − p, so its output n is centred on input (n + p − d(k−1)/2)/s.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import gcd

from .grid import Grid, Overhang
from .ir import Resize

LONGEST_PATTERN = 4096
"""A composite pattern with a longer period is dropped: nobody could read it, and it would cost seconds."""


def convolve(grid: Grid, k: int, s: int, begin: int, d: int, extent: int, *, causal: bool = False) -> Grid:
    """The grid behind a convolution or pool with kernel k, stride s, begin padding and dilation d.

    A causal layer (`is_causal`) reads s new samples an output and k−s old ones; its output sits on the new samples.
    """
    if causal:
        offset = Fraction(s - 1, 2) + grid.padded[0]
    else:
        offset = Fraction(d * (k - 1), 2) - begin
    return replace(
        grid,
        step=grid.step * s,
        origin=grid.at(offset),
        extent=extent,
        pattern=_conv_pattern(grid.pattern, k, s, begin, d),
        padded=(0, 0),
        overhang=None,
    )


def is_causal(grid: Grid, k: int, s: int, begin: int, end: int, d: int) -> bool:
    """Whether a convolution sees only the past: all its padding, its own and what was put before it, is in front."""
    front, back = begin + grid.padded[0], end + grid.padded[1]
    overlap = d * (k - 1) + 1 - s
    return overlap > 0 and front == overlap and back < min(s, front)


def transpose(grid: Grid, k: int, s: int, begin: int, end: int, d: int, extent: int, name: str) -> Grid:
    """The grid behind a transposed convolution with PyTorch's k, s, p, d; `name` is its node's."""
    origin = grid.at(Fraction(2 * begin - d * (k - 1), 2 * s))
    pattern = _transposed_pattern(grid.pattern, k, s, begin, d)
    own = _transposed_pattern((1,), k, s, begin, d)
    amount = d * (k - 1) + 1 - s
    causal_origin = grid.at(Fraction(1 - s, 2 * s))
    if begin == 0 and amount > 0 and end == amount:
        origin = causal_origin
    return replace(
        grid,
        step=grid.step / s,
        origin=origin,
        extent=extent,
        upsampled=grid.upsampled or s > 1,
        pattern=pattern,
        uneven=(*grid.uneven, name) if len(own) > 1 else grid.uneven,
        padded=(0, 0),
        overhang=Overhang(amount, causal_origin) if begin == end == 0 and amount > 0 else None,
    )


def resize(grid: Grid, op: Resize, axis: int) -> Grid:
    """The grid behind an interpolation on `op.dims[axis]`."""
    scale, extent = op.scale[axis], op.out_size[axis]
    step = grid.step / scale
    if op.coordinates == "align_corners":
        several = extent > 1 and grid.extent > 1
        step = grid.step * Fraction(grid.extent - 1, extent - 1) if several else grid.step / scale
        origin = grid.origin
    elif op.coordinates == "asymmetric":
        # Rounded down, output n reads n/scale minus (p−1)/(2p) on average, where scale = p/q in lowest terms.
        p = scale.numerator
        origin = grid.at(Fraction(1 - p, 2 * p)) if op.mode == "nearest" and op.nearest == "floor" else grid.origin
    else:
        origin = grid.at(1 / (2 * scale) - Fraction(1, 2))
        if op.coordinates == "half_pixel_symmetric":
            origin += grid.step * (Fraction(grid.extent, 2) - Fraction(extent, 2) / scale)
    return _refined(grid, step, origin, extent)


def shuffle(grid: Grid, factor: int) -> Grid:
    """The grid behind depth to space: every sample becomes `factor` samples, side by side inside its cell."""
    return _refined(grid, grid.step / factor, grid.at(Fraction(1 - factor, 2 * factor)), grid.extent * factor)


def unshuffle(grid: Grid, factor: int) -> Grid:
    """The grid behind space to depth: every `factor` samples become one, in their middle."""
    return replace(
        grid,
        step=grid.step * factor,
        origin=grid.at(Fraction(factor - 1, 2)),
        extent=grid.extent // factor,
        pattern=(1,),
        padded=(0, 0),
        overhang=None,
    )


def pad(grid: Grid, begin: int, end: int) -> Grid:
    """The grid with samples added (or, where negative, cut) at both ends."""
    if begin < 0 or end < 0:
        kept = cut(grid, max(-begin, 0), grid.extent - max(-end, 0), 1)
        return pad(kept, max(begin, 0), max(end, 0)) if begin > 0 or end > 0 else kept
    return replace(
        grid,
        origin=grid.at(-begin),
        extent=grid.extent + begin + end,
        pattern=_rolled(grid.pattern, -begin),
        padded=(grid.padded[0] + begin, grid.padded[1] + end),
        overhang=None if begin or end else grid.overhang,
    )


def cut(grid: Grid, start: int, stop: int, step: int) -> Grid:
    """The grid of x[start:stop:step], step > 0; a causal right-trim puts the samples back on their cells."""
    extent = max(0, -(-(stop - start) // step))
    origin, overhang = grid.at(start), grid.overhang
    if overhang and (start, step) == (0, 1) and stop == grid.extent - overhang.amount:
        origin = overhang.causal_origin
    pattern = _rolled(grid.pattern, start)
    if step > 1:
        pattern = tuple(pattern[n * step % len(pattern)] for n in range(len(pattern)))
    moved = (start, stop, step) != (0, grid.extent, 1)
    return replace(
        grid,
        step=grid.step * step,
        origin=origin,
        extent=extent,
        pattern=_shortest(pattern),
        padded=(0, 0) if moved else grid.padded,
        overhang=None if moved else overhang,
    )


def _refined(grid: Grid, step: Fraction, origin: Fraction, extent: int) -> Grid:
    factor = grid.step / step
    whole = factor.denominator == 1 and factor >= 1
    pattern = tuple(v for v in grid.pattern for _ in range(int(factor))) if whole else (1,)
    return replace(
        grid,
        step=step,
        origin=origin,
        extent=extent,
        upsampled=grid.upsampled or factor > 1,
        pattern=_shortest(pattern),
        padded=(0, 0),
        overhang=None,
    )


def _conv_pattern(pattern: tuple[int, ...], k: int, s: int, begin: int, d: int) -> tuple[int, ...]:
    period = len(pattern)
    if period == 1:
        return pattern
    return _shortest(tuple(sum(pattern[(s * n + d * t - begin) % period] for t in range(k)) for n in range(period)))


def _transposed_pattern(pattern: tuple[int, ...], k: int, s: int, begin: int, d: int) -> tuple[int, ...]:
    period = len(pattern)
    if period * s > LONGEST_PATTERN:
        return (1,)
    out = [0] * (period * s)
    for i in range(period):
        for t in range(k):
            out[(s * i + d * t - begin) % (period * s)] += pattern[i]
    return _shortest(tuple(out))


def _rolled(pattern: tuple[int, ...], start: int) -> tuple[int, ...]:
    start %= len(pattern)
    return pattern[start:] + pattern[:start]


def _shortest(pattern: tuple[int, ...]) -> tuple[int, ...]:
    """The pattern over its least period, divided by its greatest common divisor."""
    if not pattern or len(pattern) > LONGEST_PATTERN:
        return (1,)
    n = len(pattern)
    for period in range(1, n + 1):
        if n % period == 0 and pattern[:period] * (n // period) == pattern:
            divisor = gcd(*pattern[:period]) or 1
            return tuple(v // divisor for v in pattern[:period])
    return pattern
