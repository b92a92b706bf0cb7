"""The network as a strip of grids: every resampling layer is a station between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from markupsafe import Markup

from ...layer import Layer
from ...report import Report
from ..words import number, sizes
from . import svg

LONG = 24
"""Reports with more stations fold the runs of unremarkable ones."""


@dataclass(frozen=True)
class Station:
    """One resampling layer on the strip, and the grid behind it; a folded run has `folded` layers and no grid."""

    path: str
    op: str
    change: str
    direction: str
    extent: str
    grid: Markup
    level: str = ""
    anchor: str = ""
    folded: int = 0


def grid_icon(lines: int, rank: int) -> Markup:
    """A square (a row in 1-D) cut into `lines` cells a side."""
    side = 34.0
    height = side if rank > 1 else 12.0
    step = side / lines
    d = "".join(f"M{svg.num(i * step)} 0v{svg.num(height)}" for i in range(1, lines))
    if rank > 1:
        d += "".join(f"M0 {svg.num(i * step)}h{svg.num(side)}" for i in range(1, lines))
    return svg.tag(
        "svg",
        svg.rect(0.75, 0.75, side - 1.5, height - 1.5, "frame"),
        svg.tag("path", d=d, class_="grid") if d else "",
        viewBox=f"0 0 {svg.num(side)} {svg.num(height)}",
        width=side,
        height=height,
        aria_hidden="true",
    )


def stations(report: Report, levels: dict[int, str], anchors: dict[int, str]) -> tuple[str, Markup, list[Station]]:
    """(extent of the first grid, its icon, the stations). `levels` and `anchors` are by index in `report.layers`."""
    layers = [(i, x) for i, x in enumerate(report.layers) if x.resampler.after]
    if not layers:
        return "", Markup(""), []
    finest = max((_density(x, after) for _, x in layers for after in (False, True)), default=Fraction(1))
    first = layers[0][1]
    out: list[Station] = []
    run: list[tuple[int, Layer]] = []

    def flush() -> None:
        if len(run) <= 1:
            out.extend(_station(i, x, finest, levels, anchors) for i, x in run)
        else:
            last = run[-1][1]
            icon = grid_icon(_lines(_density(last, True), finest), len(last.resampler.dims))
            out.append(Station("", "", f"{len(run)} more", "run", _extent(last, True), icon, folded=len(run)))
        run.clear()

    for i, x in layers:
        if len(layers) > LONG and i not in levels:
            run.append((i, x))
            continue
        flush()
        out.append(_station(i, x, finest, levels, anchors))
    flush()
    return _extent(first, False), grid_icon(_lines(_density(first, False), finest), len(first.resampler.dims)), out


def _station(i: int, x: Layer, finest: Fraction, levels: dict[int, str], anchors: dict[int, str]) -> Station:
    factors = x.resampler.factor
    up, down = any(f > 1 for f in factors), any(f < 1 for f in factors)
    shown = [number(f) if f >= 1 else f"1/{number(1 / f)}" for f in factors]
    words = shown[0] if len(set(shown)) == 1 else "·".join(shown)
    return Station(
        path=x.path,
        op=x.op,
        change=f"×{words}" if not words.startswith("1/") else f"÷{words[2:]}",
        direction="up" if up else "down" if down else "flat",
        extent=_extent(x, True),
        grid=grid_icon(_lines(_density(x, True), finest), len(factors)),
        level=levels.get(i, ""),
        anchor=anchors.get(i, ""),
    )


def _density(layer: Layer, after: bool) -> Fraction:
    """Samples per root sample on the finest axis."""
    grids = layer.resampler.after if after else layer.resampler.before
    return max((1 / abs(g.step) for g in grids if g.step), default=Fraction(1))


def _lines(density: Fraction, finest: Fraction) -> int:
    """Cells a side of the icon: 16 for the finest grid, halved with the resolution, at least 1."""
    return max(1, min(16, round(16 * density / finest)))


def _extent(layer: Layer, after: bool) -> str:
    return "×".join(map(str, sizes(layer)[1 if after else 0]))
