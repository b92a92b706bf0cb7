"""Lab 5, drawn: stamps and their counts, layer after layer, and what a constant becomes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import upweave

from ...bank import Array
from ...spec import ConvTranspose
from ..kit.drawing import table
from ..kit.figure import Panel
from ..kit.fit import enlarged
from ..kit.links import show
from ..kit.paths import paths
from ..kit.picture import picture
from ..text import Text


def stamps(spec: ConvTranspose, H: int) -> list[Panel]:
    """The stamp of every input, a line each, and how many meet in each output; and the same in the plane."""
    (one,) = spec.per_axis(1)
    line, inner = upweave.coverage_line(spec, H), upweave.coverage(spec)
    kept = paths(spec, H)
    # the same layer without padding makes every product; those that are kept are found by input and tap
    whole = paths(upweave.ConvTranspose(one.kernel, one.stride, 0, 0, one.dilation), H)
    number_of = {(i, t): j for j, (i, t) in enumerate(zip(kept.inputs, kept.taps, strict=True))}
    s, p, length = one.stride, one.begin, len(line)
    first, last = min(0, -p), max(length, max(whole.outputs) - p + 1)
    side = min(30.0, 600 / (last - first))
    left, height, top = 74 - first * side, 15, 4
    M = Panel(
        Text("Stamps and coverage", "印记与覆盖数"), 80 + (last - first) * side, top + H * (height + 3) + side + 32
    )
    for i in range(H):
        M.text(
            66,
            top + i * (height + 3) + height / 2,
            Text(f"input {i}", f"输入 {i}"),
            anchor="end",
            style="small soft",
        )
    for i, t, n in zip(whole.inputs, whole.taps, whole.outputs, strict=True):
        on = number_of.get((i, t))
        M.rect(
            left + (n - p) * side + 1,
            top + i * (height + 3),
            side - 2,
            height,
            style="empty" if on is None else f"phase{n % s}" if s > 1 else "phase0",
            on=None if on is None else [on],
            name=None if on is None else f"t{i},{t}",
            tip=None
            if on is None
            else Text(f"tap {t} of input {i} → output {n - p}", f"输入 {i} 的抽头 {t} → 输出 {n - p}"),
        )
    base = top + H * (height + 3) + 6
    M.text(66, base + side / 2, Text("coverage", "覆盖数"), anchor="end", style="small")

    def why(n: int) -> Text:
        full = inner[n % s]
        less = line[n] < full
        return Text(
            f"output {n}, n mod {s} = {n % s}: {line[n]}"
            + (f"; far from the border it would be {full}" if less else ""),
            f"输出 {n}，n mod {s} = {n % s}：{line[n]}" + (f"；远离边界处应为 {full}" if less else ""),
        )

    top_count = max(1, int(line.max()))
    for n, c in enumerate(line):
        x = left + n * side
        M.rect(
            x,
            base,
            side,
            side,
            style="cell" if c == inner[n % s] else "empty",
            name=f"c{n}",
            on=kept.of_output(n) or [-1 - n],
            tip=why(n),
        )
        M.rect(x, base, side, side, value=0.55 * c / top_count)
        if side >= 12:
            M.text(x + side / 2, base + side / 2, str(c), style="small" if side < 22 else None)
        if s > 1 and side >= 16:
            M.text(x + side / 2, base + side + 9, str(n % s), style="small soft")
    if s > 1 and side >= 16:
        M.text(66, base + side + 9, f"n mod {s}", anchor="end", style="small soft")

    plane = upweave.coverage_line(spec, (min(H, 5),) * 2)
    cell = min(30.0, 330 / len(plane))
    P = Panel(
        Text(f"The same in the plane, {min(H, 5)} × {min(H, 5)} inputs", f"二维情形，输入 {min(H, 5)} × {min(H, 5)}"),
        cell * len(plane) + 2,
        cell * len(plane) + 2,
        note=Text("Counts multiply, and so does the contrast.", "覆盖数相乘，反差也随之相乘。"),
    )
    table(P, 1, 1, plane.astype(float), cell, name="P", structure=np.ones(plane.shape, dtype=bool))
    return [M, P]


def tower(depths: Sequence[Array]) -> list[Panel]:
    """How many paths lead to an output after each layer, by residue: `depths` are the coverages of the growing stack."""
    panels = []
    for d, counts in enumerate(depths, 1):
        w, h = 300.0, 96.0
        shown = np.tile(counts, max(1, 16 // len(counts)))
        P = Panel(
            Text(
                f"After layer {d}: period {len(counts)}, {counts.min()} to {counts.max()} paths",
                f"第 {d} 层之后：周期 {len(counts)}，路径数 {counts.min()} 到 {counts.max()}",
            ),
            w,
            h + 4,
        )
        bar = w / len(shown)
        for n, c in enumerate(shown):
            tall = h * c / counts.max()
            P.rect(
                n * bar + 0.5 * (bar > 4),
                h - tall,
                bar - (bar > 4),
                tall,
                style="first",
                name=f"d{d},{n}",
                on=[10000 * d + n],
                tip=Text(f"n ≡ {n % len(counts)}: {c} paths", f"n ≡ {n % len(counts)}：{c} 条路径"),
            )
        P.line(0, h, w, h, style="axis")
        panels.append(P)
    return [*panels]


def board(plane: ConvTranspose, weights: Array) -> list[Panel]:
    """The weights, the gain of each phase and what a constant becomes."""
    s = plane.per_axis(2)[0].stride
    g = upweave.dc_gain(plane, weights)[..., 0, 0]
    y = enlarged(plane, weights, np.ones((12, 12)))
    middle = y[2 * s : 2 * s + 24, 2 * s : 2 * s + 24][: 8 * s, : 8 * s]
    spread = float(np.abs(g).max()) or 1.0
    side = 240 / len(middle)
    W = Panel(Text("Weights", "权重"), 40 * len(weights) + 2, 40 * len(weights) + 2)
    table(W, 1, 1, weights, 40, name="w", structure=np.ones(weights.shape, dtype=bool))
    G = Panel(
        Text("Gain of each phase", "各相位的增益"),
        max(120, 56 * s + 2),
        56 * s + 2,
        note=Text("rows and columns: n mod s", "行与列：n mod s"),
    )
    table(G, 1, 1, g, 56, name="g", structure=np.ones(g.shape, dtype=bool))
    low, high = min(0.0, float(g.min())), max(float(g.max()), 0.0)
    Y = Panel(
        Text("What a constant 1 becomes, inside", "常数 1 在内部变成什么"),
        240,
        240,
        note=Text(f"black {show(low)}, white {show(high)}", f"黑 {show(low)}，白 {show(high)}"),
    )
    picture(Y, 0, 0, middle, side, limits=(low, high or spread), name="constant")
    C = Panel(Text("The whole output, borders included", "整个输出，包括边界"), 240, 240)
    picture(C, 0, 0, y, 240 / len(y), limits=(low, high or spread), name="whole")
    return [W, G, Y, C]
