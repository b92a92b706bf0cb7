"""UW402 weak-image-rejection."""

from __future__ import annotations

from collections.abc import Iterator
from math import isinf

import numpy as np

from ...graph.ir import Pad, Reshape, Slice
from ...spec import ConvTranspose
from ..context import Context, is_pointwise
from ..finding import Finding, Fix, Level
from ..layer import Layer
from ..rule import Rule

AT_OUTPUT = 12.0
"""dB. A pattern of a quarter of the level: plainly visible where the layer makes the picture itself."""


class WeakImageRejection(Rule):
    """A layer that lets images of the spectrum through: patterns that its input does not have.

    ## What it finds
    For a constant input, the level that is kept over the strongest pattern at 2πm/s, in dB, over all pairs of
    channels. Where the layer makes the model's output itself, less than 12 dB is a warning. Inside the model,
    features need not be smooth, and only images stronger than the signal (below 0 dB) are reported, as a note.
    Weights that look like independent draws, whose images are as strong as the signal by chance, are left alone:
    nobody has trained them. So is the inverse of an orthogonal transform of s samples a block (Haar, a block DCT):
    what one channel's images are is what another codes.

    ## Why it is bad
    Upsampling repeats the spectrum s times; the kernel has to remove the repetitions. What it leaves is a checkerboard.

    ## Example
    ```python
    nn.ConvTranspose1d(1, 1, kernel_size=2, stride=2).weight.data[:] = torch.tensor([1.0, 0.2])  # 3.5 dB
    ```

    ## Use instead
    A kernel whose phases have equal sums: nearest (1, 1), linear (1, 2, 1)/2, or any kernel convolved with s ones.

    ## Fix safety
    Unsafe: the outputs change.

    ## References
    - Crochiere, Rabiner: Multirate Digital Signal Processing, 1983
    - Karras et al.: Alias-Free Generative Adversarial Networks, NeurIPS 2021
    """

    code = "UW402"
    name = "weak-image-rejection"
    summary = "the kernel hardly removes the images that upsampling makes"
    needs_weights = True
    needs_topology = True

    def check(self, context: Context) -> Iterator[Finding]:
        """Every upsampler with weights that are no random draw."""
        for layer in context.upsamplers:
            found = context.gains(layer)
            if found is None or not found.reached.all():
                continue
            rejection = found.rejection
            last = _makes_output(context, layer)
            threshold = AT_OUTPUT if last else 0.0
            if rejection >= threshold or isinf(rejection) or not found.beyond_chance(rejection):
                continue
            if _inverts_a_transform(layer):
                continue
            level = Level.WARNING if last else Level.NOTE
            message = (
                f"a constant input comes out with a pattern {abs(rejection):.1f} dB "
                f"{'below' if rejection >= 0 else 'above'} its "
                f"own level ({10 ** (-rejection / 20):.2f} times as strong): the kernel hardly removes the images "
                "of upsampling"
            )
            evidence = {"rejection_db": round(rejection, 3), "threshold_db": threshold, "at_output": last}
            fix = Fix("unsafe", "train with a penalty on the images, or convolve the kernel with s ones")
            yield self.finding(
                layer.path, message, evidence=evidence, fix=fix, level=level, where=layer.where, node=layer.node
            )


def _inverts_a_transform(layer: Layer) -> bool:
    """Whether the blocks of a kernel = stride layer are orthogonal, equally long, and as many as their samples."""
    spec, numbers = layer.spec, layer.numbers()
    if not isinstance(spec, ConvTranspose) or numbers is None:
        return False
    if any(a.kernel != a.stride for a in spec.per_axis(layer.rank)):
        return False
    blocks = np.asarray(numbers, dtype=np.float64).reshape(spec.groups, len(numbers) // spec.groups, -1)
    if blocks.shape[1] != blocks.shape[2]:
        return False
    products = blocks @ blocks.swapaxes(1, 2)
    even = products[:, :1, :1] * np.eye(blocks.shape[1])
    return bool(np.abs(products - even).max() <= 1e-3 * np.abs(products).max())


def _makes_output(context: Context, layer: Layer) -> bool:
    """Whether nothing but point-wise functions, crops and pads stands between the layer and an output."""
    seen = {layer.resampler.node.output}
    queue = list(seen)
    while queue:
        value = queue.pop()
        if value in context.graph.outputs:
            return True
        for node in context.consumers.get(value, ()):
            if (is_pointwise(node.op) or isinstance(node.op, (Pad, Slice, Reshape))) and node.output not in seen:
                seen.add(node.output)
                queue.append(node.output)
    return False
