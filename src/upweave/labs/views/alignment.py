"""Lab 4, drawn: footprints on their grids, where a network's samples sit, masks that moved, and resizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import upweave

from ...graph.grid import GridMap
from ...spec import ConvTranspose
from ..kit.drawing import axes, curve
from ..kit.figure import Panel
from ..kit.links import show
from ..kit.paths import paths
from ..networks import Network, grid_of
from ..pictures import Mask
from ..text import Text


def rulers(spec: ConvTranspose, H: int) -> list[Panel]:
    """Input pixels as wide as the outputs that they cover, the footprints with their centres, and the outputs."""
    (one,) = spec.per_axis(1)
    found = paths(spec, H)
    axis = upweave.alignment(spec).axes[0]
    s, half = one.stride, Fraction(one.dilation * (one.kernel - 1), 2)
    outputs = found.shape[0]
    low = min(axis.centre(0) - half, Fraction(0)) - Fraction(1, 2)
    high = max(axis.centre(H - 1) + half, Fraction(outputs - 1), Fraction(s * H - 1)) + Fraction(1, 2)
    unit = min(40.0, max(14.0, 680 / float(high - low)))

    def x(place: Fraction) -> float:
        return 1 + float(place - low) * unit

    band = 11 * H + 10
    panel = Panel(
        Text("Input pixels, footprints, output samples", "输入像素、印记、输出样本"),
        float(high - low) * unit + 2,
        2 * 28 + band + 4,
    )
    top, bottom = 29, 29 + band
    ideal = Fraction(s - 1, 2)
    for i in range(H):
        left = x(s * i - Fraction(1, 2))
        word = Text(
            f"input {i}: centre of its outputs {show(float(axis.centre(i)))}, half-pixel ideal {show(float(s * i + ideal))}",
            f"输入 {i}：印记中心 {show(float(axis.centre(i)))}，半像素理想位置 {show(float(s * i + ideal))}",
        )
        on = found.of_input(i)
        panel.rect(left, 1, s * unit, 28, style="cell", name=f"i{i}", on=on, tip=word)
        panel.text(left + s * unit / 2, 15, str(i))
        panel.line(x(s * i + ideal), top, x(s * i + ideal), bottom, style="dashed")
        level = top + 8 + 11 * i
        panel.line(
            x(axis.centre(i) - half - Fraction(1, 3)),
            level,
            x(axis.centre(i) + half + Fraction(1, 3)),
            level,
            on=on,
        )
        panel.circle(
            x(axis.centre(i)), level, 4, style="first" if axis.kind == "centred" else "second", on=on, tip=word
        )
    for n in range(outputs):
        left = x(n - Fraction(1, 2))
        count = len(found.of_output(n))
        panel.rect(
            left,
            bottom,
            unit,
            28,
            style="cell" if count else "empty",
            name=f"n{n}",
            on=found.of_output(n),
            tip=Text(f"output {n}: {count} taps", f"输出 {n}：{count} 个抽头"),
        )
        panel.text(left + unit / 2, bottom + 14, str(n), style="small")
    return [panel]


def places(network: Network, found: GridMap, size: int) -> list[Panel]:
    """Where the samples of each level sit on the axis of an input of `size`: the encoder's, and below them the decoder's."""
    left, unit = 92, 20
    panel = Panel(
        Text("Where samples sit on the input's axis", "样本在输入轴上的位置"),
        left + unit * size + 12,
        56 * network.levels + 34,
    )

    def x(place: Fraction) -> float:
        return left + (float(place) + 0.5) * unit

    def line(y: int, value: str, label: Text, style: str, name: str, level: int) -> None:
        grid = grid_of(found, value)
        panel.text(left - 12, y, label, anchor="end", style="soft")
        panel.line(left, y, left + unit * size, y, style="grid")
        for n in range(grid.extent):
            word = Text(
                f"sample {n} of {label.en} sits at {show(str(grid.at(n)))}",
                f"{label.zh}的样本 {n} 位于 {show(str(grid.at(n)))}",
            )
            panel.circle(x(grid.at(n)), y, 5, style=style, name=f"{name}{level}:{n}", on=[level * 64 + n], tip=word)

    for level in range(network.levels + 1):
        y = 14 + 56 * level
        encoder = Text(f"encoder {level}", f"编码器 {level}") if level else Text("input", "输入")
        line(y, f"down{level}" if level else "x", encoder, "hollow", "e", level)
        if level < network.levels:
            apart = {m.node.name: m.displacement for m in found.meetings}.get(f"meet{level + 1}", 0)
            line(
                y + 20,
                f"up{level + 1}",
                Text(f"decoder {level}", f"解码器 {level}"),
                "second" if apart else "first",
                "d",
                level,
            )
    return [panel]


def mask(truth: Mask, found: Mask, title: Text, name: str) -> Panel:
    """What was found of a mask, what was found beside it, and what was missed."""
    # hits pale blue, false positives blue, misses orange
    values = 0.3 * (truth & found) + 1.0 * (found & ~truth) - 1.0 * (truth & ~found)
    size = truth.shape[0]
    panel = Panel(
        title,
        5 * size + 2,
        5 * size + 2,
        note=Text("0.3 found, 1 found where nothing is, −1 missed", "0.3 找到，1 误报，−1 漏掉"),
    )
    each = [[n] for n in range(size)]
    panel.grid(1, 1, 5, values, each, each, name)
    return panel


def offsets(offsets: Mapping[str, Sequence[Fraction]]) -> list[Panel]:
    """Where align_corners and the asymmetric grid read, against the half-pixel grid, output by output."""
    panel = Panel(Text("Reads at, minus half-pixel", "读取位置减去半像素方式的位置"), 340, 190)
    box, last = (46.0, 10.0, 280.0, 150.0), len(offsets["asymmetric"]) - 1
    limits = (0.0, float(last), -0.5, 0.5)
    axes(
        panel,
        box,
        limits,
        [(0, "0"), (last, str(last))],
        [(v, show(v)) for v in (-0.5, -0.25, 0.0, 0.25, 0.5)],
    )
    panel.text(box[0] + box[2] / 2, box[1] + box[3] + 13, Text("output n", "输出 n"), style="small soft")
    places = list(range(last + 1))
    for name, style in (("align_corners", "first"), ("asymmetric", "second")):
        curve(panel, box, places, [float(v) for v in offsets[name]], limits, style)
    panel.text(box[0] + 6, 24, "align_corners", anchor="start", style="small")
    panel.line(box[0] + 84, 24, box[0] + 104, 24, style="first")
    panel.text(box[0] + 150, 24, "asymmetric", anchor="start", style="small")
    panel.line(box[0] + 214, 24, box[0] + 234, 24, style="second")
    return [panel]
