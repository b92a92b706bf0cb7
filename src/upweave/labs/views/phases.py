"""Lab 6, drawn: a kernel taken apart into its phases and woven, and a tone with its images."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

import upweave

from ...bank import Array
from ...spec import ConvTranspose
from ...theory.spectrum import dtft, zero_insert
from ..kit.drawing import axes, curve, row, short
from ..kit.figure import Panel
from ..kit.links import show
from ..kit.paths import paths
from ..text import Text
from .kernels import Kernel, Line, decibels, lines


def weaving(spec: ConvTranspose, H: int, w: Array, x: Array) -> list[Panel]:
    """The kernel, its phases as filters of the input, and the output that they weave."""
    (one,) = spec.per_axis(1)
    s, k = one.stride, len(w)
    bank = upweave.phase_bank(spec, w.reshape(1, 1, -1))
    # the same bank with weight t + 1 at tap t says which tap each entry is
    tap = upweave.phase_bank(spec, np.arange(1.0, k + 1).reshape(1, 1, -1)).weights[:, 0, 0].astype(int) - 1
    phase_of = {int(tap[r, j]): r for r, j in zip(*np.nonzero(bank.support), strict=True)}
    table_of = paths(spec, H)
    y = upweave.matrix(spec, H, w.reshape(1, 1, -1)) @ x

    side = min(38.0, 330 / k)
    K = Panel(Text("Kernel w", "卷积核 w"), max(120, side * k + 2), side + 2)
    for t in range(k):
        _cell(
            K,
            1 + t * side,
            1,
            side,
            w[t],
            phase_of[t],
            f"w{t}",
            table_of.of_tap(t) or [-1 - t],
            f"w[{t}] = {show(w[t])}",
        )

    T, step = bank.axes[0].length, min(44.0, 260 / bank.axes[0].length)
    F = Panel(Text("Phases: filters of the input", "相位：输入的滤波器"), 60 + step * T, 22 + 40 * s)
    for j in range(T):
        F.text(58 + j * step + step / 2, 8, f"x[q{_offset(bank.start[0] + j)}]", style="small soft")
    for r in range(s):
        F.text(50, 22 + 40 * r + 18, Text(f"phase {r}", f"相位 {r}"), anchor="end", style="small")
        for j in range(T):
            if bank.support[r, j]:
                t = int(tap[r, j])
                _cell(
                    F,
                    58 + j * step,
                    22 + 40 * r,
                    min(36.0, step - 2),
                    w[t],
                    r,
                    f"f{r},{j}",
                    table_of.of_tap(t) or [-1 - t],
                    f"y[{s}q+{r}] ← w[{t}] · x[q{_offset(bank.start[0] + j)}]",
                )

    X = Panel(Text("Input x", "输入 x"), 34 * H + 2, 36)
    row(X, 1, 1, x, 34, name="x", on=table_of.of_input, tip=lambda i: f"x[{i}] = {show(x[i])}")
    wide = min(36.0, 620 / len(y))
    Y = Panel(Text("Output y, woven", "编织而成的输出 y"), wide * len(y) + 2, wide + 20)
    for n, value in enumerate(y):
        terms = [f"{show(w[table_of.taps[j]])}·{show(x[table_of.inputs[j]])}" for j in table_of.of_output(n)]
        _cell(
            Y,
            1 + n * wide,
            1,
            wide,
            value,
            n % s,
            f"y{n}",
            table_of.of_output(n) or [-100 - n],
            f"y[{n}] = {' + '.join(terms) or '0'} = {show(value)}",
        )
        if wide >= 16:
            Y.text(1 + n * wide + wide / 2, wide + 11, str(n % s), style="small soft")
    return [K, F, X, Y]


def _cell(
    panel: Panel, left: float, top: float, side: float, value: float, phase: int, name: str, on: list[int], tip: str
) -> None:
    """One number, in the colour of its phase."""
    panel.rect(left, top, side, side, style=f"phase{phase}", name=name, on=on, tip=tip)
    text = short(float(value))
    if side >= 22:
        panel.text(left + side / 2, top + side / 2, text, style="small" if len(text) > 4 or side < 30 else None)


def _offset(offset: int) -> str:
    """What is added to q: nothing, +1, −1 …"""
    return show(offset) if offset < 0 else f"+{offset}" if offset else ""


def spectra(spec: ConvTranspose, w: Array, f: Fraction) -> list[Panel]:
    """The spectrum of a tone cos(πf·n) after zero insertion, the kernel as a filter, and the output."""
    (one,) = spec.per_axis(1)
    s = one.stride
    layer_ = Kernel(spec, w)
    found = lines(layer_, f)
    omega = np.linspace(0, np.pi, 361)
    # a long tone in a window, so that its spectrum is narrow peaks; what is drawn is its transform
    n = np.arange(96)
    window = np.hanning(len(n) + 2)[1:-1]
    signal = window * np.cos(np.pi * float(f) * n)
    before = np.abs(dtft(zero_insert(signal, s), omega))
    h = upweave.impulse_response(spec, w.reshape(1, 1, -1))
    response = np.abs(dtft(h.h.reshape(-1), omega, h.low[0]))
    after = np.abs(dtft(np.convolve(zero_insert(signal, s), h.h.reshape(-1)), omega))
    peak = float(before.max())
    before, after = before / peak, after / peak
    W, B = 300.0, (40.0, 8.0, 250.0, 130.0)
    ticks = [(0.0, "0"), (1 / s, f"π/{s}"), (1.0, "π")]
    if s > 2:
        ticks.insert(2, (2 / s, f"2π/{s}"))
    base = found[0].level if found[0].band == 0 else next(q.level for q in found if q.band == 0)

    def panel(
        title: Text, ys: Array, dots: Callable[[Line], float], style: str, name: str, ideal: bool = False
    ) -> Panel:
        unit = 1 if name == "u" else s
        limit = max(1.2 * unit, 1.1 * float(np.max(ys)))
        P = Panel(title, W, 168)
        axes(P, B, (0, 1, 0, limit), ticks, [(0, "0"), (unit, "1" if unit == 1 else f"s = {s}")])
        if ideal:
            flat = upweave.ideal_lowpass(s, 720)[:361]
            curve(P, B, (np.arange(361) / 360).tolist(), flat.tolist(), (0, 1, 0, limit), style="dashed")
        curve(P, B, (omega / np.pi).tolist(), ys.tolist(), (0, 1, 0, limit), style=style)
        for i, q in enumerate(found):
            x_ = B[0] + float(q.at) * B[2]
            y_ = B[1] + B[3] - min(1.0, dots(q) / limit) * B[3]
            level = show(decibels(q.level, base)) if base else "—"
            tip = (
                Text(f"the tone, at {q.at}·π: gain {show(q.level)}", f"单音本身，位于 {q.at}·π：增益 {show(q.level)}")
                if q.band == 0
                else Text(
                    f"image {q.band}, at {q.at}·π: gain {show(q.level)}, {level} dB against the tone",
                    f"镜像 {q.band}，位于 {q.at}·π：增益 {show(q.level)}，相对单音 {level} dB",
                )
            )
            P.circle(x_, y_, 5, style="first" if q.band == 0 else "second", name=f"{name}{i}", on=[i], tip=tip)
        return P

    return [
        panel(Text("After zero insertion, |X↑|", "插零之后 |X↑|"), before, lambda q: 1.0, "first", "u"),
        panel(
            Text("The kernel, |H|, and the ideal", "卷积核 |H| 与理想滤波器"),
            response,
            lambda q: q.level,
            "first",
            "h",
            ideal=True,
        ),
        panel(Text("Output, |H·X↑|", "输出 |H·X↑|"), after, lambda q: q.level, "second", "o"),
    ]
