"""Two axes, drawn: the same views as of one, on grids; and the matrix, whole where it is small, else by its axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...theory.matrix import linear_operator
from ...theory.spectrum import zero_insert
from ..kit.figure import Panel
from ..text import Text
from .line import View
from .study import Study

ROOM = 300.0
MOST_ROWS = 600
"""Up to so many outputs the matrix is drawn whole."""


def steps(study: Study, view: View) -> int:
    """How many positions a view can be scrubbed through, row by row."""
    return int(np.prod(study.size if view == "scatter" else study.out_size))


def layer_panels(study: Study, view: View, step: int) -> list[Panel]:
    """The chosen view at position `step` (row-major), and the layer's matrix."""
    step = min(step, steps(study, view) - 1)
    first, out = {"scatter": _scatter, "gather": _gather, "insert": _insert}[view](study, step)
    return [first, _kernel(study), out, *_matrices(study)]


def _scatter(study: Study, step: int) -> tuple[Panel, Panel]:
    at = np.unravel_index(step, study.size)
    done = study.signal.reshape(-1).copy()
    done[step + 1 :] = 0
    sums = (linear_operator(study.spec, study.size, study.weight) @ done).reshape(study.out_size)
    source = _input(study)
    _frame(source, _cell(study.size), [(int(i), int(i)) for i in at])
    out = _output(study, sums, Text("Outputs: stamps so far, added up", "输出：到目前为止各印记之和"))
    reach = [[t.outputs[j] for j in t.of_input(int(i))] for t, i in zip(study.paths, at, strict=True)]
    if all(reach):
        _frame(out, _cell(study.out_size), [(min(r), max(r)) for r in reach])
    return source, out


def _gather(study: Study, step: int) -> tuple[Panel, Panel]:
    at = np.unravel_index(step, study.out_size)
    source, out = _input(study), _output(study, study.output, Text("Output y", "输出 y"))
    _frame(out, _cell(study.out_size), [(int(n), int(n)) for n in at])
    reads = [[t.inputs[j] for j in t.of_output(int(n))] for t, n in zip(study.paths, at, strict=True)]
    if all(reads):
        _frame(source, _cell(study.size), [(min(r), max(r)) for r in reads])
    return source, out


def _insert(study: Study, step: int) -> tuple[Panel, Panel]:
    at = np.unravel_index(step, study.out_size)
    out = _output(study, study.output, Text("Output y", "输出 y"))
    _frame(out, _cell(study.out_size), [(int(n), int(n)) for n in at])
    expanded = study.signal
    lines: list[list[list[int]]] = []
    frames: list[tuple[int, int]] = []
    for a, (axis, n) in enumerate(zip(study.axes, at, strict=True)):
        before = _before(axis)
        apart = np.moveaxis(zero_insert(np.moveaxis(expanded, a, -1), axis.stride), -1, a)
        apart = apart.take(range(axis.stride * (study.size[a] - 1) + 1), axis=a)
        pads = [(0, 0), (0, 0)]
        pads[a] = (max(0, before), max(0, before + axis.output_padding))
        expanded = np.pad(apart, pads)
        real = {max(0, before) + axis.stride * i: study.paths[a].of_input(i) for i in range(study.size[a])}
        lines.append([real.get(m, []) for m in range(expanded.shape[a])])
        start = int(n) + max(0, -before)
        frames.append((start, start + axis.dilation * (axis.kernel - 1)))
    cell = _cell(expanded.shape)
    panel = Panel(
        Text("Zeros inserted and around; the window of one output", "插零并填充；框为一个输出的窗口"),
        cell * expanded.shape[1] + 4,
        cell * expanded.shape[0] + 4,
    )
    panel.grid(2, 2, cell, expanded, lines[0], lines[1], "x")
    _frame(panel, cell, frames)
    return panel, out


def _before(axis: Any) -> int:
    """p' = d(k−1) − p, the padding of the convolution after zero insertion."""
    return int(axis.dilation * (axis.kernel - 1) - axis.begin)


def _input(study: Study) -> Panel:
    cell = _cell(study.size)
    panel = Panel(Text("Input x", "输入 x"), max(90.0, cell * study.size[1] + 4), cell * study.size[0] + 4)
    lines = [[t.of_input(i) for i in range(n)] for t, n in zip(study.paths, study.size, strict=True)]
    panel.grid(2, 2, cell, study.signal, lines[0], lines[1], "x")
    return panel


def _kernel(study: Study) -> Panel:
    cell = 18.0
    panel = Panel(
        Text("Kernel w", "卷积核 w"), max(90.0, cell * study.kernel.shape[1] + 4), cell * study.kernel.shape[0] + 4
    )
    lines = [[t.of_tap(j) for j in range(k)] for t, k in zip(study.paths, study.kernel.shape, strict=True)]
    panel.grid(2, 2, cell, study.kernel, lines[0], lines[1], "w")
    return panel


def _output(study: Study, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], title: Text) -> Panel:
    cell = _cell(study.out_size)
    panel = Panel(title, max(90.0, cell * study.out_size[1] + 4), cell * study.out_size[0] + 4)
    lines = [[t.of_output(n) for n in range(size)] for t, size in zip(study.paths, study.out_size, strict=True)]
    panel.grid(2, 2, cell, values, lines[0], lines[1], "y")
    return panel


def _matrices(study: Study) -> list[Panel]:
    rows, columns = int(np.prod(study.out_size)), int(np.prod(study.size))
    if rows <= MOST_ROWS:
        cell = max(0.9, min(12.0, 330.0 / max(rows, columns)))
        head = f"Cᵀ  ({rows} × {columns})"
        panel = Panel(Text(f"Matrix {head}", f"矩阵 {head}"), max(120.0, cell * columns + 4), cell * rows + 4)
        panel.product(2, 2, cell, study.paths, study.kernel, "C")
        return [panel]
    return [_axis_matrix(study, a) for a in range(2)]


def _axis_matrix(study: Study, axis: int) -> Panel:
    """Which output of an axis reads which input: one factor of the whole matrix's structure."""
    t, layer = study.paths[axis], study.axes[axis]
    cell = max(3.0, min(14.0, ROOM / t.shape[0]))
    names = (Text("Rows", "行"), Text("Columns", "列"))[axis]
    panel = Panel(
        Text(
            f"{names.en}: {t.shape[0]} × {t.shape[1]} of the matrix",
            f"矩阵的{names.zh}因子：{t.shape[0]} × {t.shape[1]}",
        ),
        max(150.0, cell * t.shape[1] + 4),
        cell * t.shape[0] + 4,
    )
    panel.factor(2, 2, cell, t, axis, (layer.stride, layer.dilation, layer.begin), "rc"[axis])
    return panel


def _cell(size: tuple[int, ...]) -> float:
    return max(4.0, min(22.0, ROOM / max(size)))


def _frame(panel: Panel, cell: float, spans: list[tuple[int, int]]) -> None:
    (top, bottom), (left, right) = spans
    panel.rect(2 + left * cell, 2 + top * cell, (right - left + 1) * cell, (bottom - top + 1) * cell, style="window")
