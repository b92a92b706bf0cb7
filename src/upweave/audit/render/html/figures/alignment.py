"""Where a layer puts its input: input cells over output samples, against the half-pixel ideal."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from markupsafe import Markup

from ...words import number
from .. import svg
from . import Figure

WORDS = {
    "centred": "centred",
    "phase-0": "phase-0: right behind an encoder of the same stride, off on its own",
    "corner": "corners aligned",
    "causal": "causal",
}


def alignment_figure(stride: Fraction, offset: Fraction, kind: str, axis: str = "") -> Figure:
    """Input n sits at output index `stride`·n + `offset`; the ideal offset is (stride − 1)/2."""
    shift = offset - (stride - 1) / 2
    cells = 3 if stride <= 4 else 2
    span = ceil(stride * cells) + 2
    left = -1 - max(0, ceil(-min(shift, Fraction(0))))
    right = span - 1 + max(0, ceil(max(shift, Fraction(0))))
    width = 320.0
    unit = (width - 8) / (right - left)

    def x_of(position: Fraction | float) -> float:
        return 4 + (float(position) - left) * unit

    body: list[Markup] = []
    for n in range(cells):
        ideal = stride * n + (stride - 1) / 2
        actual = stride * n + offset
        half = stride / 2
        body.append(svg.rect(x_of(ideal - half) + 1, 22, float(stride) * unit - 2, 26, "ghost", rx=3))
        body.append(svg.rect(x_of(actual - half) + 1, 60, float(stride) * unit - 2, 26, "cell", rx=3))
        body.append(svg.text(x_of(ideal), 39, f"input {n}", "t"))
        body.append(svg.text(x_of(actual), 77, f"input {n}", "t on-cell"))
        body.append(svg.line(x_of(actual), 86, x_of(actual), 98, "drop"))
        if shift and n == 0:
            body.append(svg.line(x_of(ideal), 48, x_of(actual), 60, "arrow"))
    body.append(svg.text(4, 14, "dashed: the half-pixel ideal", "t", "start"))
    if shift:
        body.append(svg.text(width - 4, 14, f"shift {number(shift)}", "t image-t", "end"))
    dots = range(ceil(left), right + 1)
    for m in dots:
        inside = 0 <= m < stride * cells
        body.append(tag_circle(x_of(m), 104, min(4.5, unit * 0.32), "dot" if inside else "dot out"))
        if unit >= 16 and inside:
            body.append(svg.text(x_of(m), 124, m, "t"))
    body.append(svg.text(width / 2, 142, "output samples", "t"))
    size = "0" if not shift else f"{number(shift)} output sample{'' if abs(shift) <= 1 else 's'}"
    side = (
        "right on the ideal grid"
        if not shift
        else f"{number(abs(shift))} samples {'before' if shift < 0 else 'behind'} it"
    )
    said = WORDS.get(kind, kind)
    where = f" ({axis})" if axis else ""
    return Figure(
        f"Alignment{where}",
        svg.svg(width, 148, body, f"alignment {kind}, shift {size}"),
        "Dashed cells are where the inputs belong on a half-pixel grid, filled cells where the layer puts their "
        f"centres: {side}. Class: {said}.",
    )


def tag_circle(x: float, y: float, r: float, class_: str) -> Markup:
    """A dot."""
    return svg.tag("circle", cx=x, cy=y, r=r, class_=class_)
