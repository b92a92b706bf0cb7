"""Which products a layer makes: every path input i → tap t → output n of one axis, read off the layer's own matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...spec import Conv, ConvTranspose
from ...theory.matrix import matrix


@dataclass(frozen=True)
class PathTable:
    """The paths of one axis, numbered: path j takes input `inputs[j]` through tap `taps[j]` to output `outputs[j]`."""

    inputs: tuple[int, ...]
    taps: tuple[int, ...]
    outputs: tuple[int, ...]
    shape: tuple[int, int]

    def of_input(self, i: int) -> list[int]:
        """The numbers of the paths that leave input i."""
        return list(self._ends[0].get(i, ()))

    def of_tap(self, t: int) -> list[int]:
        """The numbers of the paths through tap t."""
        return list(self._ends[1].get(t, ()))

    def of_output(self, n: int) -> list[int]:
        """The numbers of the paths that arrive at output n."""
        return list(self._ends[2].get(n, ()))

    def entry(self, n: int, i: int) -> list[int]:
        """The path of matrix entry (n, i), in a list; empty where the entry is structurally zero."""
        return [j for j in self.of_output(n) if self.inputs[j] == i]

    @cached_property
    def _ends(self) -> tuple[dict[int, list[int]], ...]:
        """By input, tap and output: the paths that have it."""
        out: tuple[dict[int, list[int]], ...] = ({}, {}, {})
        for found, values in zip(out, (self.inputs, self.taps, self.outputs), strict=True):
            for j, v in enumerate(values):
                found.setdefault(v, []).append(j)
        return out


def paths(spec: ConvTranspose | Conv, size: int) -> PathTable:
    """The paths of a one-axis layer over an input of `size`.

    Its matrix is taken with weight t+1 at tap t, so that each entry names its tap; no tap of such a layer meets another
    in one entry. Raises `SpecError` where the output would be empty.
    """
    taps = np.arange(1.0, int(spec.per_axis(1)[0].kernel) + 1)
    found = matrix(spec, size, taps.reshape(1, 1, -1)).tocoo()
    order = np.lexsort((found.row, found.col))
    rows, cols, values = (np.asarray(a)[order].astype(int).tolist() for a in (found.row, found.col, found.data))
    return PathTable(tuple(cols), tuple(v - 1 for v in values), tuple(rows), tuple(found.shape))
