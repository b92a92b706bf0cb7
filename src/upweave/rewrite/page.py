"""What a report of a rewrite shows, whether of a file or of a module: one set of data, rendered as text or HTML."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ..errors import UpweaveError
from .certify import Certificate
from .cost import Price

SUFFIXES = {".html": "html", ".htm": "html", ".json": "json", ".txt": "text"}
"""File suffix: format."""

MOST = 50
"""Layers that a notebook's cell shows."""


@dataclass(frozen=True)
class Row:
    """One quantity of the whole model: its name, before, after, and how many times less, as they are shown."""

    name: str
    before: str
    after: str
    ratio: str


@dataclass(frozen=True)
class Entry:
    """One layer that was rewritten or left alone.

    Attributes:
        path: the layer, as the user knows it.
        identity: the rewrite.
        reason: what was done, or why nothing was.
        safety: "safe", or "unsafe" where outputs change.
        facts: its numbers, (name, text).
        effects: what a repair that changes outputs changed, (name, text).
    """

    path: str
    identity: str
    reason: str
    safety: str = "safe"
    facts: tuple[tuple[str, str], ...] = ()
    effects: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Page:
    """Attributes:
    title: the model.
    kind: what was done to it, in a few words.
    headline: what came of it.
    rows: the whole model before and after; empty where nothing was applied.
    remark: what upsampling was of the time: the ceiling of what any of this can gain.
    applied, refused: layer by layer.
    certificate: that the outputs stayed the same.
    notes, warnings: what else the reader should know.
    """

    title: str
    kind: str
    headline: str
    rows: tuple[Row, ...]
    remark: str
    applied: tuple[Entry, ...]
    refused: tuple[Entry, ...]
    certificate: Certificate | None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Shown(ABC):
    """The ways in which a report is shown, for those that say what is on their `page`."""

    @abstractmethod
    def page(self) -> Page:
        """What the report shows."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""

    def to_html(self) -> str:
        """The report as one HTML file: no network, no script."""
        from .html import to_html

        return to_html(self)

    def to_json(self, indent: int | None = 2) -> str:
        """The report as JSON text."""
        return json.dumps(self.as_json(), indent=indent, ensure_ascii=False) + "\n"

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write the report in the format of the suffix: .html, .json or .txt; all of it or nothing.

        Raises `UpweaveError` for another suffix, a missing folder, and for an existing file unless `force`.
        """
        from ..audit.render.files import check_destination, write_text

        suffix = Path(path).suffix.lower()
        if suffix not in SUFFIXES:
            raise UpweaveError(
                f"no format belongs to the suffix of '{os.fspath(path)}'; known are {', '.join(SUFFIXES)}"
            )
        target = check_destination(path, force=force)
        make = {"html": self.to_html, "json": self.to_json, "text": self.__str__}[SUFFIXES[suffix]]
        write_text(target, make())
        return target

    def __str__(self) -> str:
        return to_text(self.page())

    def _repr_html_(self) -> str:
        return to_notebook(self.page())


def to_text(page: Page) -> str:
    """The page as plain text: a table of before and after, the rewrites, the refusals, the certificate."""
    lines = [f"{page.title}: {page.headline}"]
    if page.rows:
        lines += ["", *_table(page)]
    if page.applied:
        lines += ["", "applied"]
        for e in page.applied:
            lines.append(f"  {e.path}: {e.identity}{'' if e.safety == 'safe' else ' (unsafe)'}, {e.reason}")
            lines += [f"      {name}: {value}" for name, value in e.effects]
    if page.refused:
        lines += ["", "left alone"]
        lines += [f"  {e.path}: {e.identity}: {e.reason}" for e in page.refused]
    lines += [""] if page.certificate or page.notes or page.warnings else []
    if page.certificate is not None:
        lines.append(f"certificate: {page.certificate}")
    lines += [f"note: {n}" for n in page.notes]
    lines += [f"warning: {w}" for w in page.warnings]
    return "\n".join(lines) + "\n"


def _table(page: Page) -> list[str]:
    cells = [("", "before", "after", "ratio"), *((r.name, r.before, r.after, r.ratio) for r in page.rows)]
    widths = [max(len(r[k]) for r in cells) for k in range(4)]
    lines = [
        "  " + "  ".join([r[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(r[1:], widths[1:], strict=True))])
        for r in cells
    ]
    return [line.rstrip() for line in lines] + ([f"  {page.remark}"] if page.remark else [])


_CELL = "text-align:left;vertical-align:top;padding:4px 12px 4px 0"


def to_notebook(page: Page) -> str:
    """The page in a notebook's output cell: two tables, styled by attributes alone, everything escaped."""

    def table(rows: list[tuple[str, ...]]) -> str:
        cells = ("".join(f'<td style="{_CELL}">{escape(c)}</td>' for c in row) for row in rows)
        return f'<table style="border-collapse:collapse">{"".join(f"<tr>{c}</tr>" for c in cells)}</table>'

    parts = [f"<p><b>{escape(page.title)}</b> · {escape(page.headline)}</p>"]
    if page.rows:
        parts.append(
            table([("", "before", "after", "ratio"), *((r.name, r.before, r.after, r.ratio) for r in page.rows)])
        )
    entries = [("applied", e) for e in page.applied] + [("left alone", e) for e in page.refused]
    if entries:
        parts.append(table([(what, e.path, e.identity, e.reason) for what, e in entries[:MOST]]))
    if len(entries) > MOST:
        parts.append(f"<p>… and {len(entries) - MOST} more</p>")
    if page.certificate is not None:
        parts.append(f"<p>certificate: {escape(str(page.certificate))}</p>")
    parts += [f"<p>{escape(text)}</p>" for text in (*page.warnings, *page.notes)]
    return f"<div>{''.join(parts)}</div>"


def row(name: str, say: Callable[[float], str], before: float, after: float) -> Row:
    """One quantity, said by `say`."""
    return Row(name, say(before), say(after), f"{before / after:.2f}×" if after else "")


def price_rows(before: Price, after: Price) -> tuple[Row, ...]:
    """What is counted of a whole model."""
    return (
        row("multiplications", count, before.multiplies, after.multiplies),
        row("memory traffic", size, before.bytes, after.bytes),
        row("weights", size, before.weights, after.weights),
    )


def price_facts(before: Price, after: Price, time: str) -> tuple[tuple[str, str], ...]:
    """What is counted of one layer; `time` says what kind of time it is, and is left out where there is none."""
    found = [
        ("multiplications", f"{count(before.multiplies)} → {count(after.multiplies)}"),
        ("memory traffic", f"{size(before.bytes)} → {size(after.bytes)}"),
        ("weights", f"{size(before.weights)} → {size(after.weights)}"),
    ]
    if before.seconds:
        found.append((time, f"{seconds(before.seconds)} → {seconds(after.seconds)}"))
    return tuple(found)


def count(n: float) -> str:
    """A count with a unit: "1.2 G"."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= limit:
            return f"{n / limit:.3g} {unit}"
    return f"{n:.0f}"


def size(n: float) -> str:
    """Bytes with a unit: "1.2 MB"."""
    text = count(n)
    return f"{text}B" if text[-1].isalpha() else f"{text} B"


def seconds(t: float) -> str:
    """A time with a unit: "12.3 ms"."""
    if t >= 1:
        return f"{t:.3g} s"
    return f"{t * 1e3:.3g} ms" if t >= 1e-3 else f"{t * 1e6:.3g} µs"


def effect(value: Any) -> str:
    """A number, or a pair of them, before and after."""
    if isinstance(value, (list, tuple)):
        return " → ".join(f"{v:.3g}" for v in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def price_json(p: Price) -> dict[str, Any]:
    """Plain JSON values."""
    return {"seconds": p.seconds, "multiplies": p.multiplies, "bytes": p.bytes, "weights": p.weights}
