"""UW502 untied-pixel-shuffle-initialisation."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod, sqrt

import numpy as np

from ...spec import ConvPixelShuffle
from ..context import Context
from ..finding import Finding, Fix, Level
from ..rule import Rule
from ..statistics import SIGMAS, Array, by_phase, is_default_draw


class UntiedPixelShuffleInitialisation(Rule):
    """A freshly initialised convolution in front of a pixel shuffle whose phases are drawn independently.

    ## What it finds
    Weights that still are PyTorch's default draw and whose phases are uncorrelated. Judged by the numbers alone: tied
    (ICNR) and trained weights pass, whatever their classes are called.

    ## Why it is bad
    Training starts from a layer that turns a constant into a checkerboard, and the first steps go into undoing it.

    ## Example
    ```python
    nn.Sequential(nn.Conv2d(64, 256, 3, padding=1), nn.PixelShuffle(2))  # as initialised
    ```

    ## Use instead
    Draw one kernel a channel and repeat it for all phases (ICNR): the layer starts as a nearest resize.
    ```python
    upweave.nn.icnr_(conv, upscale_factor=2)
    ```
    It is a start, no more: training moves the phases apart, and a board may come back (Evidence, in the documentation).
    `upweave.nn.equal_phase_gain(conv, upscale_factor=2)` keeps their gains equal.

    ## Fix safety
    Unsafe: another draw. Before training that is harmless.

    ## References
    - Aitken et al.: Checkerboard artifact free sub-pixel convolution, 2017
    - Shi et al.: Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network, CVPR 2016
    """

    code = "UW502"
    name = "untied-pixel-shuffle-initialisation"
    level = Level.NOTE
    summary = "freshly initialised phases that have nothing in common"
    needs_weights = True

    def check(self, context: Context) -> Iterator[Finding]:
        """Every pixel shuffle directly behind a convolution."""
        for layer in context.upsamplers:
            if not isinstance(layer.spec, ConvPixelShuffle):
                continue
            weight = layer.numbers()
            if weight is None or not is_default_draw(weight, prod(weight.shape[1:])):
                continue
            phases = by_phase(layer, np.asarray(weight, dtype=np.float64))
            p = len(phases)
            correlation = phase_correlation(phases)
            if abs(correlation) > max(0.05, SIGMAS / sqrt(phases[0].size)):
                continue
            message = (
                f"the {p} phases of the pixel shuffle are drawn independently (correlation {correlation:.2f}): "
                "training starts "
                "from a layer that turns a constant into a checkerboard"
            )
            fix = Fix(
                "unsafe",
                "draw one kernel a channel and repeat it for every phase (ICNR)",
                f"conv.weight.data.copy_(conv.weight.data[::{p}].repeat_interleave({p}, dim=0))",
            )
            evidence = {"correlation": round(correlation, 4), "phases": p, "std": float(weight.std())}
            yield self.finding(layer.path, message, evidence=evidence, fix=fix, where=layer.where, node=layer.node)


def phase_correlation(phases: Array) -> float:
    """The mean correlation of two different phases: (‖Σ w_r‖² − Σ‖w_r‖²) / ((P − 1)·Σ‖w_r‖²)."""
    own = float((phases**2).sum())
    together = float((phases.sum(axis=0) ** 2).sum())
    return (together - own) / ((len(phases) - 1) * own) if own and len(phases) > 1 else 1.0
