"""One axis in tiles of cells, as Winograd's way sees it: schemes, segments and points; see `winograd`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .problem import Problem


@dataclass(frozen=True, slots=True)
class AxisClass:
    """Phases of an axis with as many taps: segments of `scheme` taps each, over the same points."""

    points: int
    phases: int
    scheme: int
    segments: int


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis in tiles of m cells, `dilation` of which lie in one another; its one or two classes of phases."""

    m: int
    tiles: int
    stride: int
    dilation: int
    classes: tuple[AxisClass, ...]

    @property
    def reach(self) -> int:
        """Taps of all segments."""
        return max(c.scheme * c.segments for c in self.classes)

    @property
    def reads(self) -> int:
        """Samples of a tile, without dilation."""
        return self.m + self.reach - 1

    @property
    def lead(self) -> int:
        """Transformed tiles before the first, whose samples the segments read."""
        return max((c.segments - 1) * (c.scheme // self.m) * self.dilation for c in self.classes)

    def shares(self, c: int) -> bool:
        """True if class c reads the points of the class before it."""
        return c > 0 and self.lead > 0 and self.classes[c].scheme == self.classes[c - 1].scheme


def count_of_cells(p: Problem, a: int) -> int:
    """Cells u that hold outputs n, where n + p = s u + ρ; or, where the core can, cells from the first output on."""
    k, s = p.kernel[a], p.stride[a]
    before = p.padding[a] % s
    aligned = before == k % s and -(-k // s) <= 3
    return -(-(p.out[a] + (0 if aligned else before)) // s)


def cells_of(p: Problem, a: int) -> list[int]:
    """Tiles that an axis allows; none where it has phases without taps, or taps apart but along the last axis."""
    k, s = p.kernel[a], p.stride[a]
    last, apart = a == p.rank - 1, p.dilation[a] > 1 and k > 1
    taps = -(-k // s)
    if k < s or taps > 64 or (apart and (s > 1 or not last)):
        return []
    if taps == 1 or p.out[a] <= s:
        return [] if apart else [1]
    return [m for m in (1, 2, 3, 4) if taps <= most_taps(m) or (last and m in (2, 3))][apart:]


def most_taps(m: int) -> int:
    """Of one segment in tiles of m cells."""
    return {1: 64, 2: 4, 3: 3, 4: 3}[m]


def loses(axes: tuple[Axis, ...]) -> bool:
    """True if an axis of five or six points meets another one in tiles."""
    return sum(a.m > 1 for a in axes) > 1 and any(a.m > 1 and c.points > 4 for a in axes for c in a.classes)


def axis_of(k: int, s: int, dilation: int, cells: int, m: int) -> Axis:
    """So many cells of an axis in tiles of m."""
    dilation = 1 if k == 1 else dilation

    def phases(taps: int, count: int) -> list[AxisClass]:
        scheme = min(taps, most_taps(m))
        return [AxisClass(m - 1 + scheme, count, scheme, -(-taps // scheme))] if count else []

    classes = (*phases(-(-k // s), k % s), *phases(k // s, s - k % s))
    return Axis(m, -(-cells // (m * dilation)) * dilation, s, dilation, classes)


def lengthened(p: Problem, samples: int) -> Problem:
    """The same layer on a signal of so many samples."""
    more = samples - p.size[0]
    return replace(p, size=(samples,), out=(p.out[0] + more * p.stride[0],)) if more else p


def rounded(count: int, bits: int) -> int:
    """A long axis to so many significant bits, up: signals of many lengths share few prices."""
    step = 1 << max(0, count.bit_length() - bits)
    return -(-count // step) * step
