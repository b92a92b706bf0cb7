"""UW403 phase-bias-imbalance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...spec import ConvPixelShuffle
from ..context import Context
from ..finding import Finding, Fix
from ..rule import Rule
from ..statistics import by_phase

THRESHOLD = 0.25
"""Spread of the bias over an output's own size. PyTorch's default draw has 1/√fan-in: 0.04 at 64 channels, kernel 3."""


class PhaseBiasImbalance(Rule):
    """A convolution in front of a pixel shuffle whose bias differs from phase to phase.

    ## What it finds
    The root mean square, over the channels, of the standard deviation of the bias over a channel's phases, compared
    with the size of the layer's output for a white input of variance 1 (the norm of a row of weights). It fires from
    a quarter on.

    ## Why it is bad
    The bias is added whatever the input is: different biases for the phases are a checkerboard that is always there. A
    transposed convolution has one bias a channel and cannot do this.

    ## Example
    ```python
    nn.Sequential(nn.Conv2d(64, 4 * 3, 3, padding=1), nn.PixelShuffle(2))  # 4 biases for each of 3 channels
    ```

    ## Use instead
    `bias=False` in the convolution and one bias a channel behind the shuffle, or biases that are equal over the phases.

    ## Fix safety
    Unsafe: replacing the biases by their means changes the outputs by the pattern that they made.

    ## References
    - Aitken et al.: Checkerboard artifact free sub-pixel convolution, 2017
    """

    code = "UW403"
    name = "phase-bias-imbalance"
    summary = "the bias differs from phase to phase"
    needs_weights = True

    def check(self, context: Context) -> Iterator[Finding]:
        """Every pixel shuffle directly behind a convolution with a bias."""
        for layer in context.upsamplers:
            if not isinstance(layer.spec, ConvPixelShuffle):
                continue
            bias, weight = layer.numbers("bias"), layer.numbers()
            if bias is None or weight is None:
                continue
            by = by_phase(layer, np.asarray(bias, dtype=np.float64))
            size = float(np.sqrt((np.asarray(weight, dtype=np.float64) ** 2).sum() / len(weight)))
            spread = float(np.sqrt(by.var(axis=0).mean()))
            if size == 0 or not np.isfinite(spread) or spread / size < THRESHOLD:
                continue
            channel = int(by.var(axis=0).argmax())
            message = (
                f"the biases of the {len(by)} phases of a channel differ by {spread / size:.0%} of the output's size "
                f"(standard deviation {spread:.3g}): a checkerboard that is there whatever the input is"
            )
            evidence = {
                "spread": spread,
                "output_size": size,
                "ratio": round(spread / size, 4),
                "worst_channel": channel,
                "worst_biases": [round(float(b), 6) for b in by[:, channel]],
            }
            fix = Fix("unsafe", "give all phases of a channel the mean of their biases")
            yield self.finding(layer.path, message, evidence=evidence, fix=fix, where=layer.where, node=layer.node)
