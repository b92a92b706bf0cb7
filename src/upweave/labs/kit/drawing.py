"""Pieces that most drawings have: a row of cells, a matrix, wires, a curve with its axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .figure import Panel, Paths, Tip
from .links import show

T = TypeVar("T")


def row(
    panel: Panel,
    x: float,
    y: float,
    values: Sequence[Any] | npt.NDArray[Any],
    side: float = 34,
    *,
    name: str = "",
    label: str = "",
    on: Callable[[int], Paths] | None = None,
    tip: Callable[[int], Tip] | None = None,
    vertical: bool = False,
    style: str = "cell",
    fill: Sequence[float] | None = None,
) -> None:
    """Cells in a row (or a column), each with its value; `name` + index names a cell, `on(index)` gives its paths."""
    if label:
        panel.text(
            *((x + side / 2, y - 10) if vertical else (x - 8, y + side / 2)),
            label,
            anchor="middle" if vertical else "end",
            style="soft",
        )
    for j, value in enumerate(values):
        left, top = (x, y + j * side) if vertical else (x + j * side, y)
        panel.rect(
            left,
            top,
            side,
            side,
            style=style,
            name=f"{name}{j}" if name else None,
            on=on(j) if on else None,
            tip=tip(j) if tip else None,
        )
        if fill is not None and fill[j]:
            panel.rect(left, top, side, side, value=0.75 * fill[j])
        if value is not None:
            panel.text(
                left + side / 2,
                top + side / 2,
                short(value),
                style="small" if side < 30 or len(short(value)) > 4 else None,
            )


def table(
    panel: Panel,
    x: float,
    y: float,
    entries: npt.NDArray[Any],
    side: float = 34,
    *,
    name: str = "",
    on: Callable[[int, int], Paths] | None = None,
    tip: Callable[[int, int], Tip] | None = None,
    structure: npt.NDArray[Any] | None = None,
) -> None:
    """A matrix as cells shaded by value; entries that are no path of the layer are left blank.

    `structure` says which entries exist, whatever their value is; by default those that are not zero.
    """
    exists = entries != 0 if structure is None else structure
    scale = float(np.abs(entries).max(initial=0.0)) or 1.0
    for r, c in np.ndindex(*entries.shape):
        left, top, value = x + c * side, y + r * side, entries[r, c]
        panel.rect(
            left,
            top,
            side,
            side,
            style="cell" if exists[r, c] else "empty",
            name=f"{name}{r},{c}" if name and exists[r, c] else None,
            on=on(r, c) if on and exists[r, c] else None,
            tip=tip(r, c) if tip and exists[r, c] else None,
        )
        if not exists[r, c]:
            continue
        if value:
            panel.rect(left + 1, top + 1, side - 2, side - 2, value=0.3 * value / scale, style="shade")
        if side >= 20 and 5.8 * len(short(value)) <= side:
            panel.text(left + side / 2, top + side / 2, short(value), style="small" if side < 30 else None)


def always(value: T) -> Callable[[int], T]:
    """That value for every cell: for a `row` of one."""
    return lambda _: value


def short(value: Any) -> str:
    """A number for a small cell: three significant digits, a true minus sign; other things as they are."""
    if isinstance(value, (float, np.floating)):
        return show(float(f"{float(value):.3g}"))
    return show(value)


def curve(
    panel: Panel,
    box: tuple[float, float, float, float],
    xs: Sequence[float],
    ys: Sequence[float],
    limits: tuple[float, float, float, float],
    style: str = "first",
) -> None:
    """A curve in a box (x, y, w, h), for limits (x least, x most, y least, y most); what lies outside is clipped."""
    x, y, w, h = box
    x0, x1, y0, y1 = limits
    points = [
        (x + (a - x0) / (x1 - x0) * w, y + h - (min(max(b, y0), y1) - y0) / (y1 - y0) * h)
        for a, b in zip(xs, ys, strict=True)
    ]
    panel.path(points, style=style)


def axes(
    panel: Panel,
    box: tuple[float, float, float, float],
    limits: tuple[float, float, float, float],
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
) -> None:
    """The frame of a plot with labelled ticks and faint lines across."""
    x, y, w, h = box
    x0, x1, y0, y1 = limits
    for at, label in y_ticks:
        level = y + h - (at - y0) / (y1 - y0) * h
        panel.line(x, level, x + w, level, style="grid")
        panel.text(x - 6, level, label, anchor="end", style="small soft")
    for at, label in x_ticks:
        place = x + (at - x0) / (x1 - x0) * w
        panel.line(place, y + h, place, y + h + 4, style="axis")
        panel.text(place, y + h + 13, label, style="small soft")
    panel.line(x, y + h, x + w, y + h, style="axis")
