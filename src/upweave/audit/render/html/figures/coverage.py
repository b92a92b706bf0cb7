"""Coverage as heat maps: one period, and a small output with its borders."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from .. import svg
from . import Figure

LARGEST_TILE = 12
"""Periods up to this many residues an axis carry their numbers."""


def tile(counts: Any, label: str) -> Markup:
    """One period of the coverage with the number of taps in every cell; 1-D counts make one row."""
    grid = np.atleast_2d(np.asarray(counts))
    rows, columns = grid.shape
    numbers = columns <= LARGEST_TILE and rows <= LARGEST_TILE
    size = min(64.0, 264.0 / max(columns, rows)) if numbers else 264.0 / max(rows, columns)
    top = float(grid.max(initial=0))
    pad = 1.0
    body: list[Markup] = svg.cells(grid, size, pad, pad, top)
    if numbers:
        body.append(svg.cell_lines(rows, columns, size, pad, pad))
        for r in range(rows):
            for c in range(columns):
                value = int(grid[r, c])
                dark = svg.shade(value, top) > svg.STEPS // 2
                kind = "none" if value == 0 else "on" if dark else ""
                digits = len(str(value))
                small = " s" if size < 26 or digits > 2 else ""
                body.append(
                    svg.text(pad + (c + 0.5) * size, pad + (r + 0.5) * size + 5, value, f"n {kind}{small}".strip())
                )
    return svg.svg(columns * size + 2 * pad, rows * size + 2 * pad, body, label)


def field(counts: Any, label: str, width: float = 300.0) -> Markup:
    """Coverage of a whole small output: a heat map in 2-D, columns in 1-D."""
    grid = np.asarray(counts)
    if grid.ndim == 1:
        return columns_of(grid, label, width)
    rows, cols = grid.shape
    size = width / max(rows, cols)
    top = float(grid.max(initial=0))
    body: list[Markup] = svg.cells(grid, size, 1, 1, top)
    body.append(svg.cell_lines(rows, cols, size, 1, 1, "grid fine"))
    return svg.svg(cols * size + 2, rows * size + 2, body, label)


def columns_of(values: Any, label: str, width: float = 300.0, height: float = 120.0) -> Markup:
    """Counts along a line as columns, a hollow mark where there is nothing; the axis is labelled with the counts."""
    line = np.asarray(values)
    n, top = len(line), max(float(line.max(initial=0)), 1.0)
    step = (width - 24) / max(n, 1)
    body: list[Markup] = []
    for value in sorted({0, int(line.max()), int(line.min())}):
        y = height - 14 - (height - 26) * value / top
        body += [svg.line(22, y, width, y, "axis"), svg.text(16, y + 4, value, "t", "end")]
    for i, value in enumerate(line):
        h = (height - 26) * float(value) / top
        x = 24 + i * step
        gap = min(step * 0.15, 2.0)
        if value > 0:
            body.append(svg.rect(x + gap / 2, height - 14 - h, step - gap, h, f"h{svg.shade(float(value), top)}"))
        else:
            body.append(svg.rect(x + gap / 2, height - 20, max(step - gap, 0.6), 6, "hole"))
    return svg.svg(width, height, body, label)


def spread(counts: Any) -> str:
    """ "1 to 4 taps", "2 taps everywhere"."""
    values = np.asarray(counts)
    low, high = int(values.min()), int(values.max())
    if low == high:
        return f"{low} {'tap' if low == 1 else 'taps'} everywhere"
    return f"{low} to {high} taps"


def coverage_figures(period: Any, whole: Any, size: tuple[int, ...], rank: int) -> list[Figure]:
    """The coverage of one layer. `period` is C by residue, `whole` that of an output of an input of `size`."""
    period, whole = np.asarray(period), np.asarray(whole)
    note = ""
    if rank == 3:
        fullest = whole.sum(axis=(1, 2))
        full = np.flatnonzero(fullest == fullest.max())
        period, whole = period.max(axis=0), whole[full[len(full) // 2]]
        note = " The fullest slice across the first axis is shown."
    out = [
        Figure(
            "Taps per output, one period",
            tile(period, f"coverage by residue: {period.tolist() if period.size <= 144 else spread(period)}"),
            f"Each cell is one output position modulo the stride; the number says how many taps reach it: "
            f"{spread(period)}.{note}",
        )
    ]
    inputs = "×".join(map(str, size))
    outputs = "×".join(map(str, np.asarray(whole).shape))
    empty = int((whole == 0).sum())
    holes = f" {empty} outputs get nothing but the bias." if empty else ""
    out.append(
        Figure(
            "With its borders",
            field(whole, f"coverage of all {outputs} outputs of an input of {inputs}"),
            f"Every output of an input of {inputs}: {spread(whole)}, stronger colour is more.{holes}",
        )
    )
    return out


def composite_figure(patterns: list[tuple[int, ...]], layers: tuple[str, ...]) -> Figure:
    """What stacked layers make together: paths from the input to each output, over one period."""
    names = ", ".join(layers[-4:])
    if len(patterns) >= 2:
        grid = np.multiply.outer(np.asarray(patterns[-2]), np.asarray(patterns[-1]))
        drawing = (tile if max(grid.shape) <= LARGEST_TILE else field)(grid, f"composite pattern {grid.shape}")
    else:
        grid = np.asarray(patterns[0])
        short = len(grid) <= LARGEST_TILE
        drawing = tile(grid, "composite pattern") if short else columns_of(grid, "composite pattern")
    low, high = int(grid.min()), int(grid.max())
    ratio = f"{high / low:.3g} times as many as the quietest" if low else "while some receive none"
    return Figure(
        "All layers so far, together",
        drawing,
        f"Paths from the input to each output behind {names}, by their common factor: the busiest output has {ratio}.",
    )
