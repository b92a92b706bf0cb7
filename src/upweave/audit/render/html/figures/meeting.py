"""Two grids that meet and disagree: their samples over the same stretch of the input."""

from __future__ import annotations

from fractions import Fraction

from markupsafe import Markup

from .....graph.grid import Grid, Meeting
from ....finding import Finding
from ...words import number
from .. import svg
from . import Figure
from .alignment import tag_circle

SAMPLES = 6


def meeting_figure(meeting: Meeting) -> Figure:
    """The first samples of both grids, and the lines between samples of the same index."""
    a, b = meeting.grids
    n = max(2, min(SAMPLES, a.extent, b.extent))
    points = [g.at(i) for g in (a, b) for i in range(n)]
    low, high = min(points), max(points)
    width = 320.0
    unit = (width - 40) / float(max(high - low, Fraction(1)))

    def x_of(position: Fraction) -> float:
        return 20 + float(position - low) * unit

    body: list[Markup] = []
    for i in range(n):
        body.append(svg.line(x_of(a.at(i)), 38, x_of(b.at(i)), 88, "link"))
    for grid, y, kind in ((a, 38.0, "dot"), (b, 88.0, "dot second")):
        body.append(svg.line(12, y, width - 12, y, "axis strong"))
        body += [tag_circle(x_of(grid.at(i)), y, 4.5, kind) for i in range(n)]
    body.append(svg.text(12, 18, _say(a), "t", "start"))
    body.append(svg.text(12, 112, _say(b), "t", "start"))
    size = number(meeting.displacement)
    return Figure(
        f"Where the grids meet (axis {meeting.dim})",
        svg.svg(width, 120, body, f"two grids, up to {size} samples apart"),
        "The first samples of both tensors, placed on the model's input. Samples of the same index are merged "
        f"although they lie up to {size} samples apart.",
    )


def _say(grid: Grid) -> str:
    step = "every input sample" if grid.step == 1 else f"every {number(grid.step)} input samples"
    return f"{step}, the first at {number(grid.origin)}"


def meeting_figures(findings: list[Finding], meetings: tuple[Meeting, ...]) -> list[Figure]:
    """The drawings for findings that speak of a node where grids meet, one for each distinct disagreement."""
    nodes = {f.node for f in findings if f.node}
    seen: set[tuple[Fraction, Fraction, Fraction, Fraction]] = set()
    out: list[Figure] = []
    for m in meetings:
        a, b = m.grids
        key = (a.step, a.origin, b.step, b.origin)
        if m.node.name in nodes and key not in seen and m.displacement:
            seen.add(key)
            out.append(meeting_figure(m))
    return out[:3]
