"""UW101 uneven-coverage."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...graph.ir import Convolution, Op, Pad, Reshape, Slice
from ...spec import ConvTranspose
from ..axes import axes_of, code_of, say, widened_spec
from ..context import Context, is_linear_pointwise
from ..finding import Finding, Fix
from ..layer import Layer
from ..rule import Rule


class UnevenCoverage(Rule):
    """A transposed convolution that reaches some outputs with more taps than others.

    ## What it finds
    Transposed convolutions whose kernel is not a multiple of the stride on some axis, so that the number of taps that
    an output receives depends on its position: C(n) is ⌊k/s⌋ or ⌊k/s⌋ + 1 by n mod s. Silent where a fixed blur
    directly behind the layer removes the pattern whatever the weights are (its taps add up alike over every residue,
    as in StyleGAN2), and on axes of a single input sample.

    ## Why it is bad
    Outputs that sum more products are larger by default, and weights must learn to undo that. Where they do not, the
    output carries a checkerboard of the period of the stride.

    ## Example
    ```python
    nn.ConvTranspose2d(64, 32, kernel_size=3, stride=2, padding=1, output_padding=1)  # 1, 2 or 4 taps
    ```

    ## Use instead
    ```python
    nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1)  # 4 taps everywhere
    ```

    ## Fix safety
    Safe with weights: a kernel widened with zero taps gives the same outputs, and further training can fill them.
    Even coverage makes equal gains easier to learn; it does not force them (see phase-gain-imbalance): small networks
    with k4 s2 ended with patterns about as strong as with k3 s2 (Evidence, in the documentation).
    `upweave.nn.equal_phase_gain(layer)`, before training, keeps the gains equal, whatever k is.

    ## References
    - Odena, Dumoulin, Olah: Deconvolution and Checkerboard Artifacts, Distill, 2016
    - Karras et al.: Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020
    """

    code = "UW101"
    name = "uneven-coverage"
    summary = "outputs receive different numbers of taps by their position"

    def check(self, context: Context) -> Iterator[Finding]:
        """Every strided transposed convolution, axis by axis."""
        for layer in context.transposed:
            spec = layer.spec
            assert isinstance(spec, ConvTranspose)
            axes = axes_of(spec, layer.rank)
            uneven = [
                a
                for a, (x, grid) in enumerate(zip(axes, layer.resampler.before, strict=True))
                if min(x.counts) > 0 and len(set(x.counts)) > 1 and grid.extent > 1
            ]
            if not uneven or _is_blurred(context, layer, [axes[a].stride for a in uneven]):
                continue
            counts = np.array(layer.coverage)
            seen = sorted({int(n) for n in counts.flat})
            first = axes[uneven[0]]
            message = (
                f"outputs receive {_either(seen)} taps by their position, because the kernel {first.kernel} is not a "
                f"multiple of the stride {first.stride} ({say(spec)}): they differ in size by default, and the output "
                f"carries a pattern of period {first.stride} unless the weights learn to undo it"
            )
            variance = float(np.var(counts))
            evidence = {"coverage": layer.coverage, "taps": seen, "ratio": seen[-1] / seen[0], "variance": variance}
            yield self.finding(
                layer.path, message, evidence=evidence, fix=_fix(context, layer), where=layer.where, node=layer.node
            )


def _fix(context: Context, layer: Layer) -> Fix:
    wide = widened_spec(layer)
    if wide is None:
        return Fix("display", "choose a kernel that is a multiple of the stride")
    line = code_of(layer, wide, context.graph.framework)
    return Fix("safe", f"widen the kernel with zero taps to {say(wide)}: the same outputs, then train on", line)


def _either(numbers: list[int]) -> str:
    head = ", ".join(map(str, numbers[:-1]))
    return f"{head} or {numbers[-1]}" if head else str(numbers[-1])


def _is_blurred(context: Context, layer: Layer, strides: list[int]) -> bool:
    """Whether fixed depthwise filters, and nothing else, read the layer, and remove every pattern of its period.

    A filter whose taps add up to the same over every residue modulo s has zeros at 2πm/s. Without numbers a depthwise
    filter of a multiple of s taps is taken for one.
    """
    readers = list(context.readers(layer.resampler.node.output, _is_transparent))
    if not readers:
        return False
    for node in readers:
        op = node.op
        if not isinstance(op, Convolution) or not op.in_channels == op.out_channels == op.spec.groups:
            return False
        axes = op.spec.per_axis()
        if len(axes) != layer.rank or any(a.stride > 1 for a in axes):
            return False
        weight = node.weights["weight"].load() if "weight" in node.weights else None
        for i, s in enumerate(a.stride for a in axes_of(layer.spec, layer.rank)):  # type: ignore[arg-type]
            if s not in strides or s == 1:
                continue
            if weight is None:
                if axes[i].kernel % s or axes[i].dilation > 1:
                    return False
                continue
            lines = np.moveaxis(np.asarray(weight, dtype=np.float64), 2 + i, -1)
            residue = np.arange(lines.shape[-1]) * axes[i].dilation % s
            sums = np.stack([lines[..., residue == r].sum(-1) for r in range(s)])
            if np.abs(sums - sums.mean(0)).max() > 1e-3 * np.abs(lines).max():
                return False
    return True


def _is_transparent(op: Op) -> bool:
    """What may stand between the layer and its blur; a reshape folds channels into the batch."""
    return is_linear_pointwise(op) or isinstance(op, (Pad, Slice, Reshape))
