"""UW404 dead-taps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..context import Context
from ..finding import Finding, Fix, Level
from ..rule import Rule
from ..statistics import phase_weights

DEAD = 1e-8
"""A tap is dead if no weight of it exceeds this share of the layer's largest."""


class DeadTaps(Rule):
    """Taps of an upsampler, or whole phases, whose weights are zero in every channel.

    ## What it finds
    Kernel positions that hold nothing but zeros over all pairs of channels. A note for single taps, which a kernel that
    was just widened has; a warning for a whole phase, whose outputs are the bias alone. A layer that is all zeros was
    initialised so on purpose and is left alone.

    ## Why it is bad
    The taps are multiplied all the same; a dead phase is a gap in the output.

    ## Example
    A kernel 3 stored in a kernel 4: 7 of 16 taps are zeros.

    ## Use instead
    Train the widened kernel on, or store the smaller one.

    ## Fix safety
    Display: what was meant is not in the file.

    ## References
    - Molchanov et al.: Pruning Convolutional Neural Networks for Resource Efficient Inference, ICLR 2017
    """

    code = "UW404"
    name = "dead-taps"
    level = Level.NOTE
    summary = "taps or phases whose weights are all zero"
    needs_weights = True

    def check(self, context: Context) -> Iterator[Finding]:
        """Every upsampler with weights."""
        for layer in context.upsamplers:
            phases = phase_weights(layer)
            if phases is None:
                continue
            largest = max((float(np.abs(w).max(initial=0.0)) for w in phases), default=0.0)
            if largest == 0 or not np.isfinite(largest):
                continue
            per_tap = [np.abs(w).max(axis=(0, 1), initial=0.0) <= DEAD * largest for w in phases]
            dead = sum(int(d.sum()) for d in per_tap)
            total = sum(d.size for d in per_tap)
            gone = [r for r, d in enumerate(per_tap) if d.size and d.all()]
            if not dead:
                continue
            message = (
                f"{dead} of {total} taps are zero in every channel and only cost time; a widened kernel "
                "starts so, training fills it"
            )
            if gone:
                message = (
                    f"{len(gone)} of {len(phases)} phases are dead: all their taps are zero in every channel, and "
                    "their outputs "
                    "equal the bias"
                )
            evidence = {"dead": dead, "taps": total, "dead_phases": gone}
            fix = Fix("display", "train on, or store the kernel without them")
            level = Level.WARNING if gone else self.level
            yield self.finding(
                layer.path, message, evidence=evidence, fix=fix, level=level, where=layer.where, node=layer.node
            )
