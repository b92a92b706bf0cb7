"""UW103 uncovered-border."""

from __future__ import annotations

from collections.abc import Iterator

from ...spec import ConvTranspose
from ...theory.coverage import coverage_line
from ..axes import axes_of, say
from ..context import Context
from ..finding import Finding, Fix
from ..rule import Rule


class UncoveredBorder(Rule):
    """A transposed convolution whose last outputs no input reaches.

    ## What it finds
    An output padding larger than the padding at the end: the last o − p outputs lie behind the last tap of the last
    input. Silent where those outputs are cropped directly behind the layer, and where they merely continue the
    interior's gaps (empty-phase).

    ## Why it is bad
    Those outputs equal the bias at every position of the border: a seam along the right and bottom edge.

    ## Example
    ```python
    nn.ConvTranspose2d(64, 32, kernel_size=2, stride=2, output_padding=1)  # the last row and column are bias only
    ```

    ## Use instead
    A kernel that reaches them: `kernel_size=3, stride=2, padding=0, output_padding=0` has the same size, or pad the
    output explicitly in a way that suits the data.

    ## Fix safety
    Unsafe: the border changes. That is the point.

    ## References
    - PyTorch documentation: ConvTranspose2d (output_padding)
    - Dumoulin, Visin: A guide to convolution arithmetic for deep learning, 2016
    """

    code = "UW103"
    name = "uncovered-border"
    summary = "outputs at the border that no input reaches"

    def check(self, context: Context) -> Iterator[Finding]:
        """Every transposed convolution, along its finite line."""
        for layer in context.upsamplers:
            if not isinstance(layer.spec, ConvTranspose):
                continue
            spec = layer.spec
            found: list[int] = []
            for a, (x, grid) in enumerate(zip(axes_of(spec, layer.rank), layer.resampler.before, strict=True)):
                line = [int(n) for n in coverage_line(spec.per_axis(layer.rank)[a], grid.extent)]
                cut = layer.resampler.crops[a] if layer.resampler.crops else (0, 0)
                kept = line[max(cut[0], 0) : len(line) - max(cut[1], 0)]
                tail = len(kept) - max((n + 1 for n, c in enumerate(kept) if c), default=0)
                counts = x.counts
                missing = sum(1 for n in range(len(line) - tail, len(line)) if counts[n % x.stride] > 0)
                found.append(tail if missing else 0)
            if not any(found):
                continue
            worst = max(found)
            samples = "sample" if worst == 1 else "samples"
            message = (
                f"the last {worst} {samples} of the output receive nothing from any input and equal the bias: the "
                "output "
                f"padding is larger than the padding ({say(spec)})"
            )
            fix = Fix(
                "unsafe", f"widen the kernel by {worst} and take {worst} off the output padding: the border is reached"
            )
            evidence = {"uncovered_end": found}
            yield self.finding(layer.path, message, evidence=evidence, fix=fix, where=layer.where, node=layer.node)
