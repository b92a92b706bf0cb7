"""UW302 crop-or-pad-repair."""

from __future__ import annotations

from collections.abc import Iterator

from ...graph.ir import Concat, Convolution, Merge, Node, Op, Pad, Pool, Reshape, Slice, TransposedConvolution
from ...spec import ConvTranspose
from ..axes import Axis, as_spec, axes_of, code_of, say
from ..context import Context, is_pointwise
from ..finding import Finding, Fix, Level
from ..layer import Layer
from ..rule import Rule


class CropOrPadRepair(Rule):
    """A crop or pad that exists only because an upsampler returns the wrong size.

    ## What it finds
    Slices and pads directly behind an upsampler (point-wise layers between) on the axes that it upsamples, in front
    of a merge or an output: crops that the layer's own padding would make for nothing, and pads that invent the
    samples that it failed to make, among them pads by zero that only act at other sizes (one finding for all). Causal
    trims on the right, and the padding in front of a convolution, are no repairs.

    ## Why it is bad
    Samples are computed and thrown away, or invented; and the pad or crop that fits one size is off by one at the next.

    ## Example
    ```python
    y = nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2)(x)[..., 1:-1, 1:-1]
    ```

    ## Use instead
    ```python
    y = nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1)(x)
    ```

    ## Fix safety
    Safe where a crop becomes padding of the layer itself: the same outputs, fewer samples. Pads: display.

    ## References
    - PyTorch documentation: ConvTranspose2d (padding, output_padding)
    - Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015 (copy
    and crop)
    """

    code = "UW302"
    name = "crop-or-pad-repair"
    level = Level.NOTE
    summary = "a crop or pad that repairs the size of an upsampler's output"
    needs_topology = True

    def check(self, context: Context) -> Iterator[Finding]:
        """The slices and pads directly behind every upsampler."""
        idle: list[tuple[Layer, Node]] = []
        for layer in context.upsamplers:
            r = layer.resampler
            nodes = [n for n in r.crop_nodes if _on(n, r.dims)]
            if not nodes or not _ends_in_merge(context, nodes[-1].output):
                continue
            crops = r.crops
            if all(c == (0, 0) for c in crops):
                pads = [n for n in nodes if isinstance(n.op, Pad)]
                if pads:
                    idle.append((layer, pads[0]))
            elif not _is_causal(layer):
                yield self._repair(context, layer, nodes)
        if idle:
            yield self._idle(idle)

    def _idle(self, found: list[tuple[Layer, Node]]) -> Finding:
        """All pads that do nothing at this size together: one decision of one author."""
        layer, pad = found[0]
        others = len({x.path for x, _ in found}) - 1
        more = f" ({others} more {'layer' if others == 1 else 'layers'} with such a pad)" if others else ""
        message = (
            "a pad behind the layer adds nothing at this size; at sizes that do not survive the round trip it "
            f"invents the samples that are missing{more}"
        )
        fix = Fix("display", "restrict the model to its valid sizes (upweave sizes) and drop the pad")
        evidence = {
            "crops": [[0, 0] for _ in layer.resampler.dims],
            "nodes": [n.path or n.name for _, n in found],
            "layers": list(dict.fromkeys(x.path for x, _ in found)),
        }
        return self.finding(
            layer.path, message, evidence=evidence, fix=fix, where=pad.where or layer.where, node=layer.node
        )

    def _repair(self, context: Context, layer: Layer, nodes: list[Node]) -> Finding:
        crops = layer.resampler.crops
        made = "×".join(str(g.extent) for g in layer.resampler.after)
        kept = "×".join(str(g.extent - b - e) for g, (b, e) in zip(layer.resampler.after, crops, strict=True))
        cut = any(b > 0 or e > 0 for b, e in crops)
        what = f"crops {_pairs(crops)} samples" if cut else f"pads {_pairs([(-b, -e) for b, e in crops])} samples"
        message = f"the layer makes {made} samples and what follows {what} (begin, end), to {kept}"
        fix = Fix("display", "choose padding and output padding so that the layer makes the size that is needed")
        if (spec := _absorbed(layer, symmetric=context.graph.framework == "torch")) is not None:
            message += ": its own padding would do the same, and compute less"
            fix = Fix(
                "safe", f"move the crop into the layer: {say(spec)}", code_of(layer, spec, context.graph.framework)
            )
        evidence = {"crops": [list(c) for c in crops], "nodes": [n.path or n.name for n in nodes]}
        return self.finding(layer.path, message, evidence=evidence, fix=fix, where=layer.where, node=layer.node)


def _on(node: Node, dims: tuple[int, ...]) -> bool:
    op = node.op
    if isinstance(op, Slice):
        return op.dim in dims
    return isinstance(op, Pad) and (all(p == (0, 0) for p in op.pads) or any(op.pads[d] != (0, 0) for d in dims))


def _stops(op: Op) -> bool:
    return is_pointwise(op) or isinstance(op, Reshape)


def _ends_in_merge(context: Context, value: str) -> bool:
    """Whether a cropped tensor is an output, or goes into a merge; convolutions and pools pad for themselves."""
    if value in context.graph.outputs:
        return True
    readers = list(context.readers(value, _stops))
    if any(isinstance(n.op, (Convolution, Pool, TransposedConvolution)) for n in readers):
        return False
    return not readers or any(isinstance(n.op, (Merge, Concat)) for n in readers)


def _is_causal(layer: Layer) -> bool:
    """A right trim of what hangs over, of a layer without padding at the beginning: on purpose."""
    if not isinstance(layer.spec, ConvTranspose):
        return False
    for x, (b, e) in zip(axes_of(layer.spec, layer.rank), layer.resampler.crops, strict=True):
        overhang = x.dilation * (x.kernel - 1) + 1 - x.stride
        if (b, e) != (0, 0) and not (b == 0 and x.begin == 0 and x.end + e - x.output_padding == overhang):
            return False
    # an image that is trimmed on the right in several directions is shifted, not causal
    return sum(c != (0, 0) for c in layer.resampler.crops) == 1


def _absorbed(layer: Layer, *, symmetric: bool) -> ConvTranspose | None:
    """The transposed convolution that makes the cropped output itself, if padding (`symmetric` in torch) can do it."""
    if not isinstance(layer.spec, ConvTranspose):
        return None
    out: list[Axis] = []
    for x, (b, e) in zip(axes_of(layer.spec, layer.rank), layer.resampler.crops, strict=True):
        if b < 0 or e < 0:
            return None
        begin, end = x.begin + b, x.end + e - x.output_padding
        # o takes back at the end what symmetric padding cuts too much
        o = begin - end if 0 <= begin - end < x.stride else 0
        if end + o < 0 or (symmetric and begin != end + o):
            return None
        out.append(Axis(x.kernel, x.stride, begin, end + o, o, x.dilation))
    return as_spec(tuple(out), layer.spec.groups)


def _pairs(pairs: tuple[tuple[int, int], ...] | list[tuple[int, int]]) -> str:
    seen = list(dict.fromkeys(pairs))
    return ", ".join(f"({b}, {e})" for b, e in (seen if len(seen) == 1 else pairs))
