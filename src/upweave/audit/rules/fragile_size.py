"""UW301 fragile-size."""

from __future__ import annotations

from collections.abc import Iterator

from ...graph.sizes import AxisSizes, sizes_of
from ..context import Context
from ..finding import Finding, Fix, Level
from ..rule import Rule


class FragileSize(Rule):
    """Input sizes that do not survive the way down and up again.

    ## What it finds
    Input axes of which only some sizes work: at the others the model raises (a skip does not fit) or quietly returns
    another size than it does for its neighbours. Layers that halve with rounding and double without are the cause. A
    warning where the audited size itself is such a one, else a note with the sizes that work. Silent where the model
    holds a tensor made for one size (a position embedding): that is a model of one size, not a fragile one, and
    `upweave sizes` says so. The sizes follow from the graph as it was recorded: a model whose code takes another branch
    at other sizes may handle more of them.

    ## Why it is bad
    It works on the 256×256 crops of training and fails on the first photograph.

    ## Example
    ```python
    unet(torch.zeros(1, 3, 250, 250))  # four halvings: 250 is no multiple of 16
    ```

    ## Use instead
    Pad the input up to the next valid size and crop the output back; `upweave sizes` lists the valid ones.

    ## Fix safety
    Display: padding and cropping belong around the model.

    ## References
    - Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015 (tile
    sizes)
    """

    code = "UW301"
    name = "fragile-size"
    level = Level.NOTE
    summary = "only some input sizes survive the round trip"
    needs_topology = True

    def check(self, context: Context) -> Iterator[Finding]:
        """One finding for every input whose axes are not free, axes with the same sizes together."""
        if not any(x.resampler.is_upsampler for x in context.upsamplers):
            return
        groups: dict[tuple[str, str, bool], list[AxisSizes]] = {}
        for axis in sizes_of(context.grids).axes:
            if not (axis.is_free or axis.fixed):
                groups.setdefault((axis.input, str(axis), axis.size in axis), []).append(axis)
        for (value, words, fits), axes in groups.items():
            dims = " and ".join(str(a.dim) for a in axes)
            dims, takes = (f"dims {dims}", "take") if len(axes) > 1 else (f"dim {dims}", "takes")
            size = "×".join(str(a.size) for a in axes)
            works = f"{dims} of input {value} {takes} {words}"
            why = axes[0].failure
            if not axes[0].residues:
                message = f"{dims} of input {value} {takes} only the size {size}" + (f"; {why}" if why else "")
            elif fits:
                message = works + (f"; {why}" if why else "")
            else:
                message = f"the audited size {size} is not valid: {works}"
            evidence = {
                "input": value,
                "dims": [a.dim for a in axes],
                "size": [a.size for a in axes],
                "period": [a.period for a in axes],
                "residues": [list(a.residues) for a in axes],
                "least": [a.least for a in axes],
                "failure": why,
            }
            fix = Fix("display", "pad the input up to a valid size and crop the output back")
            yield self.finding("", message, evidence=evidence, fix=fix, level=self.level if fits else Level.WARNING)
