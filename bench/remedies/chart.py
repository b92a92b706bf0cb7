"""Patterns before and after training as a picture: a panel for each task, a row for each remedy. One SVG file.

    remedy   │    ●━━━━━━━━━━━━━━━━━━━━━○      −7.0    −55.2
             −60       −40       −20       0 dB
                                              start   trained

The hollow circle is the mean at the start, the full one that after training, the thick line the range of its seeds.
"""

from __future__ import annotations

from html import escape

from ..chart import STYLE, WIDTH
from . import phrase
from .claim import GONE, PATTERN_END, PATTERN_START
from .measure import FLOOR
from .paired import of
from .remedy import REMEDIES
from .study import TASKS, Study

LEFT, RIGHT, ROW, TOP = 150, WIDTH - 190, 22, 92
TITLE = "Pattern of the stride in the output, before and after training"

MORE = """
  .range { stroke: #0f8a7e; stroke-width: 6; stroke-opacity: .35; stroke-linecap: round } .path { stroke: #9aa7b4 }
  .start { fill: #ffffff; stroke: #5f6c7b; stroke-width: 1.5 } .end { fill: #0f8a7e } .worse { fill: #c2541b }
  @media (prefers-color-scheme: dark) {
    .range { stroke: #2fb8a8 } .start { fill: #161b22; stroke: #9aa7b4 } .end { fill: #2fb8a8 } .worse { fill: #ee8a52 }
  }
"""


def svg(study: Study) -> str:
    """The chart; `ValueError` for a study without cells."""
    panels = [(t, [r for r in REMEDIES if study.of(t, r)]) for t in TASKS]
    panels = [(t, rows) for t, rows in panels if rows]
    if not panels:
        raise ValueError("no cells to draw")
    height = TOP + sum(ROW * (len(rows) + 1) + 10 for _, rows in panels) + 16
    parts = _frame(height)
    y = TOP
    for task, rows in panels:
        parts.append(_text(16, y + 15, task[0].upper() + task[1:], "head dim"))
        y += ROW
        for remedy in rows:
            parts += _row(study, task, remedy, y)
            y += ROW
        y += 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-labelledby="t">\n<title id="t">{escape(TITLE)}</title>\n<style>{STYLE}{MORE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _frame(height: int) -> list[str]:
    floor = phrase.number(FLOOR, 0)
    parts = [
        f'<rect class="bg" width="{WIDTH}" height="{height}" rx="6"/>',
        _text(16, 28, TITLE, "title ink"),
        _text(16, 47, f"dB below the variance, mean over pictures and seeds; {floor} dB and less at the left", "dim"),
        f'<circle class="start" cx="{LEFT + 5}" cy="63" r="4.5"/>',
        _text(LEFT + 16, 67, "at the start", "ink"),
        f'<circle class="end" cx="{LEFT + 105}" cy="63" r="4.5"/>',
        _text(LEFT + 116, 67, "trained, with the range of its seeds", "ink"),
        f'<circle class="worse" cx="{LEFT + 345}" cy="63" r="4.5"/>',
        _text(LEFT + 356, 67, f"not below {phrase.number(GONE, 0)} dB", "ink"),
        _text(WIDTH - 100, 67, "start", "num dim"),
        _text(WIDTH - 16, 67, "trained", "num dim"),
    ]
    for db in range(int(FLOOR), 1, 10):
        kind = "one" if db == GONE else "grid"
        parts.append(f'<line class="{kind}" x1="{_at(db):.1f}" x2="{_at(db):.1f}" y1="{TOP}" y2="{height - 16}"/>')
        parts.append(_text(_at(db), TOP - 6, phrase.number(db, 0), "tick dim"))
    return parts


def _row(study: Study, task: str, remedy: str, y: int) -> list[str]:
    start, end = (of(study, task, remedy, v) for v in (PATTERN_START, PATTERN_END))
    values = [PATTERN_END(c) for c in study.of(task, remedy).values()]
    middle = y + 11
    told = f"{task}, {remedy}: {phrase.level(start)} dB at the start, {phrase.level(end)} dB trained"
    line = f'x1="{_at(start.mean):.1f}" x2="{_at(end.mean):.1f}" y1="{middle}" y2="{middle}"'
    span = f'x1="{_at(min(values)):.1f}" x2="{_at(max(values)):.1f}" y1="{middle}" y2="{middle}"'
    return [
        "<g>",
        f"<title>{escape(told)}</title>",
        _text(LEFT - 12, y + 15, remedy, "ink num"),
        f'<line class="path" {line}/>',
        f'<line class="range" {span}/>',
        f'<circle class="start" cx="{_at(start.mean):.1f}" cy="{middle}" r="4.5"/>',
        f'<circle class="{"end" if end.mean < GONE else "worse"}" cx="{_at(end.mean):.1f}" cy="{middle}" r="4.5"/>',
        _text(WIDTH - 100, y + 15, phrase.level(start), "num dim"),
        _text(WIDTH - 16, y + 15, phrase.level(end), f"num {'ink' if end.mean < GONE else 'worse'}"),
        "</g>",
    ]


def _at(db: float) -> float:
    return LEFT + (RIGHT - LEFT) * (db - FLOOR) / -FLOOR


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
