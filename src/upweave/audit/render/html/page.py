"""What the template shows: one `Model` for each report, in plain strings and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from ...finding import Finding, Level
from ...layer import Layer
from ...plain import plain
from ...report import Report
from ..json import counts
from ..words import big, describe, extents, plural, shape_words, summary, times, value_words
from .figures import Figure
from .figures.meeting import meeting_figures
from .pictures import pictures
from .strip import Station, stations

SOUND_SHOWN = 6
"""How many kinds of sound upsamplers get pictures."""


@dataclass(frozen=True)
class Said:
    """A finding, with the layers it is said of in the same words."""

    finding: Finding
    layers: tuple[str, ...]
    evidence: tuple[tuple[str, str], ...]


@dataclass
class Section:
    """Layers that are the same (hyper-parameters, grids, findings): one set of pictures for all of them."""

    anchor: str
    layers: list[Layer]
    paths: tuple[tuple[str, str], ...]
    title: str
    more: int = 0
    what: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    level: str = ""
    said: tuple[Said, ...] = ()
    figures: list[Figure] = field(default_factory=list)
    same: tuple[tuple[str, str, str], ...] = ()
    """(title of a figure, anchor and title of the section that shows it already)."""


@dataclass(frozen=True)
class Row:
    """A line of the table of all layers."""

    path: str
    what: str
    size: str
    coverage: str
    alignment: str
    multiplies: str
    codes: tuple[str, ...]
    level: str
    anchor: str


@dataclass(frozen=True)
class Model:
    """One report, ready to be shown."""

    id: str
    target: str
    framework: str
    summary: str
    verdict: str
    level: str
    counts: tuple[tuple[str, int], ...]
    facts: tuple[tuple[str, str], ...]
    start: str
    start_icon: Markup
    stations: list[Station]
    whole: tuple[Said, ...]
    sections: tuple[Section, ...]
    sound: tuple[Section, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    silenced: tuple[Finding, ...]


def model_of(report: Report, id_: str) -> Model:
    """The view of one report; `id_` keeps its anchors apart from those of others in the same file."""
    sections, sound = _sections(report, id_)
    levels: dict[int, str] = {}
    anchors: dict[int, str] = {}
    position = {id(x): i for i, x in enumerate(report.layers)}
    for section in (*sections, *sound):
        for layer in section.layers:
            anchors[position[id(layer)]] = section.anchor
            if section.level:
                levels[position[id(layer)]] = section.level
    start, icon, path = stations(report, levels, anchors)
    worst = max((f.level for f in report.findings), default=None)
    return Model(
        id=id_,
        target=report.target or "model",
        framework={"torch": "PyTorch", "onnx": "ONNX"}.get(report.grids.graph.framework, report.grids.graph.framework),
        summary=summary(report),
        verdict=_verdict(report),
        level=str(worst) if worst is not None else "clean",
        counts=tuple((level, n) for level, n in counts(report).items() if n),
        facts=_facts(report),
        start=start,
        start_icon=icon,
        stations=path,
        whole=_said([f for f in report.findings if not f.layer]),
        sections=tuple(sections),
        sound=tuple(sound),
        rows=tuple(_row(i, x, report, levels, anchors) for i, x in enumerate(report.layers)),
        notes=report.notes,
        silenced=report.silenced,
    )


def _verdict(report: Report) -> str:
    if not report.layers:
        return "No layer of this model changes the resolution."
    if not report.findings:
        return "Clean: no layer makes checkerboards, leaves gaps, shifts the picture or breaks on sizes."
    names: dict[str, int] = {}
    for f in sorted(report.findings, key=lambda f: (-f.level, f.code)):
        names[f.name] = names.get(f.name, 0) + 1
    listed = ", ".join(f"{name} ×{n}" if n > 1 else name for name, n in names.items())
    worst = max(f.level for f in report.findings)
    start = "Worth knowing" if worst is Level.NOTE else "Needs attention"
    return f"{start}: {listed}."


def _facts(report: Report) -> tuple[tuple[str, str], ...]:
    graph = report.grids.graph

    def shown(names: tuple[str, ...]) -> str:
        some = [f"{n} {extents(graph.shapes.get(n, ()))}" for n in names[:4]]
        return ", ".join(some) + (f" and {len(names) - 4} more" if len(names) > 4 else "")

    ups = [x for x in report.layers if x.resampler.is_upsampler]
    return (
        ("Input", shown(graph.inputs)),
        ("Output", shown(graph.outputs)),
        ("Upsamplers", f"{len(ups)} of {plural(len(report.layers), 'resampling layer')}"),
        ("Their multiplies", big(sum(x.multiplies for x in ups))),
        ("Operations", f"{len(graph.nodes):,}".replace(",", " ")),
    )


def _key(layer: Layer, codes: tuple[str, ...]) -> tuple[Any, ...]:
    details = {k: v for k, v in layer.details.items() if k not in ("in_channels", "out_channels", "out_size")}
    pattern = tuple((g.pattern, len(g.uneven) > 1) for g in layer.resampler.after)
    steps = tuple(b.step / a.step for b, a in zip(layer.resampler.before, layer.resampler.after, strict=True))
    return (layer.op, repr(layer.spec or details), repr(layer.alignment), codes, pattern, steps, layer.resampler.crops)


def _sections(report: Report, id_: str) -> tuple[list[Section], list[Section]]:
    """Sections with findings, in graph order, and those of sound upsamplers."""
    by_path: dict[str, list[Finding]] = {}
    for f in report.findings:
        if f.layer:
            by_path.setdefault(f.layer, []).append(f)
    groups: dict[tuple[Any, ...], list[Layer]] = {}
    sound: dict[tuple[Any, ...], list[Layer]] = {}
    for x in report.layers:
        codes = tuple(sorted({f.code for f in by_path.get(x.path, ())}))
        if codes:
            groups.setdefault(_key(x, codes), []).append(x)
        elif x.resampler.is_upsampler:
            sound.setdefault(_key(x, ()), []).append(x)
    out: list[Section] = []
    for layers in groups.values():
        findings = [f for p in dict.fromkeys(x.path for x in layers) for f in by_path[p]]
        out.append(_section(layers, findings, report, f"{id_}-s{len(out)}"))
    known = {x.path for x in report.layers}
    for path, findings in by_path.items():
        if path not in known:
            section = Section(f"{id_}-s{len(out)}", [], ((path, findings[0].where or ""),), path)
            section.level, section.said = _worst(findings), _said(findings)
            section.figures = meeting_figures(findings, report.grids.meetings)
            out.append(section)
    out.sort(key=lambda s: -Level.parse(s.level))
    shown: dict[tuple[str, str], Section] = {}
    for section in out:
        _share(section, shown)
    quiet = [_section(layers, [], report, f"{id_}-q{i}") for i, layers in enumerate(list(sound.values())[:SOUND_SHOWN])]
    for section in quiet:
        _share(section, shown)
    return out, quiet


def _share(section: Section, shown: dict[tuple[str, str], Section]) -> None:
    """Leave out the figures that an earlier section shows already, and say where."""
    keys = [(f.title, str(f.drawing)) for f in section.figures]
    section.same = tuple((k[0], shown[k].anchor, shown[k].title) for k in keys if k in shown)
    section.figures = [f for f, k in zip(section.figures, keys, strict=True) if k not in shown]
    for k in keys:
        shown.setdefault(k, section)


def _section(layers: list[Layer], findings: list[Finding], report: Report, anchor: str) -> Section:
    first = layers[0]
    paths = tuple(dict.fromkeys((x.path, x.where or "") for x in layers))
    more = len(paths) - 1
    codes = frozenset(f.code for f in findings)
    figures = meeting_figures(findings, report.grids.meetings) + pictures(first, codes)
    shapes = tuple(dict.fromkeys(shape_words(x) for x in layers))
    facts = [
        ("Size", ", ".join(shapes[:3]) + (" …" if len(shapes) > 3 else "")),
        ("Channels", _channels(first)),
        ("Multiplies", big(sum(x.multiplies for x in layers)) if any(x.multiplies for x in layers) else "none"),
    ]
    return Section(
        anchor=anchor,
        layers=layers,
        paths=paths,
        title=first.path,
        more=more,
        what=describe(first),
        facts=tuple((k, v) for k, v in facts if v),
        level=_worst(findings) if findings else "",
        said=_said(findings),
        figures=figures,
    )


def _channels(layer: Layer) -> str:
    c_in, c_out = layer.details.get("in_channels"), layer.details.get("out_channels")
    return f"{c_in} → {c_out}" if c_in and c_out else ""


def _worst(findings: list[Finding]) -> str:
    return str(max(f.level for f in findings))


def _said(findings: list[Finding]) -> tuple[Said, ...]:
    """The findings, those with the same words merged."""
    merged: dict[tuple[Any, ...], list[Finding]] = {}
    for f in findings:
        key = (f.code, f.level, f.message, f.fix and (f.fix.applicability, f.fix.message, f.fix.code))
        merged.setdefault(key, []).append(f)
    return tuple(
        Said(group[0], tuple(dict.fromkeys(f.layer for f in group if f.layer)), _evidence(group[0]))
        for group in sorted(merged.values(), key=lambda g: (-g[0].level, g[0].code))
    )


def _evidence(finding: Finding) -> tuple[tuple[str, str], ...]:
    out = []
    for name, value in finding.evidence.items():
        text = value_words(plain(value))
        if text is not None and text != "":
            out.append((name.replace("_", " "), text if len(text) <= 200 else f"{text[:199]}…"))
    return tuple(out)


def _row(i: int, x: Layer, report: Report, levels: dict[int, str], anchors: dict[int, str]) -> Row:
    return Row(
        path=x.path,
        what=describe(x),
        size=shape_words(x),
        coverage=_coverage(x.coverage),
        alignment=_alignment(x),
        multiplies=big(x.multiplies) if x.multiplies else "",
        codes=tuple(dict.fromkeys(f.code for f in report.findings if f.layer == x.path)),
        level=levels.get(i, ""),
        anchor=anchors.get(i, ""),
    )


def _coverage(value: Any) -> str:
    """The extremes of the coverage: "2", "1 to 4"."""
    if value is None:
        return ""
    flat = [value]
    while flat and isinstance(flat[0], list):
        flat = [v for row in flat for v in row]
    low, high = min(flat), max(flat)
    return str(low) if low == high else f"{low} to {high}"


def _alignment(x: Layer) -> str:
    words = dict.fromkeys(f"{a.get('class', '')} {_shift(a.get('shift'))}".strip() for a in x.alignment)
    return " · ".join(words)


def _shift(shift: Any) -> str:
    return f"({times(shift)})" if isinstance(shift, (int, float)) and shift else ""
