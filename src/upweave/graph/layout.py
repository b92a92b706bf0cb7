"""What each dimension of a tensor is made of, so that reshapes and permutations keep track of the grids.

A dimension is a row-major product of factors, and a factor is a regular part of a grid: `size` samples, `stride`
grid samples apart. Splitting H into windows gives two factors of one grid; putting them back in order gives H again:

    [H]  →  view  →  [H/7 ·stride 7] [7 ·stride 1]  →  …  →  view  →  [H]

A space factor with a channel factor behind it is a pixel shuffle written out by hand; with a broadcast factor behind
it, a nearest resize. What such a product means is decided where it is used (see `infer`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from .grid import Grid, Root, RootKind


@dataclass(frozen=True)
class Factor:
    """`size` samples of `grid`, `stride` grid samples apart."""

    grid: Grid
    size: int
    stride: int = 1

    @property
    def is_whole(self) -> bool:
        """True if the factor is the grid itself."""
        return self.stride == 1 and self.size == self.grid.extent


Dim: TypeAlias = tuple[Factor, ...]
Layout: TypeAlias = tuple[Dim, ...]


def whole(grid: Grid) -> Dim:
    """A dimension that is one grid; a single sample has no factors."""
    return (Factor(grid, grid.extent),) if grid.extent != 1 else ()


def fresh(value: str, dim: int, extent: int, kind: RootKind) -> Dim:
    """A dimension where a new root begins."""
    return whole(new_grid(value, dim, extent, kind))


def new_grid(value: str, dim: int, extent: int, kind: RootKind) -> Grid:
    """The grid that its own root is."""
    return Grid(Root(value, dim, extent, kind), Fraction(1), Fraction(0), extent)


def size(dim: Dim) -> int:
    """The number of samples along a dimension."""
    n = 1
    for f in dim:
        n *= f.size
    return n


def joined(factors: list[Factor]) -> Dim:
    """The same product with neighbouring parts of one grid put together again."""
    out: list[Factor] = []
    for f in factors:
        last = out[-1] if out else None
        if last and last.grid == f.grid and last.stride == f.size * f.stride:
            out[-1] = Factor(f.grid, last.size * f.size, f.stride)
        else:
            out.append(f)
    return tuple(out)


def reshape(layout: Layout, shape: tuple[int, ...]) -> Layout | None:
    """The layout of the same elements in row-major order under `shape`; None where a factor would break unevenly."""
    flat = [f for dim in layout for f in dim]
    flat.reverse()
    out: list[Dim] = []
    for want in shape:
        taken: list[Factor] = []
        while want > 1:
            if not flat:
                return None
            f = flat.pop()
            if want % f.size == 0:
                want //= f.size
                taken.append(f)
            elif f.size % want == 0:
                inner = f.size // want
                taken.append(Factor(f.grid, want, f.stride * inner))
                flat.append(Factor(f.grid, inner, f.stride))
                want = 1
            else:
                return None
        out.append(joined(taken))
    return None if flat else tuple(out)


def as_blocks(factor: Factor) -> Grid | None:
    """The grid of a factor alone: the grid itself, or its blocks (patches) if the factor steps over all of it."""
    g = factor.grid
    if factor.is_whole:
        return g
    if factor.size * factor.stride == g.extent:
        return replace(
            g,
            step=g.step * factor.stride,
            origin=g.at(Fraction(factor.stride - 1, 2)),
            extent=factor.size,
            pattern=(1,),
            padded=(0, 0),
            overhang=None,
        )
    return None
