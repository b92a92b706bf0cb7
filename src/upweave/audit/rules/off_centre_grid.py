"""UW201 off-centre-grid."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from ...graph.grid import Grid
from ..context import Context, amount
from ..finding import Finding, Fix, Level
from ..layer import Layer
from ..rule import Rule


class OffCentreGrid(Rule):
    """The model's output lies beside its input instead of on it.

    ## What it finds
    Spatial axes of an output, behind an upsampler, whose middle is not the middle of the input that the axis descends
    from, after all crops and pads on the way. Both grids in use are centred: the half-pixel grid (nearest, pixel
    shuffle, kernel 4 stride 2 padding 1) and corner-aligned grids (2n − 1). A shift that a matching encoder cancels, or
    that a causal model trims on purpose, is none. An output coarser than the input may lie anywhere between the point
    grid and the half-pixel grid of its encoder.

    ## Why it is bad
    Everything that is compared with the output by position is off: targets, masks, overlays, the same picture resized
    by other means. Weights can learn to shift back only by giving up part of their kernel.

    ## Example
    ```python
    nn.ConvTranspose2d(56, 1, kernel_size=9, stride=2, padding=4, output_padding=1)  # half an output sample to the left
    ```

    ## Use instead
    ```python
    nn.ConvTranspose2d(56, 1, kernel_size=10, stride=2, padding=4)
    ```

    ## Fix safety
    Unsafe: the output moves. Trained weights have learned to live with the shift; train again.

    ## References
    - Dong, Loy, Tang: Accelerating the Super-Resolution Convolutional Neural Network (FSRCNN), ECCV 2016
    - Aitken et al.: Checkerboard artifact free sub-pixel convolution, 2017
    """

    code = "UW201"
    name = "off-centre-grid"
    summary = "the output's grid is not centred on the input's"
    needs_topology = True

    def check(self, context: Context) -> Iterator[Finding]:
        """Every spatial axis of every output that descends from an input."""
        for value in context.graph.outputs:
            grids = context.grids.grids.get(value, ())
            found = [(d, g) for d, g in enumerate(grids) if g is not None and is_off_centre(g)]
            if not found:
                continue
            node = context.producers.get(value)
            layer = next((x for x in reversed(context.upsamplers) if _leads_to(context, x, value)), None)
            shifts = [shift(g) for _, g in found]
            worst = max(shifts, key=abs)
            grid = found[shifts.index(worst)][1]
            # Behind an encoder half a sample comes from even-sized halvings everywhere; alone it is the layer's own.
            level = Level.NOTE if grid.step >= 1 and abs(worst) <= Fraction(1, 2) else self.level
            side = "after" if worst > 0 else "before"
            message = (
                f"output {value} of {_sizes(found)} samples lies {amount(abs(worst))} {side} the middle of the input: its "
                f"sample n stands at {_map(grid)} of the input, which is {grid.root.extent} samples long"
            )
            evidence: dict[str, Any] = {
                "output": value,
                "dims": [d for d, _ in found],
                "shift": [float(s) for s in shifts],
                "step": [float(g.step) for _, g in found],
                "origin": [float(g.origin) for _, g in found],
            }
            if layer is not None:
                evidence["alignment"] = layer.alignment
            yield self.finding(
                layer.path if layer is not None else (node.path if node is not None else ""),
                message,
                evidence=evidence,
                fix=_fix(layer),
                level=level,
                where=layer.where if layer is not None else None,
                node=layer.node if layer is not None else (node.name if node is not None else ""),
            )


def shift(grid: Grid) -> Fraction:
    """How far the middle of a grid lies behind the middle of its root, in its own samples."""
    return grid.off_centre / abs(grid.step)


def is_off_centre(grid: Grid) -> bool:
    """Whether a grid that came up from a model input is displaced beyond what either convention explains."""
    root = grid.root
    if root.kind != "input" or root.extent <= 1 or not grid.upsampled or grid.extent <= 1:
        return False
    if grid.off_centre == 0:
        return False
    return not (grid.step > 1 and 0 <= grid.origin <= (grid.step - 1) / 2)


def _leads_to(context: Context, layer: Layer, value: str) -> bool:
    return value in context.descendants(layer.resampler.node.output)


def _fix(layer: Layer | None) -> Fix:
    if layer is not None and any(a["class"] == "phase-0" for a in layer.alignment):
        return Fix(
            "unsafe",
            "nothing strided in front of it matches this layer's phase: use a kernel with the stride's parity and "
            "padding (k − s)/2, which is centred, and train again",
        )
    return Fix("display", "follow the shifts in the list of layers, and move the padding or the crop that makes them")


def _map(grid: Grid) -> str:
    step = "n" if grid.step == 1 else f"{grid.step}·n"
    if grid.origin == 0:
        return step
    return f"{step} {'+' if grid.origin > 0 else '−'} {abs(grid.origin)}"


def _sizes(found: list[tuple[int, Grid]]) -> str:
    return "×".join(str(g.extent) for _, g in found)
