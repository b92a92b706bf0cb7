"""Layers behind each other, along one axis: the whole stack's bank, its coverage, and the cone of every sample."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
import numpy.typing as npt

from ...bank import PhaseBank
from ...convert.forward import phase_bank
from ...spec import ConvTranspose
from ...theory.sizes import output_size
from ..kit.figure import Panel
from ..kit.layer import refusal
from ..kit.paths import PathTable, paths
from ..text import Text

MOST_PATHS = 6000
MOST_OUTPUTS = 96


@dataclass(frozen=True)
class Stack:
    """Layers of one axis, first to last, over an input of `size`. Two of the same layers and size are equal."""

    layers: tuple[ConvTranspose, ...]
    size: int

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The length of the input and of every layer's output."""
        out = [self.size]
        for layer in self.layers:
            out.append(int(output_size(layer, out[-1])))
        return tuple(out)

    @cached_property
    def bank(self) -> PhaseBank:
        """The bank of the whole stack, with kernels of ones: exact where no tap of any layer reads past a border."""
        return reduce(lambda first, second: second @ first, (phase_bank(layer) for layer in self.layers))

    @cached_property
    def tables(self) -> tuple[PathTable, ...]:
        """Which products each layer makes."""
        return tuple(paths(layer, n) for layer, n in zip(self.layers, self.sizes[:-1], strict=True))

    @cached_property
    def lines(self) -> npt.NDArray[np.int64]:
        """Every way through the stack, borders included: rows of the sample it takes in the input and behind each
        layer, shape (ways, layers + 1)."""
        ways = np.arange(self.size)[:, None]
        for t in self.tables:
            leaving: dict[int, list[int]] = {}
            for i, n in zip(t.inputs, t.outputs, strict=True):
                leaving.setdefault(i, []).append(n)
            ways = np.array([[*way, n] for way in ways.tolist() for n in leaving.get(way[-1], [])], dtype=np.int64)
            ways = ways.reshape(-1, ways.shape[1] if ways.ndim == 2 and len(ways) else len(self.layers) + 1)
        return ways

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many ways lead to each output, borders included."""
        return np.bincount(self.lines[:, -1], minlength=self.sizes[-1])


CHAINS: dict[str, tuple[Text, tuple[ConvTranspose, ...]]] = {
    "dcgan": (Text("DCGAN: k4 s2 p1, four times", "DCGAN：k4 s2 p1 四次"), (ConvTranspose(4, 2, 1),) * 4),
    "cyclegan": (
        Text("CycleGAN: k3 s2 p1 o1, twice", "CycleGAN：k3 s2 p1 o1 两次"),
        (ConvTranspose(3, 2, 1, 1),) * 2,
    ),
    "unet": (Text("U-Net: k2 s2, three times", "U-Net：k2 s2 三次"), (ConvTranspose(2, 2),) * 3),
    "fcn": (Text("FCN-8s: k4 s2, k4 s2", "FCN-8s：k4 s2、k4 s2"), (ConvTranspose(4, 2),) * 2),
    "hifigan": (
        Text("HiFi-GAN V1: last two, k4 s2 p1", "HiFi-GAN V1：末两层 k4 s2 p1"),
        (ConvTranspose(4, 2, 1),) * 2,
    ),
}
"""Published chains, by name: what they are called, and their layers along one axis."""


def why_not(stack: Stack) -> Text | None:
    """Why the stack cannot be drawn: a layer that gives no output, or too much of it; None where it can."""
    size = stack.size
    for layer in stack.layers:
        if (why := refusal(layer, size)) is not None:
            return why
        size = int(output_size(layer, size))
    if fits(stack):
        return None
    return Text(
        f"{size} outputs with so many ways to each are too many to draw; take fewer layers or inputs.",
        f"{size} 个输出、路径太多，画不下；请减少层数或输入。",
    )


def fits(stack: Stack) -> bool:
    """Whether the stack is small enough to be drawn."""
    ways = 1.0
    for layer in stack.layers:
        ways *= int(layer.per_axis(1)[0].kernel)
    return stack.size * ways <= MOST_PATHS and stack.sizes[-1] <= MOST_OUTPUTS


def panels(stack: Stack) -> list[Panel]:
    """All that is drawn of a stack."""
    return [cone_panel(stack), counts_panel(stack)]


def cone_panel(stack: Stack) -> Panel:
    """A row for the input and for every layer's output; pointing at a sample lights up all ways through it."""
    unit = max(7.0, min(26.0, 760 / stack.sizes[-1]))
    total = stack.sizes[-1] / stack.size
    gap = 46.0
    panel = Panel(
        Text("Every way through the stack", "穿过整个堆叠的所有路径"),
        30 + unit * max(stack.sizes[-1], total * stack.size) + 4,
        gap * len(stack.layers) + 34,
        scrolls=True,
    )

    def x(level: int, m: int) -> float:
        return 30 + (m + 0.5) * unit * stack.sizes[-1] / stack.sizes[level]

    for level, t in enumerate(stack.tables):
        for i, n in zip(t.inputs, t.outputs, strict=True):
            on = np.flatnonzero((stack.lines[:, level] == i) & (stack.lines[:, level + 1] == n)).tolist()
            if on:
                panel.line(x(level, i), 20 + gap * level, x(level + 1, n), 6 + gap * (level + 1), style="wire", on=on)
    for level, size in enumerate(stack.sizes):
        panel.text(20, 13 + gap * level, str(level), anchor="end", style="small soft")
        wide = min(26.0, unit * stack.sizes[-1] / size)
        for m in range(size):
            on = np.flatnonzero(stack.lines[:, level] == m).tolist()
            panel.rect(
                x(level, m) - wide / 2 + 0.5,
                4 + gap * level,
                wide - 1,
                18,
                style="cell" if on else "empty",
                name=f"{level}:{m}",
                on=on or None,
                tip=Text(
                    f"sample {m} behind {level} layers: {len(on)} ways",
                    f"第 {level} 层之后的样本 {m}：{len(on)} 条路径",
                ),
            )
    return panel


def counts_panel(stack: Stack) -> Panel:
    """How many ways lead to each output of the stack."""
    unit = max(3.0, min(26.0, 760 / len(stack.counts)))
    most = max(1, int(stack.counts.max(initial=0)))
    panel = Panel(
        Text("Ways to each output: how uneven layers multiply", "到达每个输出的路径数：不均匀如何相乘"),
        30 + unit * len(stack.counts) + 4,
        120,
        scrolls=True,
    )
    for level in (0, most):
        panel.line(30, 106 - 90 * level / most, 30 + unit * len(stack.counts), 106 - 90 * level / most, style="grid")
        panel.text(25, 106 - 90 * level / most, str(level), anchor="end", style="small soft")
    for n, count in enumerate(stack.counts):
        high = max(2.0, 90 * int(count) / most)
        on = np.flatnonzero(stack.lines[:, -1] == n).tolist()
        panel.rect(
            30 + n * unit + 0.5,
            106 - high,
            max(unit - 1, 1.5),
            high,
            style="first" if count else "second",
            name=f"n{n}",
            on=on or None,
            tip=Text(f"output {n}: {int(count)} ways", f"输出 {n}：{int(count)} 条路径"),
        )
    return panel
