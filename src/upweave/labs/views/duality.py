"""Lab 2, drawn: the wires of a layer read three ways, a kernel's phases while it learns, and gradients that come back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import upweave

from ...bank import Array
from ...spec import Conv, ConvTranspose
from ...theory.coverage import coverage_line
from ...theory.sizes import output_size
from ..kit.drawing import always, row, table
from ..kit.figure import Panel
from ..kit.links import show
from ..kit.paths import paths
from ..text import Text


def wires(spec: Conv | ConvTranspose, H: int, w: Array, sums: Mapping[str, Array]) -> list[Panel]:
    """Inputs above, outputs below and a wire for every product, with all that the wires sum; and the weights."""
    found = paths(spec, H)
    x, g, y, gx, gw = (sums[n] for n in ("x", "g", "y", "gx", "gw"))
    side, gap = 34, 84
    widest = max(len(x), len(y))
    left = 62
    wide = Panel(
        Text("Inputs above, outputs below, a wire for every product", "上为输入，下为输出，每根连线是一次乘法"),
        left + side * widest + 2,
        4 * side + gap + 12,
    )
    x0 = left + (widest - len(x)) * side / 2
    y0 = left + (widest - len(y)) * side / 2
    top, bottom = 2 * side + 4, 2 * side + 4 + gap

    def term(j: int, *which: str) -> str:
        each = {
            "x": show(x[found.inputs[j]]),
            "w": show(w[found.taps[j]]),
            "g": show(g[found.outputs[j]]),
        }
        return "·".join(each[n] for n in which)

    def total(name: str, these: list[int], value: float, *which: str) -> str:
        return f"{name} = {' + '.join(term(j, *which) for j in these) or '0'} = {show(value)}"

    for j, (i, n) in enumerate(zip(found.inputs, found.outputs, strict=True)):
        wide.line(x0 + (i + 0.5) * side, top, y0 + (n + 0.5) * side, bottom, style="wire", on=[j], name=f"p{i},{n}")
    lines = (
        ("x", x, x0, 1, found.of_input, lambda i: f"x[{i}] = {show(x[i])}"),
        (
            "gx",
            gx,
            x0,
            1 + side,
            found.of_input,
            lambda i: total(f"∂𝓛/∂x[{i}]", found.of_input(i), float(gx[i]), "w", "g"),
        ),
        ("y", y, y0, bottom, found.of_output, lambda n: total(f"y[{n}]", found.of_output(n), float(y[n]), "x", "w")),
        ("g", g, y0, bottom + side, found.of_output, lambda n: f"g[{n}] = ∂𝓛/∂y[{n}] = {show(g[n])}"),
    )
    for name, values, at, level, on, tip in lines:
        row(wide, at, level, values, side, name=name, on=on, tip=tip)
    for level, label in ((1, "x"), (1 + side, "∂𝓛/∂x"), (bottom, "y"), (bottom + side, "g")):
        wide.text(left - 10, level + side / 2, label, anchor="end", style="soft")
    narrow = Panel(Text("Weights", "权重"), 62 + side * len(w) + 2, 2 * side + 2)
    row(narrow, 62, 1, w, side, name="w", on=found.of_tap, tip=lambda t: f"w[{t}] = {show(w[t])}")
    row(
        narrow,
        62,
        1 + side,
        gw,
        side,
        name="gw",
        on=found.of_tap,
        tip=lambda t: total(f"∂𝓛/∂w[{t}]", found.of_tap(t), gw[t], "x", "g"),
    )
    narrow.text(52, 1 + side / 2, "w", anchor="end", style="soft")
    narrow.text(52, 1 + 1.5 * side, "∂𝓛/∂w", anchor="end", style="soft")
    return [wide, narrow]


def learning(up: ConvTranspose, n: int) -> list[Panel]:
    """Which samples of the gradient each tap learns from: a row for each phase."""
    (one,) = up.per_axis(1)
    found = paths(up, n)
    s, k, p = one.stride, one.kernel, one.begin
    long = found.shape[0]
    x = np.arange(1.0, n + 1)
    g = np.resize([1.0, 2.0, -1.0], long)
    gw = upweave.weight_gradient(up, x, g)
    side, left = 34, 66
    signal = Panel(Text("Input x", "输入 x"), side * n + 2, side + 2)
    row(signal, 1, 1, x, side, name="a", on=found.of_input, tip=lambda i: f"x[{i}] = {show(x[i])}")
    most = -(-k // s)
    kernel = Panel(
        Text("∂𝓛/∂w, tap by tap, a row for each phase", "∂𝓛/∂w 的各抽头，每个相位一行"),
        left + side * most + 2,
        (side + 8) * s,
    )
    grads = Panel(
        Text("Upstream gradient g, a row for each phase", "上游梯度 g，每个相位一行"),
        left + side * -(-long // s) + 2,
        (side + 8) * s,
    )

    def tap(t: int) -> str:
        terms = [f"{show(x[found.inputs[j]])}·{show(g[found.outputs[j]])}" for j in found.of_tap(t)]
        return f"∂𝓛/∂w[{t}] = {' + '.join(terms) or '0'} = {show(gw[t])}"

    for r in range(s):
        level = 1 + r * (side + 8)
        label = Text(f"phase {r}", f"相位 {r}")
        for panel in (kernel, grads):
            panel.text(left - 8, level + side / 2, label, anchor="end", style="soft")
        # no cropping moves a tap's phase: (t − p) mod s
        members = [t for t in range(k) if (t - p) % s == r]
        for a, t in enumerate(members):
            row(
                kernel,
                left + a * side,
                level,
                [gw[t]],
                side,
                name=f"t{t}:",
                on=always(found.of_tap(t)),
                tip=always(tap(t)),
            )
        for a, m in enumerate(range(r, long, s)):
            row(
                grads,
                left + a * side,
                level,
                [g[m]],
                side,
                name=f"g{m}:",
                on=always(found.of_output(m)),
                tip=always(f"g[{m}] = {show(g[m])}"),
            )
    return [signal, kernel, grads]


def returned(up: ConvTranspose, conv: Conv, size: int) -> list[Panel]:
    """Through how many taps each pixel of a map of size × size that `conv` reads gets its gradient, by its adjoint."""
    small = int(output_size(conv, size))
    counts = coverage_line(up, (small, small))
    side = 24
    map_ = Panel(
        Text("Taps that bring each pixel its gradient", "每个像素的梯度所经过的抽头数"),
        side * size + 2,
        side * size + 2,
    )
    table(
        map_,
        1,
        1,
        counts.astype(float),
        side,
        name="m",
        structure=np.ones(counts.shape, dtype=bool),
        on=lambda r, c: [r * size + c],
        tip=lambda r, c: Text(f"pixel ({r}, {c}): {counts[r, c]} taps", f"像素 ({r}, {c})：{counts[r, c]} 个抽头"),
    )
    return [map_]
