"""Short English for layers, sizes, evidence and counts, shared by the text and the HTML renderer."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..plain import plain
from .json import counts

if TYPE_CHECKING:
    from ..finding import Finding
    from ..layer import Layer
    from ..report import Report

_IDLE = {"padding": 0, "output_padding": 0, "dilation": 1, "groups": 1, "stride": 1}
_HIDDEN = frozenset({"type", "in_channels", "out_channels", "cubic_a", "implicit", "dims", "out_size", "nearest"})


def number(value: float | Fraction, digits: int = 4) -> str:
    """A number as people write it: 3, ½, −1½, 0.3333."""
    exact = Fraction(value).limit_denominator(64) if not isinstance(value, Fraction) else value
    sign = "−" if exact < 0 else ""
    whole, part = divmod(abs(exact), 1)
    if part == 0 and float(exact) == float(value):
        return f"{sign}{whole}"
    glyph = {Fraction(1, 2): "½", Fraction(1, 4): "¼", Fraction(3, 4): "¾"}.get(part)
    if glyph and float(exact) == float(value):
        return f"{sign}{whole or ''}{glyph}"
    return f"{float(value):.{digits}g}".replace("-", "−")


def times(values: Any) -> str:
    """Numbers joined by ×, equal ones written once; (begin, end) pairs as 1/2: 3, 3×5, 1/2."""
    if isinstance(values, (list, tuple)):
        shown = [_pair(v) for v in values]
        return shown[0] if shown and len(set(shown)) == 1 else "×".join(shown)
    if isinstance(values, (int, float, Fraction)) and not isinstance(values, bool):
        return number(values)
    return str(values)


def _pair(value: Any) -> str:
    """One entry of `times`: a number, or a pair."""
    if not isinstance(value, (list, tuple)):
        return times(value)
    shown = [times(v) for v in value]
    return shown[0] if len(set(shown)) == 1 else "/".join(shown)


def extents(shape: Iterable[int]) -> str:
    """ "1×3×64×64"."""
    return "×".join(map(str, shape))


def big(n: int) -> str:
    """A large count in three digits: 1.23 G."""
    for power, unit in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if n >= 10**power:
            return f"{n / 10**power:.3g} {unit}"
    return str(n)


def describe(layer: Layer) -> str:
    """The layer in a few words: "ConvTranspose kernel 3, stride 2, padding 1"."""
    numbers: dict[str, Any] = dict(layer.details)
    words = []
    for name, value in numbers.items():
        value = plain(value)
        flat = value
        while isinstance(flat, list) and flat and all(v == flat[0] for v in flat):
            flat = flat[0]
        if name in _HIDDEN or value is None or value is False or (name in _IDLE and flat == _IDLE[name]):
            continue
        if isinstance(value, dict):
            continue
        label = name.replace("_", " ")
        words.append(label if value is True else f"{label} {times(value)}")
    return f"{layer.op} {', '.join(words)}".strip()


def sizes(layer: Layer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The extents of the resampled axes, before and after."""
    r = layer.resampler
    return tuple(g.extent for g in r.before), tuple(g.extent for g in r.after)


def shape_words(layer: Layer) -> str:
    """ "64×64 → 128×128", over the resampled axes, or the whole shapes where no grid is known."""
    before, after = sizes(layer)
    if not before or not after:
        before, after = layer.in_shape, layer.out_shape
    return f"{extents(before)} → {extents(after)}"


def evidence_line(finding: Finding, limit: int = 110) -> str:
    """The evidence in one short line: "coverage 2, 1 · variance ¼"; long values are left out."""
    words = []
    for name, value in finding.evidence.items():
        text = value_words(plain(value))
        if text is None or len(text) > 48:
            continue
        words.append(f"{name.replace('_', ' ')} {text}")
    line = ""
    for word in words:
        if line and len(line) + len(word) + 3 > limit:
            break
        line = f"{line} · {word}" if line else word
    return line


def value_words(value: Any) -> str | None:
    """A plain JSON value in a line, or None if it is nested too deep to be read in one."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if any(isinstance(v, dict) for v in value):
            return None
        if value and all(isinstance(v, list) for v in value):
            inner = [value_words(v) for v in value]
            if any(v is None for v in inner) or any(isinstance(w, list) for v in value for w in v):
                return None
            return " | ".join(v or "" for v in inner)
        return ", ".join(value_words(v) or "" for v in value)
    return None


def grouped(report: Report) -> list[tuple[str, Layer | None, list[Finding]]]:
    """The findings by layer path: the whole model first, then in graph order, then paths that are no resampler."""
    by_path: dict[str, list[Finding]] = {}
    for f in report.findings:
        by_path.setdefault(f.layer, []).append(f)
    layers: dict[str, Layer] = {}
    for x in report.layers:
        layers.setdefault(x.path, x)
    known = [p for p in layers if p in by_path]
    order = [*([""] if "" in by_path else []), *known, *(p for p in by_path if p and p not in layers)]
    return [(p, layers.get(p) if p else None, by_path[p]) for p in order]


def plural(n: int, word: str) -> str:
    """ "1 note", "2 notes"."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def summary(report: Report) -> str:
    """The last line: "Found 3 findings (2 warnings, 1 note) in 14 layers." """
    scope = plural(len(report.layers), "resampling layer")
    quiet = f" {plural(len(report.silenced), 'finding')} silenced." if report.silenced else ""
    if not report.findings:
        return f"No findings in {scope}.{quiet}"
    levels = ", ".join(plural(n, level) for level, n in counts(report).items() if n)
    return f"Found {plural(len(report.findings), 'finding')} ({levels}) in {scope}.{quiet}"
