"""A run as a picture: for every row how many times faster than PyTorch Upweave is, and the best peer. One SVG file.

    label   │      ┃▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇   ◆            3.2×   0.9×
            ½×     1×          2×          4×           torch  best peer

The axis is logarithmic: twice as fast and half as fast are equally long. A diamond beyond its bar is a peer that is
faster than Upweave.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from . import words
from .results import Run
from .summary import Comparison, compare, summarise

WIDTH, LABEL, NUMBERS, SECOND, ROW, TOP = 880, 196, 156, 82, 22, 92
FAMILIES = {
    "gan": "Generators",
    "seg": "Segmentation",
    "sr": "Super-resolution",
    "codec": "Image codecs",
    "med3d": "Medical and 3-D",
    "audio": "Audio",
    "istft": "Inverse STFT",
    "pose": "Pose",
    "det": "Detection",
    "misc": "Other",
}

STYLE = """
  .bg { fill: #ffffff } .ink { fill: #1f2933 } .dim { fill: #5f6c7b } .grid { stroke: #e2e8ee } .one { stroke: #7b8794 }
  .bar { fill: #0f8a7e } .loss { fill: #c2541b } .peer { fill: #ffffff; stroke: #3e4c59 }
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif } .title { font-size: 16px; font-weight: 600 }
  .head { font-weight: 600 } .num { font-variant-numeric: tabular-nums; text-anchor: end } .tick { text-anchor: middle }
  @media (prefers-color-scheme: dark) {
    .bg { fill: #161b22 } .ink { fill: #e6edf3 } .dim { fill: #9aa7b4 }
    .grid { stroke: #2a323c } .one { stroke: #8b98a5 }
    .bar { fill: #2fb8a8 } .loss { fill: #ee8a52 } .peer { fill: #161b22; stroke: #d0d9e2 }
  }
"""


def svg(run: Run, title: str, subtitle: str) -> str:
    """The chart of a run's rows against `torch`; `ValueError` if no row has times of both Upweave and torch."""
    shown = [c for c in compare(run) if c.ratio(c.torch) is not None]
    if not shown:
        raise ValueError(f"{run.mode}: no row on which both Upweave and torch were timed")
    groups = _groups(shown)
    axis = _Axis(shown)
    height = TOP + sum(ROW * (len(rows) + 1) + 6 for _, rows in groups) + 44
    parts = _frame(title, subtitle, run.ours or "", axis, height)
    y = TOP
    for family, rows in groups:
        parts.append(_text(16, y + 15, FAMILIES.get(family, family), "head dim"))
        y += ROW
        for c in rows:
            parts += _row(c, y, axis)
            y += ROW
        y += 6
    total = summarise(shown)
    parts.append(_text(16, y + 22, f"Geometric mean of {len(shown)} rows", "head ink"))
    parts += _numbers(y + 22, total.torch, total.any, "head ")
    described = f"{title}: geometric mean {words.times(total.torch)} over {len(shown)} rows."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-labelledby="t d">\n<title id="t">{escape(title)}</title>\n<desc id="d">{escape(described)}'
        f"</desc>\n<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


class _Axis:
    """Ratios to x: from the next power of two below the least to the next above the largest, ½ and 2 at least."""

    def __init__(self, rows: Sequence[Comparison]) -> None:
        logs = [math.log2(v) for c in rows for v in (c.ratio(c.torch), _peer(c)) if v is not None]
        self.low, self.high = math.floor(min(-1.0, *logs)), math.ceil(max(1.0, *logs))
        self.left, self.right = LABEL, WIDTH - NUMBERS - 16

    def at(self, ratio: float) -> float:
        return self.left + (self.right - self.left) * (math.log2(ratio) - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        return [
            (self.at(2.0**n), f"{2**n}×" if n >= 0 else f"1/{2**-n}×") for n in range(self.low, self.high + 1)
        ]  # fmt: skip


def _peer(c: Comparison) -> float | None:
    """How many times faster than torch the best peer is."""
    ours, best = c.ratio(c.torch), c.ratio(c.any)
    return None if ours is None or best is None else ours / best


def _groups(rows: Sequence[Comparison]) -> list[tuple[str, list[Comparison]]]:
    """Rows by family, families in the order of `FAMILIES`, others after them."""
    found: dict[str, list[Comparison]] = {family: [] for family in FAMILIES}
    for c in rows:
        found.setdefault(c.row.family, []).append(c)
    return [(family, members) for family, members in found.items() if members]


def _frame(title: str, subtitle: str, ours: str, axis: _Axis, height: int) -> list[str]:
    parts = [
        f'<rect class="bg" width="{WIDTH}" height="{height}" rx="6"/>',
        _text(16, 28, title, "title ink"),
        _text(16, 47, subtitle, "dim"),
        _diamond(axis.left + 5, 63),
        _text(axis.left + 16, 67, "best peer, any layout", "ink"),
        f'<rect class="loss" x="{axis.left + 156}" y="58" width="14" height="10" rx="2"/>',
        _text(axis.left + 176, 67, "slower than PyTorch", "ink"),
        f'<rect class="bar" x="{axis.left + 312}" y="58" width="14" height="10" rx="2"/>',
        _text(axis.left + 332, 67, ours, "ink"),
        _text(WIDTH - 16 - SECOND, 67, "× PyTorch", "num dim"),
        _text(WIDTH - 16, 67, "× best peer", "num dim"),
    ]
    for x, label in axis.ticks():
        kind = "one" if label == "1×" else "grid"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - 42}"/>')
        parts.append(_text(x, TOP - 6, label, "tick dim"))
    return parts


def _row(c: Comparison, y: float, axis: _Axis) -> list[str]:
    ratio, best = c.ratio(c.torch), _peer(c)
    assert ratio is not None
    start, end = sorted((axis.at(1.0), axis.at(ratio)))
    fastest = f", best peer {c.any.name} {words.ms(c.any.median_ms)} ms" if c.any else ""
    ours = words.spread(c.ours) if c.ours else ""
    told = f"{c.row.name}: {ours} ms, torch {words.ms(c.torch.median_ms if c.torch else None)} ms{fastest}"
    parts = [
        "<g>",
        f"<title>{escape(told)}</title>",
        _text(LABEL - 10, y + 15, c.row.name, "ink num"),
        f'<rect class="{"bar" if ratio >= 1 else "loss"}" x="{start:.1f}" y="{y + 4}" '
        f'width="{max(end - start, 1.0):.1f}" height="14" rx="2"/>',
        *_numbers(y + 15, ratio, c.ratio(c.any), ""),
    ]
    if best is not None:
        parts.append(_diamond(axis.at(best), y + 11))
    return [*parts, "</g>"]


def _numbers(y: float, torch: float | None, best: float | None, kind: str) -> list[str]:
    return [
        _text(WIDTH - 16 - SECOND, y, words.times(torch), f"num {kind}ink"),
        _text(WIDTH - 16, y, words.times(best), f"num {kind}{'ink' if best is None or best >= 1 else 'loss'}"),
    ]


def _diamond(x: float, y: float) -> str:
    return f'<path class="peer" stroke-width="1.5" d="M{x:.1f} {y - 5:.1f}l5 5-5 5-5-5z"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
