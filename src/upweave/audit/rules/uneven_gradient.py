"""UW105 uneven-gradient."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from ...graph.ir import Pool
from ...spec import Conv
from ..axes import axis_counts
from ..context import Context, is_pointwise
from ..finding import Finding, Fix, Level
from ..layer import Layer
from ..rule import Rule


class UnevenGradient(Rule):
    """Strided convolutions and pools whose gradient is unevenly covered, or that skip inputs altogether.

    ## What it finds
    The gradient of a strided convolution to its input is the transposed convolution with the same numbers, so that
    uneven coverage has a mirror image: with a kernel that is not a multiple of the stride, inputs receive gradient
    through different numbers of taps by their position, and with a kernel smaller than the stride some inputs are
    never read. One note for every distinct combination of kernel and stride, with all its layers. Inputs that are
    skipped by one layer but read by another (the shortcut of a residual block) are left alone.

    ## Why it is bad
    Gradients to the input (saliency maps, adversarial and guided generation, losses on features) carry a checkerboard;
    inputs that are never read carry no information at all. Classifiers trained end to end live well with it, hence a
    note.

    ## Example
    ```python
    nn.Conv2d(64, 128, kernel_size=3, stride=2, padding=1)  # inputs get gradient from 1, 2 or 4 taps
    ```

    ## Use instead
    `kernel_size=4, stride=2, padding=1` where gradients to the input matter; a pool or a blur in front of a 1×1
    stride-2 convolution.

    ## Fix safety
    Unsafe: the layer computes something else.

    ## References
    - Odena, Dumoulin, Olah: Deconvolution and Checkerboard Artifacts, Distill, 2016 (artifacts in gradients)
    - Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019
    """

    code = "UW105"
    name = "uneven-gradient"
    level = Level.NOTE
    summary = "a strided layer whose gradient reaches its inputs unevenly"

    def check(self, context: Context) -> Iterator[Finding]:
        """Group the strided layers by kernel and stride; one finding a group."""
        uneven: dict[str, list[Layer]] = {}
        skipping: dict[str, list[Layer]] = {}
        for layer in context.layers:
            if layer.op not in ("Conv", "Pool") or not context.is_live(layer):
                continue
            spec = geometry(layer)
            if spec is None or (isinstance(layer.resampler.node.op, Pool) and layer.details.get("kind") == "lp"):
                continue
            counts = axis_counts(spec, layer.rank)
            wide = [g.extent > 1 for g in layer.resampler.before]
            numbers = [set(c) for c, w in zip(counts, wide, strict=True) if w]
            key = f"{_kind(layer)} with {_numbers(spec, layer.rank)}"
            if any(0 in n for n in numbers):
                if skips(context, layer, spec):
                    skipping.setdefault(key, []).append(layer)
            elif any(len(n) > 1 for n in numbers):
                uneven.setdefault(key, []).append(layer)
        for key, group in skipping.items():
            yield self._skipping(key, group)
        for key, group in uneven.items():
            yield self._uneven(key, group)

    def _uneven(self, key: str, group: list[Layer]) -> Finding:
        spec = geometry(group[0])
        assert spec is not None
        counts = axis_counts(spec, group[0].rank)
        low, high = prod(map(min, counts)), prod(map(max, counts))
        what = "windows" if group[0].op == "Pool" else "taps"
        message = (
            f"the gradient of a {key} is a transposed convolution with uneven coverage: inputs receive it through "
            f"{low} to {high} {what} by their position, because the kernel is not a multiple of the "
            f"stride{_others(group)}"
        )
        return self._about(group, message, {"coverage": [list(c) for c in counts], "taps": [low, high]}, None)

    def _skipping(self, key: str, group: list[Layer]) -> Finding:
        spec = geometry(group[0])
        assert spec is not None
        counts = axis_counts(spec, group[0].rank)
        total = prod(map(len, counts))
        read = prod(sum(n > 0 for n in c) for c in counts)
        message = (
            f"a {key} reads {read} of every {total} inputs and nothing else reads the rest: they change no output and "
            f"receive no gradient{_others(group)}"
        )
        fix = Fix("unsafe", "pool or blur in front of it, or use a kernel at least as large as the stride")
        return self._about(group, message, {"coverage": [list(c) for c in counts], "read_share": read / total}, fix)

    def _about(self, group: list[Layer], message: str, evidence: dict[str, object], fix: Fix | None) -> Finding:
        first = group[0]
        evidence = {**evidence, "layers": [x.path for x in group], "count": len(group)}
        return self.finding(first.path, message, evidence=evidence, fix=fix, where=first.where, node=first.node)


def geometry(layer: Layer) -> Conv | None:
    """A strided convolution's spec, or the convolution with a pool's geometry."""
    op = layer.resampler.node.op
    if isinstance(op, Pool):
        return Conv(op.kernel, op.stride, op.padding, op.dilation)
    return layer.spec if isinstance(layer.spec, Conv) else None


def skips(context: Context, layer: Layer, spec: Conv) -> bool:
    """Whether some inputs of a layer are read neither by it nor by whatever else reads the same value."""
    if not context.graph.has_topology:
        return False
    node = layer.resampler.node
    value = context.source(node.inputs[0], is_pointwise)
    if value in context.graph.outputs:
        return False
    period = [a.stride for a in spec.per_axis(layer.rank)]
    total = np.zeros(period, dtype=np.int64)
    for reader in context.readers(value, is_pointwise):
        other = context.by_node.get(reader.name)
        same = None if other is None or other.rank != layer.rank else geometry(other)
        if same is None:
            return False  # it reads every sample, or nobody knows
        if [a.stride for a in same.per_axis(layer.rank)] != period:
            return False
        grid = np.ones((), dtype=np.int64)
        for counts in axis_counts(same, layer.rank):
            grid = np.multiply.outer(grid, np.array(counts))
        total += grid
    return bool((total == 0).any())


def _kind(layer: Layer) -> str:
    return f"{layer.details.get('kind', '')} pool" if layer.op == "Pool" else "convolution"


def _numbers(spec: Conv, rank: int) -> str:
    axes = spec.per_axis(rank)

    def word(name: str) -> str:
        values = [getattr(a, name) for a in axes]
        return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))

    extra = f", dilation {word('dilation')}" if any(a.dilation > 1 for a in axes) else ""
    return f"kernel {word('kernel')}, stride {word('stride')}{extra}"


def _others(group: list[Layer]) -> str:
    n = len({x.path for x in group}) - 1
    return f" (and {n} more of the kind)" if n else ""
