"""One axis, drawn: the scatter, gather and zero-insertion views, and the matrix; all linked by their products."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from ...convert.axis import axis_response
from ...spec import ZeroInsertConv
from ...theory.matrix import matrix
from ...theory.spectrum import zero_insert
from ..kit.drawing import row, short, table
from ..kit.figure import Panel
from ..kit.links import show
from ..text import Text
from .study import Study

View: TypeAlias = Literal["scatter", "gather", "insert"]
VIEWS: dict[View, Text] = {
    "scatter": Text("scatter: every input stamps the kernel", "散射：每个输入盖一次核"),
    "gather": Text("gather: every output collects", "聚集：每个输出收集贡献"),
    "insert": Text("zero insertion, then a convolution", "插零，再做卷积"),
}
SIDE = 26


def steps(study: Study, view: View) -> int:
    """How many positions a view can be scrubbed through: inputs to scatter, outputs to gather."""
    return (study.size if view == "scatter" else study.out_size)[0]


def layer_panels(study: Study, view: View, step: int) -> list[Panel]:
    """The chosen view at position `step`, and the layer's matrix Cᵀ."""
    draw = {"scatter": scatter, "gather": gather, "insert": insert}[view]
    return [draw(study, min(step, steps(study, view) - 1)), kernel(study), cells(study)]


def kernel(study: Study) -> Panel:
    """The taps."""
    k, t = len(study.kernel), study.paths[0]
    panel = Panel(Text("Kernel w", "卷积核 w"), max(90, SIDE * k + 2), SIDE + 2)
    row(panel, 1, 1, study.kernel, SIDE, name="w", on=t.of_tap, tip=lambda j: f"w[{j}] = {show(study.kernel[j])}")
    return panel


def cells(study: Study) -> Panel:
    """The layer's own matrix Cᵀ, outputs × inputs."""
    C = matrix(study.spec, study.size, study.weight).toarray()
    t = study.paths[0]
    side = 22 if max(C.shape) <= 12 else 14 if max(C.shape) <= 36 else 9
    head = f"Cᵀ  ({C.shape[0]} × {C.shape[1]})"
    panel = Panel(Text(f"Matrix {head}", f"矩阵 {head}"), max(120, side * C.shape[1] + 2), side * C.shape[0] + 2)
    exists = np.zeros(C.shape, dtype=bool)
    exists[list(t.outputs), list(t.inputs)] = True

    def tip(n: int, i: int) -> str:
        (path,) = t.entry(n, i)
        return f"Cᵀ[{n}, {i}] = w[{t.taps[path]}] = {show(C[n, i])}"

    table(panel, 1, 1, C, side, name="C", on=t.entry, tip=tip, structure=exists)
    return panel


def scatter(study: Study, step: int) -> Panel:
    """Every input times the kernel, one row a stamp, where it lands; below them the sum of the stamps so far.

    Taps that fall over an end are drawn outside the output, crossed out.
    """
    t, x, w = study.paths[0], study.signal, study.kernel
    s, H, out = study.axes[0].stride, study.size[0], study.out_size[0]
    response = axis_response(study.axes[0])
    low, high = min(0, response.low), max(out - 1, s * (H - 1) + response.high)
    left = 40 - low * SIDE
    panel = Panel(
        Text("Scatter: input i stamps w·x[i] at s·i + d·t − p", "散射：输入 i 在 s·i + d·t − p 处盖上 w·x[i]"),
        left + (high + 1) * SIDE + 4,
        SIDE * (H + 3) + 34,
        scrolls=True,
    )
    panel.text(34, 14 + SIDE / 2, "x", anchor="end", style="soft")
    for i in range(H):  # input i stands over its first whole place, s·i
        at = left + s * i * SIDE
        panel.rect(at, 14, SIDE, SIDE, style="cell", name=f"x{i}", on=t.of_input(i), tip=f"x[{i}] = {show(x[i])}")
        panel.text(at + SIDE / 2, 14 + SIDE / 2, short(x[i]), style="small")
        y = 22 + SIDE * (i + 1)
        panel.text(34, y + SIDE / 2, f"i={i}", anchor="end", style="small soft")
        for tap in range(len(w)):
            n = s * i + study.axes[0].dilation * tap - study.axes[0].begin
            path = [j for j in t.of_input(i) if t.taps[j] == tap]
            value = w[tap] * x[i]
            if not path:
                panel.rect(left + n * SIDE + 2, y + 2, SIDE - 4, SIDE - 4, style="cut")
                continue
            panel.rect(
                left + n * SIDE,
                y,
                SIDE,
                SIDE,
                style="cell now" if i == step else "cell later" if i > step else "cell",
                name=f"s{i},{tap}",
                on=path,
                tip=f"y[{n}] += w[{tap}]·x[{i}] = {show(w[tap])}·{show(x[i])} = {show(value)}",
            )
            if i <= step:
                panel.text(left + n * SIDE + SIDE / 2, y + SIDE / 2, short(value), style="small")
    done = np.where(np.arange(H) <= step, x, 0.0)
    sums = matrix(study.spec, study.size, study.weight) @ done
    _outputs(study, panel, left, 30 + SIDE * (H + 1), sums, "y" if step == H - 1 else "Σ")
    return panel


def gather(study: Study, step: int) -> Panel:
    """Inputs above, outputs below, a wire for every product; those of output `step` are drawn strong."""
    t, x = study.paths[0], study.signal
    H, out = study.size[0], study.out_size[0]
    s = study.axes[0].stride
    high = max(out - 1, s * (H - 1))
    panel = Panel(
        Text("Gather: output n collects from every stamp that reaches it", "聚集：输出 n 从够得着它的印记收集"),
        44 + (high + 1) * SIDE,
        SIDE * 7 + 22,
        scrolls=True,
    )
    top, bottom = 14, 14 + SIDE * 5
    panel.text(34, top + SIDE / 2, "x", anchor="end", style="soft")
    for j, (i, n) in enumerate(zip(t.inputs, t.outputs, strict=True)):
        style = "wire now" if n == step else "wire"
        x1, x2 = 40 + (s * i + 0.5) * SIDE, 40 + (n + 0.5) * SIDE
        panel.line(x1, top + SIDE, x2, bottom, style=style, on=[j], name=f"l{j}")
    for i in range(H):
        at = 40 + s * i * SIDE
        panel.rect(at, top, SIDE, SIDE, style="cell", name=f"x{i}", on=t.of_input(i), tip=f"x[{i}] = {show(x[i])}")
        panel.text(at + SIDE / 2, top + SIDE / 2, short(x[i]), style="small")
    _outputs(study, panel, 40, bottom, study.output, "y", step)
    return panel


def insert(study: Study, step: int) -> Panel:
    """Zeros between the inputs and around them; the flipped kernel stands under the window of output `step`.

    The convolution's own padding is p' = d(k−1) − p, and o more zeros follow at the end.
    """
    axis, t = study.axes[0], study.paths[0]
    s, d, k = axis.stride, axis.dilation, axis.kernel
    before = d * (k - 1) - axis.begin
    apart = zero_insert(study.signal, s)[: s * (study.size[0] - 1) + 1]
    after = before + axis.output_padding
    lead = max(0, -before)  # a negative p' crops the expanded signal: the outputs then begin inside it
    line = np.concatenate([np.zeros(max(0, before)), apart, np.zeros(max(0, after))])
    conv = (
        f"ZeroInsertConv p' = {before}"
        if before < 0
        else f"p' = {ZeroInsertConv(k, s, before, axis.output_padding, d).begin}"
    )
    panel = Panel(
        Text(
            f"Zero insertion: {s - 1} zeros between inputs, {conv} around, kernel flipped",
            f"插零：输入之间插 {s - 1} 个零，两端填充 {conv}，核翻转",
        ),
        48 + len(line) * SIDE,
        SIDE * 5 + 40,
        scrolls=True,
    )
    panel.text(34, 14 + SIDE / 2, "x↑", anchor="end", style="soft")
    for m in range(len(line)):
        i, rest = divmod(m - max(0, before), s)
        real = rest == 0 and 0 <= i < study.size[0]
        panel.rect(
            40 + m * SIDE,
            14,
            SIDE,
            SIDE,
            style="cell" if real else "empty",
            name=f"x{i}" if real else None,
            on=t.of_input(i) if real else None,
            tip=f"x[{i}] = {show(study.signal[i])}" if real else None,
        )
        panel.text(
            40 + m * SIDE + SIDE / 2,
            14 + SIDE / 2,
            short(line[m]) if real else "0",
            style="small" if real else "small soft",
        )
    y = 22 + SIDE
    panel.text(34, y + SIDE / 2, "w", anchor="end", style="soft")
    for u in range(k):  # the window reads m = n + d·u, and meets the flipped tap k−1−u
        m, tap = lead + step + d * u, k - 1 - u
        on = [j for j in t.of_output(step) if t.taps[j] == tap]
        panel.rect(
            40 + m * SIDE,
            y,
            SIDE,
            SIDE,
            style="cell now" if on else "empty",
            name=f"f{tap}" if on else None,
            on=on or None,
            tip=f"w[{tap}] = {show(study.kernel[tap])}" if on else None,
        )
        panel.text(
            40 + m * SIDE + SIDE / 2, y + SIDE / 2, short(study.kernel[tap]), style="small" if on else "small soft"
        )
    middle = lead + d * (k - 1) / 2  # output n stands under the middle of its window
    _outputs(study, panel, 40 + middle * SIDE, 34 + 2 * SIDE, study.output, "y", step)
    return panel


def _outputs(
    study: Study, panel: Panel, left: float, y: float, values: object, label: str, step: int | None = None
) -> None:
    """The row of outputs, with their indices below."""
    t = study.paths[0]
    numbers = np.asarray(values, dtype=float)
    panel.text(34, y + SIDE / 2, label, anchor="end", style="soft")

    def tip(n: int) -> str:
        terms = [f"w[{t.taps[j]}]·x[{t.inputs[j]}]" for j in t.of_output(n)]
        return f"y[{n}] = {' + '.join(terms) or '0'} = {show(study.output[n])}"

    for n, value in enumerate(numbers):
        on = t.of_output(n)
        style = "cell now" if n == step else "cell" if on else "empty"
        panel.rect(left + n * SIDE, y, SIDE, SIDE, style=style, name=f"y{n}", on=on or None, tip=tip(n))
        panel.text(left + (n + 0.5) * SIDE, y + SIDE / 2, short(value), style="small")
        panel.text(left + (n + 0.5) * SIDE, y + SIDE + 10, str(n), style="small soft")
