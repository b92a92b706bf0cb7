"""UW501 wrong-fan-initialisation."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod, sqrt

from ...graph.ir import TransposedConvolution
from ...theory.fans import fans
from ..context import Context
from ..finding import Finding, Fix, Level
from ..rule import Rule
from ..statistics import is_default_draw

FACTOR = 4.0
"""How far the variance may be off before it is reported. The k = s U-Net decoder, C_in = 2·C_out, is off by 2 in
2-D."""


class WrongFanInitialisation(Rule):
    """A transposed convolution that is freshly initialised with an ordinary convolution's fan-in.

    ## What it finds
    Weights that still are PyTorch's default draw, U(−1/√f, 1/√f) with f = (C_out/g)·∏k, where an output sums only
    (C_in/g)·∏k/∏s products: the roles of the channels are exchanged, and the stride divides. It fires where the
    variance of the output is off by more than 4, against the same rule with the right fan-in. Trained weights pass.

    ## Why it is bad
    Signals shrink or grow at every such layer from the first step on: by (C_in/C_out)/∏s in variance.

    ## Example
    ```python
    nn.ConvTranspose2d(21, 21, kernel_size=16, stride=8, padding=4)  # output variance 64 times too small
    ```

    ## Use instead
    ```python
    upweave.nn.he_uniform_(layer)  # within ±√(6/fan-in), for the fan-in (C_in/g)·∏k/s
    ```

    ## Fix safety
    Unsafe: another draw. Before training that is harmless.

    ## References
    - He et al.: Delving Deep into Rectifiers, ICCV 2015
    - Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010
    """

    code = "UW501"
    name = "wrong-fan-initialisation"
    level = Level.NOTE
    summary = "freshly initialised with an ordinary convolution's fan-in"
    needs_weights = True

    def check(self, context: Context) -> Iterator[Finding]:
        """Every strided transposed convolution whose weights are a default draw."""
        for layer in context.transposed:
            op = layer.resampler.node.op
            if not isinstance(op, TransposedConvolution):
                continue
            spec = op.spec
            taps = prod(a.kernel for a in spec.per_axis(layer.rank))
            used = op.out_channels // spec.groups * taps
            fan_in, fan_out = fans(spec, op.in_channels, op.out_channels)
            ratio = fan_in / used
            if 1 / FACTOR <= ratio <= FACTOR:
                continue
            weight = layer.numbers()
            if weight is None or not is_default_draw(weight, used):
                continue
            off = f"{ratio:.3g} times too large" if ratio > 1 else f"{1 / ratio:.3g} times too small"
            bound = 1 / sqrt(fan_in)
            message = (
                f"the weights are PyTorch's default draw for a fan-in of {used}, but an output of this layer sums "
                f"{fan_in:g} products: its variance starts {off}"
            )
            evidence = {
                "fan_in": fan_in,
                "fan_out": fan_out,
                "fan_in_used": used,
                "variance_ratio": ratio,
                "std": float(weight.std()),
                "std_he": sqrt(2 / fan_in),
                "std_glorot": sqrt(2 / (fan_in + fan_out)),
            }
            fix = Fix(
                "unsafe",
                "draw the weights for the right fan-in",
                f"nn.init.uniform_(layer.weight, {-bound:.6g}, {bound:.6g})",
            )
            yield self.finding(layer.path, message, evidence=evidence, fix=fix, where=layer.where, node=layer.node)
