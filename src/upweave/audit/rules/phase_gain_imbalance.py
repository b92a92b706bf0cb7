"""UW401 phase-gain-imbalance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..context import Context
from ..finding import Finding, Fix, Level
from ..layer import Layer
from ..rule import Rule

THRESHOLD = 2.0
"""dB. The default initialisation of kernel 3, stride 2 has 3 dB on an axis and 6 dB on two; of kernel 5, 1.8 and
3.5."""


class PhaseGainImbalance(Rule):
    """A layer whose weights make some phases of the output stronger than others.

    ## What it finds
    Transposed convolutions, and convolutions in front of a pixel shuffle, whose phases have DC gains of different
    power: 10·log₁₀ of the strongest over the weakest phase, each summed over all pairs of channels, so that single
    channels do not matter. It fires from 2 dB on, and only where independent draws would not differ as much by chance
    (four standard errors, from the number and the kurtosis of the gains): evenly covered layers are balanced when they
    are freshly initialised, kernel 3 stride 2 is not. A note where it is just what uneven coverage makes
    of independent weights, a warning otherwise.

    ## Why it is bad
    The phases are interleaved in the output: if one is louder, every plain area carries a pattern of the stride's
    period, unless layers behind have learned to cancel it. Even coverage does not prevent it, since the phases are
    learned independently.

    ## Example
    ```python
    nn.ConvTranspose2d(64, 32, kernel_size=3, stride=2, padding=1, output_padding=1)  # as initialised: 6 dB
    ```

    ## Use instead
    `upweave.nn.equal_phase_gain(layer)` from the first step on: it keeps the gains of all phases equal during training
    and costs nothing after it. Constants are clear then; what passes a ReLU to another upsampler is weaker, not gone.
    A penalty on the difference of the gains (`upweave.nn.phase_gain_variance`) leaves more. An initialisation that ties
    the phases (`upweave.nn.bilinear_`, `upweave.nn.icnr_`) is for the start: training moves the phases apart again. A
    fixed blur behind the layer removes the pattern and details with it.

    ## Fix safety
    Unsafe: the outputs change, and not always for the better. A trained network cancels a layer's pattern in the layers
    behind; in small autoencoders, equalising one layer alone made the pattern of the output many times stronger
    (Evidence, in the documentation). Equalise all upsampling layers at once, compare both models' outputs with
    `upweave score`, and train on where that is possible.

    ## References
    - Sugawara, Shiota, Kiya: Checkerboard artifacts free convolutional neural networks, APSIPA Transactions, 2019
    - Aitken et al.: Checkerboard artifact free sub-pixel convolution, 2017
    """

    code = "UW401"
    name = "phase-gain-imbalance"
    summary = "the weights make some phases stronger than others"
    needs_weights = True

    def check(self, context: Context) -> Iterator[Finding]:
        """Every upsampler with weights."""
        for layer in context.upsamplers:
            found = context.gains(layer)
            if found is None or found.imbalance < THRESHOLD or not found.beyond_chance(found.imbalance):
                continue
            relative = found.power / found.power.mean()
            expected = _by_coverage(layer)
            structural = expected > 0 and abs(found.imbalance - expected) < 1.0
            message = (
                f"for a constant input the strongest of the {len(relative)} phases is {found.imbalance:.1f} dB "
                f"({10 ** (found.imbalance / 20):.2f} times) above the weakest: plain areas carry a pattern of "
                "the stride's period"
            )
            if structural:
                message += f", as much as its uneven coverage makes of independent weights ({expected:.1f} dB)"
            evidence = {
                "imbalance_db": round(found.imbalance, 3),
                "threshold_db": THRESHOLD,
                "coverage_db": round(expected, 3),
                "power": [round(float(p), 4) for p in relative],
            }
            fix = Fix(
                "unsafe",
                "train with equal gains (upweave.nn.equal_phase_gain); in a trained model equalise all upsampling "
                "layers at once and compare the outputs, since layers behind may cancel this pattern",
            )
            level = Level.NOTE if structural else self.level
            yield self.finding(
                layer.path, message, evidence=evidence, fix=fix, level=level, where=layer.where, node=layer.node
            )


def _by_coverage(layer: Layer) -> float:
    """The imbalance in dB that independent weights of one variance have: the ratio of the numbers of taps."""
    taps = np.array(layer.coverage)
    taps = taps[taps > 0]
    return float(10 * np.log10(taps.max() / taps.min())) if taps.size else 0.0
