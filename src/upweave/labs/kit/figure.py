"""Drawings whose parts know each other: point at one, and what belongs to it lights up in every panel.

A figure has panels; they stand side by side where there is room, below each other on a phone. A panel is a list of
marks in its own coordinates, drawn as SVG exactly as Python placed them. The *paths* of a mark say what belongs
together: a path is one product w·x that the layer makes, input cell → tap → output cell, and has a number. An input
cell is on all paths that leave it, a matrix entry on its one path. Two marks are linked where they share a path.

    one axis     on = [4, 7]             paths 4 and 7
    two axes     on = [[4, 7], [1]]      every path whose row part is 4 or 7 and whose column part is 1
                 on = [[4, 7], None]     … whatever its column part is
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import traitlets

from ..text import Text
from .paths import PathTable
from .widget import Widget, in_page, module

Paths: TypeAlias = Sequence[int] | Sequence[Sequence[int] | None]
Tip: TypeAlias = Text | str | None


class Panel:
    """One drawing of `width` × `height` units (pixels on a laptop), with a title and what it shows in words.

    A panel that `scrolls` keeps its size on a phone and is pushed sideways; others shrink.

    Args of every mark: `style` names classes of the style sheet (`widget.css`), `on` its paths, `name` how tests and
    other marks call it, `tip` what is said of it while the reader points at it, `value` in [−1, 1] how strong its fill
    is (blue above zero, orange below).
    """

    def __init__(
        self, title: Text, width: float, height: float, *, note: Text | None = None, scrolls: bool = False
    ) -> None:
        self.title, self.width, self.height, self.note, self.scrolls = title, width, height, note, scrolls
        self.marks: list[dict[str, Any]] = []

    def _add(self, kind: str, more: dict[str, Any], **place: Any) -> None:
        mark = {"m": kind, **{k: round(v, 2) if isinstance(v, float) else v for k, v in place.items()}}
        on, tip = more.pop("on", None), more.pop("tip", None)
        if on is not None and len(on):
            mark["on"] = [list(on)] if isinstance(on[0], int) else [a if a is None else list(a) for a in on]
        if tip is not None:
            mark["tip"] = tip.pair if isinstance(tip, Text) else tip
        value = more.pop("value", None)
        if value is not None:
            mark["v"] = round(float(value), 3)
        mark |= {k: v for k, v in more.items() if v}
        self.marks.append(mark)

    def rect(self, x: float, y: float, w: float, h: float, **more: Any) -> None:
        """A rectangle."""
        self._add("rect", more, x=x, y=y, w=w, h=h)

    def circle(self, x: float, y: float, r: float, **more: Any) -> None:
        """A circle around (x, y)."""
        self._add("circle", more, x=x, y=y, r=r)

    def line(self, x1: float, y1: float, x2: float, y2: float, **more: Any) -> None:
        """A straight line."""
        self._add("line", more, x1=x1, y1=y1, x2=x2, y2=y2)

    def path(self, points: Iterable[tuple[float, float]], **more: Any) -> None:
        """A line through `points`."""
        d = "M" + "L".join(f"{x:.2f},{y:.2f}" for x, y in points)
        self._add("path", more, d=d)

    def image(self, x: float, y: float, w: float, h: float, href: str, **more: Any) -> None:
        """A picture, its samples as squares; `href` holds it, as a data address."""
        self._add("image", more, x=x, y=y, w=w, h=h, href=href)

    def text(self, x: float, y: float, text: str | Text, *, anchor: str = "middle", **more: Any) -> None:
        """A line of text; `anchor` is start, middle or end."""
        self._add("text", more, x=x, y=y, s=text.pair if isinstance(text, Text) else text, a=anchor)

    def grid(
        self,
        x: float,
        y: float,
        cell: float,
        values: npt.NDArray[Any],
        rows: Sequence[Sequence[int]],
        columns: Sequence[Sequence[int]],
        name: str,
    ) -> None:
        """A picture of `values` (rows × columns), for many cells: `rows[r]` are the paths of row r, `columns[c]` of
        column c, and cell (r, c) is on every pair of them. Cells can be pointed at; they are called `name` + "r,c"."""
        mark = {"m": "grid", "x": x, "y": y, "cell": cell, "name": name, "values": _digits(values)}
        self.marks.append(mark | {"rows": [list(r) for r in rows], "columns": [list(c) for c in columns]})

    def product(
        self, x: float, y: float, cell: float, paths: Sequence[PathTable], kernel: npt.NDArray[Any], name: str
    ) -> None:
        """The matrix of a layer of two axes, outputs × inputs, row-major; entry (n, i) is one pair of `paths`."""
        mark = {"m": "product", "x": x, "y": y, "cell": cell, "name": name, "paths": [_table(t) for t in paths]}
        self.marks.append(mark | {"kernel": _digits(kernel)})

    def factor(
        self, x: float, y: float, cell: float, paths: PathTable, axis: int, layer: tuple[int, int, int], name: str
    ) -> None:
        """Which output of axis 0 or 1 reads which input, outputs × inputs; each entry is one path of that axis, with
        every path of the other. `layer` is (s, d, p), in which the entries say how their output is reached."""
        stride, dilation, before = layer
        mark = {"m": "factor", "x": x, "y": y, "cell": cell, "name": name, "paths": _table(paths), "axis": axis}
        self.marks.append(mark | {"stride": stride, "dilation": dilation, "before": before})

    def as_json(self) -> str:
        """The panel as the widget takes it: one text, which is sent and compared as it is."""
        out: dict[str, Any] = {"title": self.title.pair, "w": self.width, "h": self.height, "marks": self.marks}
        if self.scrolls:
            out["scrolls"] = True
        if self.note is not None:
            out["note"] = self.note.pair
        return json.dumps(out, ensure_ascii=False, separators=(",", ":"))


class FigureWidget(Widget):
    """The widget behind `figure`: panels to draw, or the reason why there are none."""

    _esm = module("figure.js")
    panels = traitlets.List().tag(sync=True)
    message = traitlets.List().tag(sync=True)
    _of: Any = None

    def show(self, *panels: Panel) -> None:
        """Draw these panels instead of what was there."""
        self._of = None
        with self.hold_sync():
            self.message = []
            self.panels = [p.as_json() for p in panels]

    def show_of(self, what: Any, draw: Callable[[], Iterable[Panel]]) -> None:
        """Draw the panels of `what`, a value that can be compared; nothing is made anew where that is there already.

        For a cell that runs with every move of a slider, but whose drawing depends on less.
        """
        if self._of is None or self._of != what:
            self.show(*draw())
            self._of = what

    def show_unless(self, problem: Text | None, draw: Callable[[], Iterable[Panel]]) -> None:
        """Draw these panels, or where there is a problem say what it is; then nothing is made."""
        if problem is None:
            self.show(*draw())
        else:
            self.refuse(problem)

    def refuse(self, why: Text) -> None:
        """Show no drawing but the reason why there is none."""
        self._of = None
        with self.hold_sync():
            self.panels = []
            self.message = why.pair


def figure(*panels: Panel) -> Any:
    """A figure as an element of the page. A cell that depends on controls calls its `show` with new panels."""
    widget = FigureWidget()
    widget.show(*panels)
    return in_page(widget)


def _table(paths: PathTable) -> dict[str, Any]:
    return {"inputs": paths.inputs, "outputs": paths.outputs, "taps": paths.taps, "shape": paths.shape}


def _digits(values: npt.NDArray[Any]) -> list[Any]:
    """The numbers as nested lists, short enough to be sent often: six significant digits."""
    numbers = np.asarray(values, dtype=np.float64)
    scale = float(np.abs(numbers).max(initial=0.0)) or 1.0
    rounded: list[Any] = np.round(numbers, max(0, 6 - int(np.ceil(np.log10(scale))))).tolist()
    return rounded
