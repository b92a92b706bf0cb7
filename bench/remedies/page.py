"""`docs/remedies-evidence.md` and its chart, from the results and from nothing else."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import upweave

from . import phrase
from .chart import TITLE, svg
from .claim import GONE, PATTERN_END, PATTERN_START
from .claims import claims
from .measure import FLOOR, spec_of
from .networks import NETWORKS, upsamplers
from .paired import Estimate, Value, at_end, at_start, difference, level, of
from .prose import AGAIN, CASES, HEAD, LIMITS, METHOD, WHY
from .remedy import BASELINE, REMEDIES
from .speed import SHAPES
from .study import FILE, TASKS, Study, load

PAGE, CHART = "remedies-evidence.md", "remedies-evidence.svg"


def files(folder: Path, docs: Path) -> dict[Path, str]:
    """What to write, by path; nothing where there are no results."""
    path = folder / FILE
    if not path.exists():
        return {}
    study = load(path)
    return {docs / PAGE: markdown(study), docs / "assets" / CHART: svg(study)}


def markdown(study: Study) -> str:
    """The page's text."""
    s = study.settings
    said = {t: f"{s.steps[t]} steps of {s.batch[t]} patches" for t in TASKS}
    method = METHOD.format(
        side=s.side, patches=", ".join(str(s.patch[t]) for t in TASKS), floor=phrase.number(FLOOR, 0),
        samples=s.samples, **{t.replace("-", "_"): text for t, text in said.items()},
    )  # fmt: skip
    parts = [HEAD, f"![{TITLE}](assets/{CHART})\n", _said(study), _remedies(study)]
    parts += [_task(study, task) for task in TASKS if any(c.task == task for c in study.cells)]
    return "\n".join([*parts, _blame(study), WHY, method, LIMITS, _details(study), AGAIN])


def _said(study: Study) -> str:
    lines = ["## What is said, and what was found", "", "| saying | verdict | true / false / open |", "|---|---|---:|"]
    found = claims(study)
    lines += [f"| {c.saying} | **{c.verdict}** | {c.count} |" for c in found]
    lines += ["", CASES, ""]
    for c in found:
        lines += [f"**{c.saying}** {c.verdict[0].upper()}{c.verdict[1:]}. {c.rule}", ""]
        lines += [*(f"- {line}" for line in c.lines), ""]
    return "\n".join(lines)


def _remedies(study: Study) -> str:
    """Each remedy with what it costs."""
    shapes = [s for s in SHAPES if any(row["shape"] == s for row in study.speed)]
    heads = [f"time, {s}{how}" for s in shapes for how in ("", ", accelerated")]
    lines = [
        "## The remedies and what they cost",
        "",
        "Weights, and multiplications for each output sample, are for each pair of channels. A nearest resize folds "
        "into the convolution behind it, exactly, and then takes 4 multiplications.",
        "",
        "| " + " | ".join(["remedy", "what it is", "weights", "multiplications", *heads]) + " |",
        "|---|---|---:|---:|" + "---:|" * len(heads),
    ]
    for name, remedy in REMEDIES.items():
        layer: Any = remedy.make(1, 1, "linear")
        multiplies = upweave.multiplies(spec_of(layer), 1, 1, (16, 16)) / 32**2
        times = [phrase.NOTHING if v is None else f"{v:.2f}×" for s in shapes for v in _times(study, s, remedy.form)]
        lines.append(f"| {' | '.join([name, remedy.about, str(layer.weight.numel()), f'{multiplies:g}', *times])} |")
    if shapes:
        base = {r["shape"]: r["torch_ms"] for r in study.speed if r["form"] == BASELINE}
        threads = study.speed[0]["threads"]
        where = "; ".join(
            f"{s}: {c_in}→{c_out} channels, {side}×{side}, {BASELINE} takes {base[s]:.2f} ms"
            for s, (c_in, c_out, side) in SHAPES.items()
            if s in shapes
        )
        lines += [
            "",
            f"Times are medians against {BASELINE} in PyTorch, in turns in one process, {threads} threads ({where}). "
            "Accelerated is by `upweave.accelerate`; — where it leaves the layer as it is.",
        ]
    return "\n".join([*lines, ""])


def _times(study: Study, shape: str, form: str) -> tuple[float | None, float | None]:
    rows = {r["form"]: r for r in study.speed if r["shape"] == shape}
    if form not in rows:
        return None, None
    base, row = rows[BASELINE]["torch_ms"], rows[form]
    fast = row["accelerated_ms"]
    return row["torch_ms"] / base, None if fast is None else fast / base


def _task(study: Study, task: str) -> str:
    names = [r for r in REMEDIES if study.of(task, r)]
    rows = [_row(study, task, name) for name in names]
    heads = ["remedy", *(head for head, _ in rows[0])]
    lines = [
        f"## {task[0].upper()}{task[1:]}",
        "",
        f"| {' | '.join(heads)} |",
        "|---" + "|---:" * (len(heads) - 1) + "|",
    ]
    lines += [f"| {' | '.join([name, *(cell for _, cell in row)])} |" for name, row in zip(names, rows, strict=True)]
    return "\n".join([*lines, "", *_references(study, task), *_along(study, task)])


def _row(study: Study, task: str, name: str) -> list[tuple[str, str]]:
    """The columns of a task's table, with the cells of one remedy."""
    seeds = set(study.of(task, name)) & set(study.of(task, BASELINE))
    against = f"against {BASELINE}"

    def found(value: Value) -> Estimate:
        return of(study, task, name, value)

    def gap(value: Value, digits: int) -> str:
        paired = name != BASELINE and seeds
        return phrase.gap(difference(study, task, name, BASELINE, value) if paired else None, digits)

    row = [
        ("pattern, start", phrase.level(found(PATTERN_START))),
        ("trained", f"**{phrase.level(found(PATTERN_END))}**"),
        (against, gap(PATTERN_END, 1)),
        ("found", phrase.percent(found(at_end("found")).mean)),
        ("flat, start", phrase.small(found(at_start("flat")).mean)),
        ("trained", phrase.small(found(at_end("flat")).mean)),
        ("gains", phrase.percent(found(at_end("gains")).mean)),
        ("images", phrase.number(found(at_end("rejection")).mean, 1)),
    ]
    if task == "generator":
        return [*row, ("contrast", phrase.number(found(at_end("contrast")).mean, 2))]
    return [
        *row,
        ("error", phrase.small(found(at_end("error")).mean)),
        ("PSNR", phrase.mean(found(at_end("psnr")), 2)),
        (against, gap(at_end("psnr"), 2)),
        ("SSIM", phrase.number(found(at_end("ssim")).mean, 3)),
    ]


def _references(study: Study, task: str) -> list[str]:
    r = study.references
    if not r:
        return []
    period = 2 if task == "super-resolution" else 8
    own = r[f"photographs, period {period}"]
    said = [f"The photographs themselves: {phrase.share(own['pattern'])} dB, found in {phrase.percent(own['found'])}"]
    if task == "super-resolution":
        b = r["bicubic"]
        said.append(
            f"bicubic interpolation: {phrase.share(b['pattern'])} dB, PSNR {b['psnr']:.2f} dB, SSIM {b['ssim']:.3f}"
        )
    if task == "generator":
        said.append(
            f"contrast {r['photographs']['contrast']:.2f} (standard deviation of samples, as in the last column)"
        )
    return ["; ".join(said) + ".", ""]


def _along(study: Study, task: str) -> list[str]:
    """Levels while training goes on."""
    steps = sorted({n for c in study.cells if c.task == task for n in c.states})
    if len(steps) <= 2:
        return []
    lines = ["Pattern after so many steps, dB:", "", f"| remedy | {' | '.join(map(str, steps))} |"]
    lines.append("|---" + "|---:" * len(steps) + "|")
    for name in (r for r in REMEDIES if study.of(task, r)):
        values = [
            phrase.level(of(study, task, name, level(lambda c, n=n: c.states[n]["pattern"])))  # type: ignore[misc]
            for n in steps
        ]
        lines.append(f"| {name} | {' | '.join(values)} |")
    return [*lines, ""]


def _blame(study: Study) -> str:
    """What is left of the pattern's power when the gains of one upsampler of a trained network are made equal."""
    lines = []
    for task in TASKS:
        count = len(upsamplers(NETWORKS[task](REMEDIES[BASELINE], 0)))
        if count == 1:
            continue
        for name in REMEDIES:
            cells = [c for c in study.of(task, name).values() if c.shares and c.end["gains"] > 1e-3]
            if not cells:
                continue
            keys = [*map(str, range(count)), "together"]
            left = [phrase.small(statistics.median(1 - c.shares[k] for c in cells)) for k in keys]
            lines.append(f"| {task} | {name} | {' | '.join(left)} |")
    if not lines:
        return ""
    return "\n".join([
        "## Which upsampler",
        "",
        "What is left of the pattern's power when the gains of one upsampler are made equal after training, by "
        "`upweave.artifacts.attribution`: the median over seeds, 1 for no change. More than 1 means that the network "
        "had learned to cancel that layer's pattern elsewhere.",
        "",
        "| task | remedy | first | second | last | all |",
        "|---|---|---:|---:|---:|---:|",
        *lines,
        "",
    ])  # fmt: skip


def _counts(study: Study, task: str) -> str:
    """How many seeds its remedies have: 5, or 3–4 where some lack one."""
    found = {len(study.of(task, r)) for r in REMEDIES} - {0}
    return "–".join(map(str, sorted({min(found), max(found)})))


def _details(study: Study) -> str:
    m = study.machine
    seeds = ", ".join(f"{t} {_counts(study, t)}" for t in TASKS if any(c.task == t for c in study.cells))
    minutes = sum(c.seconds for c in study.cells) / 60
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in study.versions.items())
    return "\n".join([
        "## On what",
        "",
        f"- Measured with {' and '.join(f'`{c}`' for c in study.commands)}: {len(study.cells)} networks, "
        f"{minutes:.0f} min of one processor. Seeds: {seeds}.",
        f"- {m.get('cpu')} ({', '.join(m.get('flags') or ())}), {m.get('system')} {m.get('kernel')}; {study.date}, "
        f"commit {(m.get('commit') or 'unknown')[:12]}{' with uncommitted changes' if m.get('changed_since') else ''}.",
        f"- Python {m.get('python')}, {versions}.",
        f"- The line in the chart at {phrase.number(GONE, 0)} dB is where `upweave score` starts to fail a picture.",
        "",
    ])  # fmt: skip
