"""The phases of a layer side by side: which taps of the kernel make which output."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from .. import svg
from . import Figure

MOST = 16
"""More phases than this are drawn one axis at a time."""


def phases_figure(strength: Any, support: Any, weighted: bool) -> Figure:
    """`strength` and `support` have shape (s…, T…): how strong and how many taps link tap position j to phase r.

    Three axes, or more than `MOST` phases, are reduced to their last axis.
    """
    strength, support = np.asarray(strength, dtype=float), np.asarray(support)
    rank = strength.ndim // 2
    reduced = ""
    if rank > 1 and (rank > 2 or int(np.prod(strength.shape[:rank])) > MOST):
        keep = rank - 1
        drop = tuple(a for a in range(2 * rank) if a not in (keep, 2 * rank - 1))
        strength, support = np.sqrt((strength**2).mean(axis=drop)), support.max(axis=drop)
        rank, reduced = 1, " One axis is shown."
    if rank == 1:
        drawing = _one_axis(strength, support)
    else:
        drawing = _two_axes(strength, support)
    n = int(np.prod(strength.shape[:rank]))
    what = (
        "stronger colour is a stronger tap (root mean square over the channels)"
        if weighted
        else "every filled cell is a tap"
    )
    return Figure(
        "The phases, side by side",
        drawing,
        f"The layer is {n} ordinary filters whose outputs are woven together. Each block is one phase's kernel; "
        f"{what}, a hatched cell has no tap.{reduced}",
    )


def _block(strength: Any, support: Any, size: float, x: float, y: float, top: float) -> list[Markup]:
    body: list[Markup] = []
    body += svg.cells(np.where(support > 0, np.maximum(strength, top * 0.08), 0), size, x, y, top)
    for r, c in zip(*np.nonzero(np.asarray(support) == 0), strict=True):
        body.append(svg.rect(x + c * size, y + r * size, size, size, "hole"))
    rows, columns = np.shape(support)
    body.append(svg.cell_lines(rows, columns, size, x, y))
    return body


def _one_axis(strength: Any, support: Any) -> Markup:
    phases, taps = strength.shape
    top = float(strength.max(initial=0)) or 1.0
    size = max(min(30.0, 230.0 / taps), 2.0)
    row = max(min(size + 10, 26.0), min(14.0, 300.0 / phases)) if phases > 8 else size + 10
    body: list[Markup] = []
    for r in range(phases):
        y = 2 + r * row
        body.append(svg.text(52, y + size / 2 + 4, f"phase {r}", "t", "end"))
        height = min(size, row - 2)
        body += _block_row(strength[r], support[r], size, height, 60, y, top)
    return svg.svg(62 + taps * size, 4 + phases * row, body, f"{phases} phases of {taps} taps each")


def _block_row(strength: Any, support: Any, size: float, height: float, x: float, y: float, top: float) -> list[Markup]:
    body = []
    for j, (v, c) in enumerate(zip(strength, support, strict=True)):
        kind = f"h{max(1, svg.shade(float(v), top))}" if c > 0 else "hole"
        body.append(svg.rect(x + j * size, y, size, height, f"{kind} edge"))
    return body


def _two_axes(strength: Any, support: Any) -> Markup:
    rows, columns, t1, t2 = strength.shape
    top = float(strength.max(initial=0)) or 1.0
    gap = 18.0
    size = min(30.0, (280.0 - gap * columns) / (columns * t2))
    body: list[Markup] = []
    for r in range(rows):
        for c in range(columns):
            x, y = 2 + c * (t2 * size + gap), 14 + r * (t1 * size + gap + 4)
            body.append(svg.text(x, y - 4, f"{r}, {c}", "t", "start"))
            body += _block(strength[r, c], support[r, c], size, x, y, top)
    width = 2 + columns * (t2 * size + gap)
    return svg.svg(width, 4 + rows * (t1 * size + gap + 4), body, f"{rows}×{columns} phases of {t1}×{t2} taps each")


def gain_figure(per_phase: Any, spread_db: float) -> Figure:
    """DC gain of each phase against their mean, in dB: what a constant input turns into."""
    values = np.asarray(per_phase, dtype=float)
    if values.ndim > 2:
        values = values.reshape(values.shape[0], -1)
    flat = values.ravel()
    finite = flat[np.isfinite(flat)]
    reach = max(float(np.abs(finite).max(initial=0.0)), 1.0) * 1.15
    width, height, n = 300.0, 150.0, len(flat)
    middle, half = height / 2 - 4, height / 2 - 20
    step = (width - 40) / max(n, 1)
    body: list[Markup] = [svg.line(36, middle, width, middle, "axis strong")]
    for v in (reach / 1.15, -reach / 1.15):
        y = middle - half * v / reach
        body += [svg.line(36, y, width, y, "axis"), svg.text(32, y + 4, f"{v:+.1f}".replace("-", "−"), "t", "end")]
    body.append(svg.text(32, middle + 4, "0 dB", "t", "end"))
    for i, v in enumerate(flat):
        x = 38 + i * step
        shown = float(np.clip(v if np.isfinite(v) else -reach, -reach, reach))
        h = half * abs(shown) / reach
        kind = "bar up" if shown >= 0 else "bar down"
        body.append(svg.rect(x, middle - h if shown >= 0 else middle, max(step - 3, 1), max(h, 0.8), kind))
        if n <= 9:
            label = np.unravel_index(i, values.shape)
            body.append(svg.text(x + (step - 3) / 2, height - 4, ", ".join(map(str, label)), "t"))
    loud = f"{spread_db:.1f} dB" if np.isfinite(spread_db) else "infinitely far, because a phase is dead,"
    return Figure(
        "Gain of each phase",
        svg.svg(width, height, body, f"DC gain of {n} phases, strongest and weakest {loud} apart"),
        f"What a flat grey input turns into: bars that differ are a checkerboard. In the worst output channel the "
        f"strongest and the weakest phase are {loud} apart.",
    )
