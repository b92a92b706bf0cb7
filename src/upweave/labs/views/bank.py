"""What the phase bank says: coverage, phases and their gains, the two grids, the spectrum with its images."""

from __future__ import annotations

import numpy as np

from ...theory.alignment import alignment
from ...theory.coverage import coverage, coverage_line
from ...theory.gain import dc_gain
from ...theory.spectrum import frequency_response, ideal_lowpass
from ..kit.drawing import axes, curve, short
from ..kit.figure import Panel, Paths
from ..kit.layer import ALIGNMENTS
from ..kit.links import show
from ..text import Text
from .study import Study


def coverage_panel(study: Study, axis: int = 0) -> Panel:
    """How many products each output of one axis sums, borders included: a bar an output."""
    t, size = study.paths[axis], study.size[axis]
    counts = coverage_line(study.axes[axis], size).reshape(-1)
    inner = coverage(study.axes[axis]).reshape(-1)
    most = max(1, int(counts.max()))
    wide = max(8.0, min(26.0, 300 / len(counts)))
    head = f"[{', '.join(map(str, inner))}]"
    panel = Panel(
        _titled(study, axis, f"Coverage: interior {head}", f"覆盖数：内部为 {head}"),
        max(200, 26 + wide * len(counts)),
        128,
        scrolls=True,
    )
    for level in range(most + 1):
        panel.line(22, 106 - 84 * level / most, 22 + wide * len(counts), 106 - 84 * level / most, style="grid")
        if most <= 6 or level in (0, most):
            panel.text(16, 106 - 84 * level / most, str(level), anchor="end", style="small soft")
    for n, count in enumerate(counts):
        high = 84 * int(count) / most
        on = t.of_output(n)
        panel.rect(
            22 + n * wide + 1,
            106 - max(high, 2.0),
            wide - 2,
            max(high, 2.0),
            style="first" if count else "second",
            name=f"c{n}",
            on=_on(study, axis, on),
            tip=Text(f"output {n}: {int(count)} products", f"输出 {n}：{int(count)} 次乘法"),
        )
        if wide >= 14 or n % 4 == 0:
            panel.text(22 + (n + 0.5) * wide, 118, str(n), style="small soft")
    return panel


def phases_panel(study: Study, axis: int = 0) -> Panel:
    """The phases of one axis: which taps each has, and for one axis alone their weights and gain."""
    t, layer = study.paths[axis], study.axes[axis]
    s, k = layer.stride, layer.kernel
    cell, left = 26, 74
    line = study.rank == 1
    panel = Panel(
        _titled(study, axis, f"Phases: {s} filters, interleaved", f"相位：{s} 个滤波器交错排列"),
        left + cell * k + (96 if line else 6),
        cell * (s + 1) + 2,
        scrolls=True,
    )
    gains = dc_gain(study.bank).reshape(-1) if line else None
    for tap in range(k):
        panel.text(left + (tap + 0.5) * cell, cell / 2, f"w{tap}", style="small soft")
    if line:
        panel.text(left + k * cell + 10, cell / 2, Text("gain", "增益"), anchor="start", style="small soft")
    for r in range(s):
        y = cell * (r + 1)
        panel.text(left - 8, y + cell / 2, f"n = {s}q+{r}" if s > 1 else "n = q", anchor="end", style="small soft")
        of_phase = [j for j, n in enumerate(t.outputs) if n % s == r]
        for tap in range(k):
            here = (layer.dilation * tap - layer.begin) % s == r
            on = [j for j in of_phase if t.taps[j] == tap]
            value = study.kernel[tap] if line else tap
            panel.rect(
                left + tap * cell,
                y,
                cell,
                cell,
                style="cell" if here else "empty",
                name=f"h{r},{tap}" if here else None,
                on=_on(study, axis, on) if here and on else None,
                tip=Text(f"phase {r} has tap {tap}", f"相位 {r} 有抽头 {tap}") if here else None,
            )
            if here:
                panel.text(left + (tap + 0.5) * cell, y + cell / 2, short(value) if line else "•", style="small")
        if gains is not None:
            panel.text(left + k * cell + 10, y + cell / 2, show(float(gains[r])), anchor="start", style="strong")
    return panel


def grid_panel(study: Study, axis: int = 0) -> Panel:
    """Where the inputs' footprints have their centres in the output, against the half-pixel grid and the point grid."""
    t, found = study.paths[axis], alignment(study.axes[axis]).axes[0]
    s, H, out = found.stride, study.size[axis], study.out_size[axis]
    low, high = min(-1.0, float(found.centre(0)) - 0.5), max(out, float(found.centre(H - 1)) + 0.5, s * H)
    unit = max(8.0, min(24.0, 330 / (high - low)))
    panel = Panel(
        _titled(
            study,
            axis,
            f"Grids: f(n) = {s}·n {_signed(found.offset)}, {ALIGNMENTS[found.kind].en}",
            f"网格：f(n) = {s}·n {_signed(found.offset)}，{ALIGNMENTS[found.kind].zh}",
        ),
        (high - low) * unit + 20,
        112,
        note=Text(
            "Dots: centres of the footprints. Rings: where the half-pixel grid would have them.",
            "实心点：印记的中心；圆环：半像素网格的理想位置。",
        ),
        scrolls=True,
    )

    def at(position: float) -> float:
        return 10 + (position + 0.5 - low) * unit

    for n in range(out):
        panel.rect(
            at(n - 0.5),
            70,
            unit,
            22,
            style="cell",
            name=f"g{n}",
            on=_on(study, axis, t.of_output(n)),
            tip=Text(f"output {n}", f"输出 {n}"),
        )
    for i in range(H):
        ideal, real = s * i + (s - 1) / 2, float(found.centre(i))
        on = _on(study, axis, t.of_input(i))
        panel.rect(
            at(ideal - s / 2) + 1,
            12,
            s * unit - 2,
            22,
            style="cell",
            name=f"i{i}",
            on=on,
            tip=Text(
                f"input {i} covers outputs {s * i} to {s * i + s - 1} of the picture",
                f"输入 {i} 在画面上对应输出 {s * i} 到 {s * i + s - 1}",
            ),
        )
        panel.text(at(ideal), 23, str(i), style="small soft")
        panel.line(at(ideal), 34, at(real), 81, style="wire", on=on)
        panel.circle(at(ideal), 81, 5.5, style="hollow")
        panel.circle(
            at(real),
            81,
            3.2,
            style="dot",
            name=f"f{i}",
            on=on,
            tip=f"f({i}) = {found.centre(i)}, {s}·{i} + {s - 1}/2 = {show(ideal)}",
        )
    return panel


def spectrum_panel(study: Study, axis: int = 0) -> Panel:
    """|H(e^{jω})| of the layer against the ideal filter, from 0 to π; the bands of the images are marked.

    Of two axes, the response along one at frequency 0 of the other.
    """
    n = 256
    line = study.kernel if study.rank == 1 else study.kernel.sum(axis=1 - axis)  # the other axis at frequency 0
    response = np.abs(frequency_response(study.axes[axis], line.reshape(1, 1, -1), n=n))[0, 0]
    s = study.axes[axis].stride
    half = n // 2 + 1
    ideal = ideal_lowpass(s, n)[:half] * (response[0] / s if response[0] else 1.0)
    top = max(float(response.max()), float(ideal.max()), 1e-9) * 1.08
    panel = Panel(
        _titled(study, axis, "Spectrum |H|, and the ideal low-pass (dashed)", "频谱 |H|，虚线为理想低通"),
        330,
        156,
        note=Text(
            f"Images stand at multiples of 2π/{s}; what |H| leaves there is a checkerboard.",
            f"镜像位于 2π/{s} 的整数倍处；|H| 在那里剩下的就是棋盘伪影。",
        )
        if s > 1
        else None,
    )
    box, limits = (38.0, 8.0, 284.0, 118.0), (0.0, float(np.pi), 0.0, top)
    for m in range(1, s // 2 + 1):
        middle = 2 * np.pi * m / s
        low, high = middle - np.pi / s, min(np.pi, middle + np.pi / s)
        panel.rect(38 + low / np.pi * 284, 8, (high - low) / np.pi * 284, 118, style="band")
        panel.line(38 + middle / np.pi * 284, 8, 38 + middle / np.pi * 284, 126, style="dashed")
    ticks = [(0.0, "0"), (np.pi / 2, "π/2"), (np.pi, "π")]
    axes(panel, box, limits, ticks, [(0.0, "0"), (top / 1.08, show(float(f"{top / 1.08:.3g}")))])
    w = np.linspace(0, np.pi, half)
    curve(panel, box, w.tolist(), ideal.tolist(), limits, "dashed")
    curve(panel, box, w.tolist(), response[:half].tolist(), limits, "first")
    return panel


def _titled(study: Study, axis: int, en: str, zh: str) -> Text:
    """A title that says which axis a picture is of, where there are two."""
    if study.rank == 1:
        return Text(en, zh)
    if study.is_square:
        return Text(f"{en} (each axis)", f"{zh}（每个轴）")
    return Text(f"{en} ({('rows', 'columns')[axis]})", f"{zh}（{'行列'[axis]}）")


def _on(study: Study, axis: int, on: list[int]) -> Paths | None:
    """Paths of one axis, with every path of the other where there are two."""
    if not on:
        return None
    if study.rank == 1:
        return on
    return [on, None] if axis == 0 else [None, on]


def _signed(value: object) -> str:
    text = show(value)
    return f"− {text[1:]}" if text.startswith("−") else f"+ {text}"
