"""What is commonly said of checkerboards, and what the cells say: each verdict follows from the numbers by its rule.

A claim is judged on every task that has its cells, and is left out where none has.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

from . import phrase
from .claim import GONE, PATTERN_END, PATTERN_START, SEEDS, Claim, costless, every, gone, lower
from .paired import at_end, difference, level, of
from .remedy import REMEDIES
from .study import TASKS, Study


def claims(study: Study) -> tuple[Claim, ...]:
    """All claims that the study has cells for; tasks of which some remedy has fewer than `SEEDS` seeds are shown, but
    the verdict leaves them out."""
    ripe = {t for t in TASKS if min((n for r in REMEDIES if (n := len(study.of(t, r)))), default=0) >= SEEDS}
    enough = replace(study, cells=tuple(c for c in study.cells if c.task in ripe))
    found = [(claim, judge(enough)) for judge in CLAIMS if (claim := judge(study)) is not None]
    return tuple(replace(claim, cases=judged.cases if judged else ()) for claim, judged in found)


def _tasks(study: Study, *remedies: str, quality: bool = False) -> list[str]:
    """The tasks that have cells of one seed of all these remedies."""
    out: list[str] = []
    for task in TASKS:
        if quality and task == "generator":
            continue
        seeds = [set(study.of(task, r)) for r in remedies]
        if set.intersection(*seeds):
            out.append(task)
    return out


def _divisible(study: Study) -> Claim | None:
    lines, clean = [], []
    for task in _tasks(study, "k4s2"):
        start, end = (of(study, task, "k4s2", v) for v in (PATTERN_START, PATTERN_END))
        lines.append(f"{task}: k4s2 {phrase.level(start)} dB at the start, {phrase.level(end)} dB after training")
        clean.append(every([gone(start), gone(end)]))
    if not lines:
        return None
    return Claim(
        "A kernel that the stride divides makes no checkerboard.",
        tuple(clean),
        f"True for a task where k4s2 is certainly below {phrase.number(GONE, 0)} dB, at the start and after training, "
        "false where it is certainly above.",
        tuple(lines),
    )


def _even_is_better(study: Study) -> Claim | None:
    lines, better = [], []
    for task in _tasks(study, "k4s2", "k3s2"):
        start, end = (difference(study, task, "k4s2", "k3s2", v) for v in (PATTERN_START, PATTERN_END))
        flat = [of(study, task, r, at_end("flat")).mean for r in ("k4s2", "k3s2")]
        lines.append(
            f"{task}: pattern of k4s2 against k3s2 {phrase.gap(start, 1, ' dB')} at the start, "
            f"{phrase.gap(end, 1, ' dB')} after training; on a constant {phrase.small(flat[0])} and "
            f"{phrase.small(flat[1])} grey levels"
        )
        better += [lower(start), lower(end)]
    if not lines:
        return None
    return Claim(
        "Kernel 4 makes less of a checkerboard than kernel 3.",
        tuple(better),
        "True where the pattern of k4s2 is lower than that of k3s2, at the start or after training; open within noise.",
        tuple(lines),
    )


def _training(study: Study) -> Claim | None:
    plain = [r for r in ("k3s2", "k4s2", "shuffle") if _tasks(study, r)]
    if not plain:
        return None
    lines, clean = [], []
    for task in _tasks(study, *plain):
        ends = {r: of(study, task, r, PATTERN_END) for r in plain}
        said = ", ".join(
            f"{r} {phrase.level(of(study, task, r, PATTERN_START))} → {phrase.level(ends[r])} dB" for r in plain
        )
        lines.append(f"{task}: {said}")
        clean.append(every([gone(e) for e in ends.values()]))
    return Claim(
        "Training removes the checkerboard by itself.",
        tuple(clean),
        f"True for a task where k3s2, k4s2 and shuffle all end certainly below {phrase.number(GONE, 0)} dB, false "
        "where one ends certainly above.",
        tuple(lines),
    )


def _gains_are_the_picture(study: Study) -> Claim | None:
    tasks = _tasks(study, "k4s2")
    if not tasks:
        return None
    lines, visible = [], []
    for task in tasks:
        gains, pattern, flat = (of(study, task, "k4s2", v) for v in (at_end("gains"), PATTERN_END, at_end("flat")))
        lines.append(
            f"{task}: {phrase.percent(gains.mean)} of the trained gains' size differs between phases, the pattern is "
            f"at {phrase.level(pattern)} dB, and on a constant {phrase.small(flat.mean)} grey levels"
        )
        clean = gone(pattern)
        visible.append(None if clean is None else not clean)
    return Claim(
        "Unequal gains in the weights mean a checkerboard in the picture.",
        tuple(visible),
        f"True for a task where k4s2, whose gains nobody made equal, ends certainly above {phrase.number(GONE, 0)} dB, "
        "false where it ends certainly below.",
        tuple(lines),
    )


def _resize_is_clean(study: Study) -> Claim | None:
    chosen = ("nearest-conv", "bilinear-conv")
    tasks = _tasks(study, *chosen)
    if not tasks:
        return None
    lines, clean = [], []
    for task in tasks:
        parts = []
        for remedy in chosen:
            pattern, found, flat = (of(study, task, remedy, v) for v in (PATTERN_END, at_end("found"), at_end("flat")))
            parts.append(
                f"{remedy} {phrase.level(pattern)} dB, found in {phrase.percent(found.mean)} of the pictures, "
                f"{phrase.small(flat.mean)} grey levels on a constant"
            )
            clean.append(every([gone(pattern), found.mean < 0.1]))
        lines.append(f"{task}: {'; '.join(parts)}")
    return Claim(
        "Resize and convolve, and there is no checkerboard.",
        tuple(clean),
        f"True where the pattern ends certainly below {phrase.number(GONE, 0)} dB and is found in fewer than 10 % of "
        "the pictures, false where it ends certainly above or is found in more.",
        tuple(lines),
    )


def _resize_is_best(study: Study) -> Claim | None:
    others = [r for r in REMEDIES if r not in ("nearest-conv", "bilinear-conv") and _tasks(study, r, quality=True)]
    tasks = _tasks(study, "nearest-conv", *others, quality=True) if others else []
    if not tasks:
        return None
    lines, best = [], []
    for task in tasks:
        gaps = {r: difference(study, task, "nearest-conv", r, at_end("psnr")) for r in others}
        rival = min(gaps, key=lambda r: gaps[r].mean)
        wins = [r for r, g in gaps.items() if g.sign > 0]
        lines.append(
            f"{task}: better than {len(wins)} of {len(others)} others beyond noise; against the best of them, {rival}, "
            f"{phrase.gap(gaps[rival], 2, ' dB')} of PSNR"
        )
        best.append(every([None if g.sign == 0 else g.sign > 0 for g in gaps.values()]))
    return Claim(
        "Nearest resize and convolution gives the best pictures.",
        tuple(best),
        "True for a task where its PSNR is certainly above that of every upsampler that learns its phases apart, false "
        "where it is certainly below that of one.",
        tuple(lines),
    )


def _icnr(study: Study) -> Claim | None:
    tasks = _tasks(study, "shuffle", "shuffle-icnr")
    if not tasks:
        return None
    lines, kept = [], []
    for task in tasks:
        end = difference(study, task, "shuffle-icnr", "shuffle", PATTERN_END)
        gains = of(study, task, "shuffle-icnr", at_end("gains"))
        early = ""
        states = sorted(next(iter(study.of(task, "shuffle-icnr").values())).states)
        if len(states) > 2:
            steps = states[1]
            found = of(study, task, "shuffle-icnr", level(lambda c, n=steps: c.states[n]["pattern"]))  # type: ignore[misc]
            early = f", {phrase.level(found)} dB after {steps} steps"
        lines.append(
            f"{task}: {phrase.level(of(study, task, 'shuffle-icnr', PATTERN_START))} dB at the start{early}, "
            f"{phrase.level(of(study, task, 'shuffle-icnr', PATTERN_END))} dB after training, "
            f"{phrase.gap(end, 1, ' dB')} against shuffle; by then {phrase.percent(gains.mean)} of the gains' size "
            "differs between phases"
        )
        loud = gone(of(study, task, "shuffle-icnr", PATTERN_END)) is False
        kept.append(True if end.sign < 0 else False if loud else None)
    return Claim(
        "ICNR keeps the checkerboard away after training too.",
        tuple(kept),
        "True for a task where the trained pattern is certainly lower than that of shuffle, started otherwise; false "
        f"where that cannot be said, and it is certainly above {phrase.number(GONE, 0)} dB.",
        tuple(lines),
    )


def _equal_is_free(study: Study) -> Claim | None:
    pairs = [("k3s2-equal", "k3s2"), ("k4s2-equal", "k4s2"), ("shuffle-equal", "shuffle")]
    lines, free = [], []
    for task in _tasks(study, *(r for pair in pairs for r in pair), quality=True):
        gaps = {a: difference(study, task, a, b, at_end("psnr")) for a, b in pairs}
        lines.append(f"{task}: " + ", ".join(f"{a} {phrase.gap(g, 2, ' dB')}" for a, g in gaps.items()) + " of PSNR")
        free += [costless(g) for g in gaps.values()]
    if not lines:
        return None
    return Claim(
        "Equal phase gains by construction cost no accuracy.",
        tuple(free),
        "True where the PSNR under `EqualPhaseGain` is certainly less than 0.1 dB lower than without, false where it is"
        " certainly lower.",
        tuple(lines),
    )


def _equal_is_enough(study: Study) -> Claim | None:
    chosen = ("k3s2-equal", "k4s2-equal", "shuffle-equal")
    lines, clean = [], []
    for task in _tasks(study, *chosen, *(r.removesuffix("-equal") for r in chosen)):
        ends = {r: of(study, task, r, PATTERN_END) for r in chosen}
        flat = max(of(study, task, r, at_end("flat")).mean for r in chosen)
        gaps = {r: difference(study, task, r, r.removesuffix("-equal"), PATTERN_END) for r in chosen}
        said = ", ".join(
            f"{r} {phrase.level(e)} dB, {phrase.gap(gaps[r], 1, ' dB')} against {r.removesuffix('-equal')}"
            for r, e in ends.items()
        )
        lines.append(f"{task}: {said}; on a constant {phrase.small(flat)} grey levels")
        clean += [gone(e) for e in ends.values()]
    if not lines:
        return None
    return Claim(
        "Equal phase gains are enough.",
        tuple(clean),
        f"True where the pattern of pictures ends certainly below {phrase.number(GONE, 0)} dB, false where certainly "
        "above; of a constant it is 0 always.",
        tuple(lines),
    )


def _penalty(study: Study) -> Claim | None:
    tasks = _tasks(study, "k4s2-penalty", "k4s2-equal", "k4s2")
    if not tasks:
        return None
    lines, alike = [], []
    for task in tasks:
        gap = difference(study, task, "k4s2-penalty", "k4s2-equal", PATTERN_END)
        gains, plain = (of(study, task, r, at_end("gains")) for r in ("k4s2-penalty", "k4s2"))
        lines.append(
            f"{task}: {phrase.percent(gains.mean)} of the gains' size differs between phases, "
            f"{phrase.percent(plain.mean)} without a penalty; pattern {phrase.gap(gap, 1, ' dB')} against k4s2-equal"
        )
        alike.append(False if gap.sign > 0 else True if gap.high < 3 else None)
    return Claim(
        "A penalty on the gains does what the constraint does.",
        tuple(alike),
        "False for a task where the trained pattern of k4s2-penalty is above that of k4s2-equal, true where it is "
        "certainly less than 3 dB above.",
        tuple(lines),
    )


def _bilinear_is_free(study: Study) -> Claim | None:
    tasks = _tasks(study, "bilinear-conv", "nearest-conv", quality=True)
    if not tasks:
        return None
    gaps = {t: difference(study, t, "bilinear-conv", "nearest-conv", at_end("psnr")) for t in tasks}
    lines = [f"{t}: {phrase.gap(gaps[t], 2, ' dB')} of PSNR against nearest-conv" for t in tasks]
    free = [costless(g) for g in gaps.values()]
    for shape in dict.fromkeys(row["shape"] for row in study.speed):
        ms = {row["form"]: row["torch_ms"] for row in study.speed if row["shape"] == shape}
        fast = {row["form"]: row["accelerated_ms"] or row["torch_ms"] for row in study.speed if row["shape"] == shape}
        if {"bilinear-conv", "nearest-conv", "k4s2"} <= set(ms):
            slower, plain = ms["bilinear-conv"] / ms["nearest-conv"], ms["bilinear-conv"] / ms["k4s2"]
            lines.append(
                f"time, {shape}: {slower:.2f}× nearest-conv and {plain:.2f}× k4s2 in PyTorch, "
                f"{fast['bilinear-conv'] / fast['nearest-conv']:.2f}× nearest-conv when both are accelerated"
            )
            free.append(fast["bilinear-conv"] <= 1.1 * fast["nearest-conv"])
    return Claim(
        "A bilinear resize instead of a nearest one costs nothing.",
        tuple(free),
        "True where the PSNR is certainly less than 0.1 dB lower than that of nearest-conv, and where the accelerated "
        "time is at most 1.1 times its.",
        tuple(lines),
    )


def _repair(study: Study) -> Claim | None:
    chosen = ("k3s2", "k4s2", "k3s2-widened", "shuffle")
    lines, helped = [], []
    for task in [t for t in _tasks(study, *chosen) if t != "super-resolution"]:
        cells = [c for r in chosen for c in study.of(task, r).values()]
        layers = sorted(k for k in cells[0].shares if k != "together")
        if not layers:
            continue
        left = {k: statistics.median(1 - c.shares[k] for c in cells) for k in [*layers, "together"]}
        best = statistics.median(1 - max(c.shares[k] for k in layers) for c in cells)
        said = ", ".join(f"upsampler {int(k) + 1} × {phrase.small(left[k])}" for k in layers)
        lines.append(
            f"{task}: the pattern's power when the gains of one are made equal: {said}; the best one of each network "
            f"× {phrase.small(best)}; all together × {phrase.small(left['together'])} ({len(cells)} networks, medians)"
        )
        helped.append(best <= 0.5)
    if not lines:
        return None
    return Claim(
        "There is one layer to blame, and it can be repaired after training.",
        tuple(helped),
        "True for a task where making the gains of the best one layer equal leaves at most half of the pattern's "
        "power.",
        tuple(lines),
    )


def _widening(study: Study) -> Claim | None:
    tasks = _tasks(study, "k3s2-widened", "k3s2")
    if not tasks:
        return None
    lines, better = [], []
    for task in tasks:
        end = difference(study, task, "k3s2-widened", "k3s2", PATTERN_END)
        psnr = difference(study, task, "k3s2-widened", "k3s2", at_end("psnr")) if task != "generator" else None
        said = f", {phrase.gap(psnr, 2, ' dB')} of PSNR" if psnr else ""
        lines.append(f"{task}: pattern {phrase.gap(end, 1, ' dB')}{said}")
        gains = [lower(end), *([] if psnr is None or psnr.sign == 0 else [psnr.sign > 0])]
        better.append(None if set(gains) == {None} else True in gains)
    return Claim(
        "Widening k3s2 to k4s2 with zeros before training helps.",
        tuple(better),
        "True for a task where k3s2-widened ends with a lower pattern or a higher PSNR than k3s2; open within noise.",
        tuple(lines),
    )


CLAIMS: tuple[Callable[[Study], Claim | None], ...] = (
    _divisible, _even_is_better, _training, _gains_are_the_picture, _resize_is_clean, _resize_is_best, _icnr, _widening,
    _equal_is_free, _equal_is_enough, _penalty, _bilinear_is_free, _repair,
)  # fmt: skip
