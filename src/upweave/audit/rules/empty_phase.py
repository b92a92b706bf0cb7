"""UW102 empty-phase."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd, prod

from ...spec import ConvTranspose
from ..axes import axes_of, code_of, say, widened_spec
from ..context import Context
from ..finding import Finding, Fix, Level
from ..rule import Rule


class EmptyPhase(Rule):
    """A transposed convolution that leaves regular gaps: outputs that no input ever reaches.

    ## What it finds
    Kernels smaller than the stride (gaps of s − k outputs), and dilations that share a factor γ = gcd(d, s) with the
    stride: then the taps hit only every γ-th residue, however large the kernel is.

    ## Why it is bad
    An output that no tap reaches equals the bias, whatever the input is. No weight can change that.

    ## Example
    ```python
    nn.ConvTranspose1d(8, 8, kernel_size=3, stride=2, dilation=2)  # residues receive [3, 0] taps
    ```

    ## Use instead
    ```python
    nn.ConvTranspose1d(8, 8, kernel_size=6, stride=2, padding=1, output_padding=1)
    ```

    ## Fix safety
    Safe with weights: the same kernel written out with zero taps gives the same outputs; training can then fill the
    gaps.

    ## References
    - Dumoulin, Visin: A guide to convolution arithmetic for deep learning, 2016
    - Odena, Dumoulin, Olah: Deconvolution and Checkerboard Artifacts, Distill, 2016
    """

    code = "UW102"
    name = "empty-phase"
    level = Level.ERROR
    summary = "regular gaps between the outputs that any input reaches"

    def check(self, context: Context) -> Iterator[Finding]:
        """Every strided transposed convolution, axis by axis."""
        for layer in context.transposed:
            spec = layer.spec
            assert isinstance(spec, ConvTranspose)
            axes = axes_of(spec, layer.rank)
            empty = [a for a, x in enumerate(axes) if min(x.counts) == 0 and layer.resampler.after[a].extent > 1]
            if not empty:
                continue
            reached = prod(sum(n > 0 for n in x.counts) for x in axes)
            total = prod(x.stride for x in axes)
            x = axes[empty[0]]
            factor = gcd(x.dilation, x.stride)
            if x.kernel < x.stride and factor == 1:
                why = (
                    f"the kernel {x.kernel} is smaller than the stride {x.stride}, which leaves gaps of "
                    f"{x.counts.count(0)}"
                )
            else:
                why = (
                    f"dilation {x.dilation} and stride {x.stride} share the factor {factor}, so that taps hit "
                    "only some residues"
                )
            message = (
                f"{total - reached} of every {total} outputs receive nothing from any input and equal the bias: {why} "
                f"(taps by residue {list(x.counts)}, {say(spec)})"
            )
            wide = widened_spec(layer)
            fix = Fix("display", "choose a kernel at least as large as the stride, and no dilation")
            if wide is not None:
                line = code_of(layer, wide, context.graph.framework)
                fix = Fix(
                    "safe", f"write the kernel out with zero taps, {say(wide)}: the same outputs, then train on", line
                )
            evidence = {
                "coverage": layer.coverage,
                "empty_residues": [[r for r, n in enumerate(x.counts) if n == 0] for x in axes],
                "empty_share": (total - reached) / total,
            }
            yield self.finding(layer.path, message, evidence=evidence, fix=fix, where=layer.where, node=layer.node)
