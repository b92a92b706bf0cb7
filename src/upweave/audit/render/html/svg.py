"""Small helpers that write inline SVG: numbers rounded, text escaped, colours left to the style sheet's classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape


def num(value: Any) -> str:
    """A coordinate: two decimals at most."""
    text = f"{float(value):.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def tag(name: str, *children: Any, **attributes: Any) -> Markup:
    """One element; `class_` is class, underscores become hyphens, numbers are rounded, None is left out."""
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None:
            continue
        label = key.rstrip("_").replace("_", "-")
        shown = num(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
        parts.append(f' {label}="{escape(shown)}"')
    inner = "".join(str(escape(c)) for c in children)
    parts.append(f">{inner}</{name}>" if inner else "/>")
    return Markup("".join(parts))


def svg(width: float, height: float, children: Iterable[Any], label: str, *, class_: str = "") -> Markup:
    """A drawing that scales with its column up to `width`, with a text for those who cannot see it."""
    body = [tag("title", label), *children]
    return tag(
        "svg",
        *body,
        viewBox=f"0 0 {num(width)} {num(height)}",
        width=num(width),
        height=num(height),
        role="img",
        class_=class_ or None,
    )


def text(x: float, y: float, value: Any, class_: str = "", anchor: str = "middle") -> Markup:
    """A line of text; `anchor` is start, middle or end."""
    return tag("text", value, x=x, y=y, class_=class_ or None, text_anchor=None if anchor == "start" else anchor)


def rect(x: float, y: float, w: float, h: float, class_: str = "", **more: Any) -> Markup:
    """A rectangle."""
    return tag("rect", x=x, y=y, width=w, height=h, class_=class_ or None, **more)


def line(x1: float, y1: float, x2: float, y2: float, class_: str = "") -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_ or None)


def path(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """A polyline through the points."""
    d = "".join(f"{'L' if i else 'M'}{num(x)} {num(y)}" for i, (x, y) in enumerate(points))
    return tag("path", d=d, class_=class_)


STEPS = 8


def shade(value: float, top: float) -> int:
    """The class h0…h8 of a value between 0 and `top`: h0 is nothing at all."""
    if value <= 0 or top <= 0:
        return 0
    return max(1, round(STEPS * min(value / top, 1.0)))


def cells(grid: Any, size: float, x0: float, y0: float, top: float) -> list[Markup]:
    """A matrix of values as shaded squares: one path for each shade, equal neighbours in a row joined."""
    runs: dict[int, list[str]] = {}
    for r, row in enumerate(grid):
        start = 0
        shades = [shade(float(v), top) for v in row]
        for c in range(1, len(shades) + 1):
            if c == len(shades) or shades[c] != shades[start]:
                w = (c - start) * size
                runs.setdefault(shades[start], []).append(
                    f"M{num(x0 + start * size)} {num(y0 + r * size)}h{num(w)}v{num(size)}h{num(-w)}z"
                )
                start = c
    return [tag("path", d="".join(d), class_=f"h{level}") for level, d in sorted(runs.items())]


def cell_lines(rows: int, columns: int, size: float, x0: float, y0: float, class_: str = "grid") -> Markup:
    """The lines between the squares of `cells`."""
    d = "".join(f"M{num(x0 + c * size)} {num(y0)}v{num(rows * size)}" for c in range(columns + 1))
    d += "".join(f"M{num(x0)} {num(y0 + r * size)}h{num(columns * size)}" for r in range(rows + 1))
    return tag("path", d=d, class_=class_)
