"""UW104 compounding-coverage."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from ...graph.grid import Grid
from ..context import Context
from ..finding import Finding, Fix
from ..rule import Rule

SHOWN = 64
"""Composite patterns are written into the evidence up to this period."""


class CompoundingCoverage(Rule):
    """Several unevenly covered layers on one path, whose patterns multiply.

    ## What it finds
    At least two transposed convolutions with uneven coverage behind each other, where the number of paths from input
    to output varies more than behind any one of them alone. Reported once, at the last layer of the chain. The pattern
    counts what lies between them too: a stride-1 convolution adds up neighbours and evens the pattern out.

    ## Why it is bad
    Each layer adds a checkerboard of its own period, and the coarse one is upsampled by the next: patterns appear on
    several scales at once and their ratios multiply.

    ## Example
    ```python
    nn.Sequential(
        nn.ConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),
    )
    ```

    ## Use instead
    Kernels that are multiples of their strides (`kernel_size=4, stride=2, padding=1`) in every layer.

    ## Fix safety
    As for uneven-coverage: widening with zero taps keeps the outputs.

    ## References
    - Odena, Dumoulin, Olah: Deconvolution and Checkerboard Artifacts, Distill, 2016 (stacked layers)
    """

    code = "UW104"
    name = "compounding-coverage"
    summary = "uneven layers behind each other, whose patterns multiply"
    needs_topology = True

    def check(self, context: Context) -> Iterator[Finding]:
        """The last layer of every chain of uneven layers."""
        chains = {x.node: {n for g in x.resampler.after for n in g.uneven} for x in context.transposed}
        for layer in context.transposed:
            names = chains[layer.node]
            own = _ratio_of(layer.coverage)
            if len(names) < 2 or own <= 1 or any(names < other for other in chains.values()):
                continue
            grids = layer.resampler.after
            if any(min(g.pattern) == 0 for g in grids):
                continue  # gaps, which empty-phase speaks of
            composite = prod(_ratio(g) for g in grids)
            others = [context.by_node[n] for n in names if n in context.by_node]
            alone = max([_ratio_of(x.coverage) for x in others], default=1.0)
            if composite <= alone:
                continue
            paths = [x.path for x in sorted(others, key=lambda x: context.order[x.node])]
            message = (
                f"{len(paths)} unevenly covered layers behind each other ({', '.join(paths)}): behind the last, "
                "the busiest "
                f"outputs receive {composite:.4g} times as many paths from the input as the quietest, against "
                f"{alone:.4g} times for one layer alone; the pattern repeats every {_times(grids)} samples"
            )
            evidence = {
                "layers": paths,
                "ratio": composite,
                "ratio_alone": alone,
                "pattern": [list(g.pattern[:SHOWN]) for g in grids],
                "period": [len(g.pattern) for g in grids],
            }
            fix = Fix("display", "give each of these layers a kernel that is a multiple of its stride")
            yield self.finding(layer.path, message, evidence=evidence, fix=fix, where=layer.where, node=layer.node)


def _ratio(grid: Grid) -> float:
    return max(grid.pattern) / min(grid.pattern)


def _ratio_of(coverage: Any) -> float:
    counts = np.array(coverage)
    low = int(counts.min())
    return int(counts.max()) / low if low else float("inf")


def _times(grids: tuple[Grid, ...]) -> str:
    return "×".join(str(len(g.pattern)) for g in grids)
