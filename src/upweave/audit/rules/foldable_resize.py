"""UW701 foldable-resize."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from ...graph.ir import Concat, Convolution, Node, Pointwise, Resize
from ..axes import Axis, as_spec, code_of, say, widened
from ..context import Context
from ..finding import Finding, Fix, Level
from ..layer import Layer
from ..layers import multiplies
from ..rule import Rule


class FoldableResize(Rule):
    """A nearest resize whose convolution multiplies the same numbers again and again.

    ## What it finds
    Nearest resizes by an integer, followed (point-wise layers and normalisations may stand between, with which they
    commute) by a zero-padded stride-1 convolution: directly, or through a concatenation with a skip, of which the
    resized channels fold. The finding counts the multiplications that the fold saves.

    ## Why it is bad
    Neighbouring outputs of the resize are copies. The convolution is the same, borders included, as a transposed
    convolution with kernel k + s − 1 on the small input, whose taps are sums of its taps: k·s/(k + s − 1) times fewer
    multiplications on every axis, and the large copy is never written. A 1×1 convolution simply belongs before the
    resize.

    ## Example
    ```python
    nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(256, 256, 3, padding=1))
    ```

    ## Use instead
    ```python
    nn.ConvTranspose2d(256, 256, kernel_size=4, stride=2, padding=1)  # with weights flip(w) ∗ ones(s)
    ```

    ## Fix safety
    Safe for inference: the same outputs up to rounding. Not for training: the folded kernel is no longer tied.

    ## References
    - Odena, Dumoulin, Olah: Deconvolution and Checkerboard Artifacts, Distill, 2016 (resize-convolution)
    - Shi et al.: Is the deconvolution layer the same as a convolutional layer?, 2016
    """

    code = "UW701"
    name = "foldable-resize"
    level = Level.NOTE
    summary = "a nearest resize that folds into the convolution behind it"
    needs_topology = True

    def check(self, context: Context) -> Iterator[Finding]:
        """Every nearest resize by integers; 1×1 convolutions that only change places with one are said together."""
        moved: dict[str, list[Finding]] = {}
        for layer in context.upsamplers:
            op = layer.resampler.node.op
            if not isinstance(op, Resize) or not _repeats(op, layer):
                continue
            readers = list(_convolutions(context, layer.resampler.node.output))
            for conv, share, direct in readers:
                finding = self._fold(context, layer, conv, share, direct)
                if finding is not None and finding.evidence["commutes"]:
                    moved.setdefault(f"{finding.evidence['ratio']:.3g}", []).append(finding)
                elif finding is not None:
                    yield finding
        for ratio, findings in moved.items():
            yield _together(ratio, findings)

    def _fold(self, context: Context, layer: Layer, conv: Node, share: float, direct: bool) -> Finding | None:
        op = conv.op
        assert isinstance(op, Convolution)
        axes = op.spec.per_axis()
        factors = _factors(layer)
        trailing = tuple(range(len(layer.in_shape) - len(axes), len(layer.in_shape)))
        scale = dict(zip(layer.resampler.dims, factors, strict=True))
        if any(d not in trailing for d in layer.resampler.dims) or (share < 1 and op.spec.groups > 1):
            return None
        if any(a.stride > 1 or a.dilation > 1 or max(a.begin, a.end) > a.kernel - 1 for a in axes):
            return None
        strides = [scale.get(d, 1) for d in trailing]
        one = all(a.kernel == 1 for a in axes)
        now = round(multiplies(conv, context.graph) * share)
        positions = prod(layer.in_shape[: -len(axes) - 1]) * prod(layer.in_shape[-len(axes) :])
        pairs = round(op.in_channels * share) * op.out_channels // op.spec.groups
        folded = positions * pairs * prod(1 if one else a.kernel + s - 1 for a, s in zip(axes, strides, strict=True))
        if folded >= now:
            return None
        wide = [
            Axis(a.kernel + s - 1, s, a.kernel - 1 - a.begin, a.kernel - 1 - a.end, 0, 1)
            for a, s in zip(axes, strides, strict=True)
        ]
        spec = as_spec(tuple(widened(a) or a for a in wide), op.spec.groups)
        what = (
            "convolution" if direct else f"convolution behind the concatenation, for its {share:.0%} resized channels,"
        )
        path = conv.path or conv.name
        if one:
            message = (
                f"the 1×1 convolution {path} gives the same before the nearest resize, with "
                f"{now / folded:.3g} times fewer multiplications"
            )
            fix = Fix("safe", f"move the convolution {path} in front of the resize")
        else:
            message = (
                f"the nearest resize folds into the {what} {path}: the same outputs with {now / folded:.3g} times "
                "fewer "
                f"multiplications ({now:,} → {folded:,})"
            )
            fix = Fix("safe", f"for inference, one transposed convolution with {say(spec)}, kernel flip(w) ∗ ones(s)")
            if direct:
                line = code_of(
                    layer, spec, context.graph.framework, op.in_channels, op.out_channels, "bias" in conv.weights
                )
                fix = Fix(fix.applicability, fix.message, line)
        evidence = {
            "convolution": path,
            "multiplies": now,
            "multiplies_folded": folded,
            "saved": now - folded,
            "ratio": now / folded,
            "share": share,
            "commutes": one,
        }
        return self.finding(layer.path, message, evidence=evidence, fix=fix, where=layer.where, node=layer.node)


def _together(ratio: str, findings: list[Finding]) -> Finding:
    """One finding for all 1×1 convolutions that commute with a resize by the same factor."""
    first = findings[0]
    paths = list(dict.fromkeys(f.evidence["convolution"] for f in findings))
    if len(paths) == 1:
        return first
    message = (
        f"{len(paths)} convolutions of 1×1, the first of them {paths[0]}, give the same before the nearest resize in "
        f"front of them, with {ratio} times fewer multiplications"
    )
    evidence = {**first.evidence, "layers": paths}
    for key in ("multiplies", "multiplies_folded", "saved"):
        evidence[key] = sum(f.evidence[key] for f in findings)
    return replace(first, message=message, evidence=evidence, fix=Fix("safe", "move them in front of their resize"))


def _factors(layer: Layer) -> list[int]:
    return [a.extent // b.extent for b, a in zip(layer.resampler.before, layer.resampler.after, strict=True)]


def _repeats(op: Resize, layer: Layer) -> bool:
    """Whether a resize repeats every sample an integer number of times."""
    pairs = [(b.extent, a.extent) for b, a in zip(layer.resampler.before, layer.resampler.after, strict=True)]
    if op.mode != "nearest" or op.coordinates == "align_corners" or any(m % n for n, m in pairs):
        return False
    # rounding down on the asymmetric grid, to the nearest on the half-pixel grid: both repeat; rounding down on the
    # latter would read one sample too early
    return op.nearest == "floor" if op.coordinates == "asymmetric" else op.nearest.startswith("round")


def _convolutions(context: Context, value: str) -> Iterator[tuple[Node, float, bool]]:
    """(convolution, share of its input channels that come from `value`, True if no concatenation lies between)."""
    for node in context.readers(value, lambda op: isinstance(op, Pointwise)):
        if isinstance(node.op, Convolution):
            if len(node.inputs) == 1:
                yield node, 1.0, True
        elif isinstance(node.op, Concat) and context.graph.shapes[node.output]:
            rank = len(context.graph.shapes[node.output])
            whole = context.graph.shapes[node.output][1] if rank > 2 else 0
            part = context.graph.shapes[value][1] if rank > 2 else 0
            if node.op.dim != 1 or not whole:
                continue
            for reader in context.readers(node.output, _elementwise):
                if isinstance(reader.op, Convolution) and len(reader.inputs) == 1:
                    yield reader, part / whole, False


def _elementwise(op: object) -> bool:
    """Element by element: a normalisation would mix the statistics of both parts."""
    return isinstance(op, Pointwise) and "norm" not in op.kind
