"""UW201 off-centre-grid."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from ...graph.grid import Grid
from ..context import Context, amount, number
from ..finding import Finding, Fix, Level
from ..layer import Layer
from ..rule import Rule


class OffCentreGrid(Rule):
    """The model's output lies beside its input instead of on it.

    ## What it finds
    Spatial axes of an output, behind an upsampler, whose middle is not the middle of the input that the axis descends
    from, after all crops and pads on the way. Both grids in use are centred: the half-pixel grid (nearest, pixel
    shuffle, kernel 4 stride 2 padding 1) and corner-aligned grids (2n − 1). A shift that a matching encoder cancels, or
    that a causal model trims on purpose, is none, and neither is an output that stands on the half-pixel grid and is
    cut short at one end. An output coarser than the input may lie anywhere between the point grid and the half-pixel
    grid of its encoder.

    A note up to half a sample behind an encoder, and where strided convolutions make the whole shift, each by less than
    one of its input samples, which its kernel can learn to take back; else a warning.

    ## Why it is bad
    Everything that is compared with the output by position is off: targets, masks, overlays, the same picture resized
    by other means. Weights can learn to shift back only by giving up part of their kernel.

    ## Example
    ```python
    nn.ConvTranspose2d(56, 1, kernel_size=9, stride=2, padding=4, output_padding=1)  # the picture moves left by ½
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
            causes = _causes(context, value, found[0][0])
            layer = max(causes, key=lambda c: abs(c[1]))[0] if causes else _last_upsampler(context, value)
            shifts = [shift(g) for _, g in found]
            worst = max(shifts, key=abs)
            grid = found[shifts.index(worst)][1]
            # Behind an encoder half a sample comes from even-sized halvings everywhere; alone it is the layer's own.
            small = grid.step >= 1 and abs(worst) <= Fraction(1, 2)
            level = Level.NOTE if small or _is_learned_away(causes) else self.level
            lengths = "×".join(str(g.root.extent) for _, g in found)
            side = "after" if worst > 0 else "before"
            message = (
                f"output {value} of {_sizes(found)} samples lies {amount(abs(worst))} {side} the middle of the "
                "input: its "
                f"sample n stands at {_map(grid)} of the input, which is {lengths} samples long"
            )
            if causes:
                parts = ", ".join(f"{x.path} {float(by):+g}" for x, by in causes)
                message += f"; away from the half-pixel grid move, in input samples: {parts}"
            evidence: dict[str, Any] = {
                "output": value,
                "dims": [d for d, _ in found],
                "shift": [float(s) for s in shifts],
                "step": [float(g.step) for _, g in found],
                "origin": [float(g.origin) for _, g in found],
            }
            if causes:
                evidence["causes"] = [{"layer": x.path, "input_samples": float(by)} for x, by in causes]
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
    if grid.off_centre == 0 or grid.origin == (grid.step - 1) / 2:
        return False  # on the half-pixel grid, at whichever end samples are missing
    return not (grid.step > 1 and 0 <= grid.origin <= (grid.step - 1) / 2)


def _causes(context: Context, value: str, dim: int) -> list[tuple[Layer, Fraction]]:
    """The layers on the way that do not keep the half-pixel grid, and by how many input samples each moves it.

    Empty if they do not explain the whole shift: crops, pads and blurs have a part in it.
    """
    grid = context.grids.grids[value][dim]
    assert grid is not None
    before = context.ancestors(value)
    out: list[tuple[Layer, Fraction]] = []
    for layer in context.layers:
        r = layer.resampler
        if r.node.output not in before or layer.op == "Slice":
            continue
        for b, a, crop in zip(r.before, r.after, r.crops or ((0, 0),) * len(r.dims), strict=True):
            if (a.root, b.root) != (grid.root, grid.root):
                continue
            moved = a.at(crop[0]) - b.origin - (a.step - b.step) / 2
            if moved:
                out.append((layer, moved))
            break
    total = grid.origin - (grid.step - 1) / 2
    return out if sum((by for _, by in out), Fraction(0)) == total else []


def _is_learned_away(causes: list[tuple[Layer, Fraction]]) -> bool:
    """Whether strided convolutions make the whole shift, each within its own kernel, which can learn it away."""
    return bool(causes) and all(
        x.op == "Conv" and abs(by) < x.resampler.before[0].step and min(a.kernel for a in x.spec.per_axis()) > 1
        for x, by in causes
        if x.spec is not None
    )


def _last_upsampler(context: Context, value: str) -> Layer | None:
    before = context.ancestors(value)
    return next((x for x in reversed(context.upsamplers) if x.resampler.node.output in before), None)


def _fix(layer: Layer | None) -> Fix:
    if layer is not None and layer.op == "ConvTranspose" and any(a["class"] == "phase-0" for a in layer.alignment):
        return Fix(
            "unsafe",
            "nothing strided in front of it matches this layer's phase: use a kernel with the stride's parity and "
            "padding (k − s)/2, which is centred, and train again",
        )
    return Fix("display", "follow the shifts in the list of layers, and move the padding or the crop that makes them")


def _map(grid: Grid) -> str:
    step = "n" if grid.step == 1 else f"{number(grid.step)}·n"
    if grid.origin == 0:
        return step
    return f"{step} {'+' if grid.origin > 0 else '−'} {number(abs(grid.origin))}"


def _sizes(found: list[tuple[int, Grid]]) -> str:
    return "×".join(str(g.extent) for _, g in found)
