"""Which input sizes survive the round trip through a model."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from .extents import Conflict, Extents, Unknown
from .grid import Grid, GridMap, Root
from .infer import infer
from .ir import Graph, Shape
from .load import load

LONGEST_PERIOD = 256


@dataclass(frozen=True)
class AxisSizes:
    """The sizes of one input axis that a model maps to output of the size it promises.

    Attributes:
        input, dim: which dimension of which input.
        size: the size that the model was read at; always counted as valid, since it runs.
        period: validity repeats with this period (the coarsest sampling step inside the model).
        residues: the valid sizes modulo `period`.
        least: the smallest valid size.
        failure: what goes wrong at the nearest larger size that is not valid; "" if there is none.
        fixed: True where the model holds a tensor (a position embedding) that fits the recorded size alone.
    """

    input: str
    dim: int
    size: int
    period: int
    residues: tuple[int, ...]
    least: int
    failure: str = ""
    fixed: bool = False

    @property
    def is_free(self) -> bool:
        """True if every size from `least` on is valid."""
        return len(self.residues) == self.period

    def __contains__(self, size: int) -> bool:
        return size == self.size or (size >= self.least and size % self.period in self.residues)

    def sizes(self, upto: int) -> list[int]:
        """The valid sizes up to and including `upto`."""
        return [n for n in range(self.least, upto + 1) if n in self]

    def __str__(self) -> str:
        if not self.residues:
            return f"only {self.size}" + (", which a tensor inside the model has been made for" if self.fixed else "")
        least = f", at least {self.least}"
        if self.is_free:
            return f"every size{least}"
        if self.residues == (0,):
            return f"multiples of {self.period}{least}"
        many = ", ".join(map(str, self.residues))
        return f"sizes that leave {many} when divided by {self.period}{least}"


@dataclass(frozen=True)
class ValidSizes:
    """The valid sizes of every spatial axis of a model's inputs; `unknown` says why an axis is missing."""

    axes: tuple[AxisSizes, ...]
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{a.input}[{a.dim}]: {a}" for a in self.axes]
        return "\n".join([*lines, *(f"unknown: {u}" for u in self.unknown)])


def sizes_of(grids: GridMap) -> ValidSizes:
    """The valid input sizes of a graph, one axis at a time, the others as they were recorded.

    Where an axis cannot change alone because another input's has to be as long, both change together.
    """
    graph = grids.graph
    if not graph.has_topology:
        return ValidSizes((), ("the model was read without its topology",))
    axes: list[AxisSizes] = []
    unknown: list[str] = []
    roots = sorted({r for r in grids.spatial if r.kind == "input"}, key=lambda r: (graph.inputs.index(r.value), r.dim))
    for root in roots:
        if root.extent == 1:
            continue
        try:
            axis = _axis(grids, root, ())
            if not axis.residues and (tied := _twins(graph, root)):
                # Inputs that meet sample by sample (an image and its mask) only change size together.
                axis = _axis(grids, root, tied)
            if not axis.residues and not axis.fixed:
                # A model that nothing ties to one size runs at some other: what the graph says then was misread.
                raise Unknown(f"no other size was found to work ({axis.failure})")
            axes.append(axis)
        except Unknown as reason:
            unknown.append(f"{root.value}[{root.dim}]: {reason}")
    return ValidSizes(tuple(axes), tuple(unknown))


def _twins(graph: Graph, root: Root) -> tuple[tuple[str, int], ...]:
    """The axes of other inputs that are as long and, counted from the end, stand at the same place."""
    back = root.dim - len(graph.shapes[root.value])
    others = ((v, graph.shapes[v]) for v in graph.inputs if v != root.value)
    return tuple((v, len(s) + back) for v, s in others if len(s) >= -back and s[back] == root.extent)


def _axis(grids: GridMap, root: Root, tied: tuple[tuple[str, int], ...]) -> AxisSizes:
    """The valid sizes of one input axis; `tied` axes of other inputs take its size."""
    graph, name, dim = grids.graph, root.value, root.dim
    size = graph.shapes[name][dim]
    found = [g for row in grids.grids.values() for g in row if g is not None and _is(g, name, dim)]
    period = lcm(*(g.step.numerator for g in found)) if found else 1
    if period > LONGEST_PERIOD:
        raise Unknown(f"validity repeats only every {period} samples")
    # The model promises round trips on the outputs whose grid came back up.
    promised = [
        (v, a, 1 / g.step)
        for v in graph.outputs
        for a, g in enumerate(grids.grids.get(v, ()))
        if g is not None and _is(g, name, dim) and g.upsampled and g.step <= 1
    ]
    extents = Extents(graph)

    fixed: set[int] = set()

    def outcome(n: int) -> tuple[str, tuple[Fraction, ...]]:
        """(why the model does not run, samples too many on each promised output) for an input of n samples."""
        shapes: dict[str, Shape] = {}
        for v, a in ((name, dim), *tied):
            shapes[v] = (*graph.shapes[v][:a], n, *graph.shapes[v][a + 1 :])
        try:
            new = extents.at(shapes)
        except Conflict as conflict:
            if conflict.fixed:
                fixed.add(n)
            return f"{conflict.node.path or conflict.node.name}: {conflict}", ()
        # An output resized to a size that somebody computed is what it was meant to be.
        return "", tuple(Fraction(0) if v in extents.sized else new[v][a] - ratio * n for v, a, ratio in promised)

    def window_of(period: int) -> dict[int, tuple[str, tuple[Fraction, ...]]]:
        first = (size // period + 1) * period
        return {n: outcome(n) for n in range(first, first + period)}

    window = window_of(period)
    # A branch pooled to one sample has lost its grid, and with it its part in the period.
    while not fixed and 2 * period <= LONGEST_PERIOD and all(why for why, _ in window.values()):
        period *= 2
        window = window_of(period)
    first = min(window)
    excesses = {excess for why, excess in window.values() if not why}
    # An output that is off by the same amount at every size is a design (valid convolutions), no accident.
    exact = (Fraction(0),) * len(promised)
    wanted = exact if exact in excesses else outcome(size)[1]

    def failure(n: int) -> str:
        why, excess = window[n] if n in window else outcome(n)
        if why or excess == wanted:
            return why
        bad = next(i for i, (e, w) in enumerate(zip(excess, wanted, strict=True)) if e != w)
        value, _, ratio = promised[bad]
        return f"{value} has {ratio * n + excess[bad]} samples instead of {ratio * n + wanted[bad]}"

    residues = tuple(sorted(n % period for n in window if not failure(n)))
    near = next((f"at {n}: {why}" for n in window if n > size and (why := failure(n))), "")
    if not residues:
        return AxisSizes(name, dim, size, period, (), size, near, fixed=bool(fixed))
    period, residues = _shortest(period, residues)
    small = (n for n in range(1, first + 1) if n % period in residues)
    least = next((n for n in small if not failure(n)), first)
    return AxisSizes(name, dim, size, period, residues, least, near)


def _shortest(period: int, residues: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The same set of sizes with the least period that describes it."""
    for short in range(1, period):
        kept = {r % short for r in residues}
        if period % short == 0 and len(kept) * (period // short) == len(residues):
            return short, tuple(sorted(kept))
    return period, residues


def _is(grid: Grid, name: str, dim: int) -> bool:
    return (grid.root.value, grid.root.dim) == (name, dim)


def valid_sizes(target: Any, inputs: Any = None) -> ValidSizes:
    """Which input sizes survive the round trip through a model: it runs, and its output has the size it promises.

    `target` and `inputs` are those of `upweave.audit`. The sizes are derived from the model's graph, recorded at the
    given inputs, one axis at a time; the model itself does not run. Raises `ModelError` if it cannot be read.
    """
    return sizes_of(infer(load(target, inputs)[0]))
