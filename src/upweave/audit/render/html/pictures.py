"""From a layer to its figures: what to compute from its spec, grids and weights, and in which order to show it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ....convert.forward import impulse_response, phase_bank
from ....errors import UpweaveError
from ....graph.ir import PixelShuffle
from ....spec import Conv, ConvTranspose, Spec
from ....theory.coverage import coverage, coverage_line
from ....theory.gain import gain_imbalance
from ....theory.spectrum import image_rejection
from ...layer import Layer
from .figures import Figure
from .figures.alignment import alignment_figure
from .figures.coverage import composite_figure, coverage_figures
from .figures.phases import gain_figure, phases_figure
from .figures.response import power_along, response_figure

LARGEST_WEIGHT = 1 << 22
"""Weights with more elements are drawn from their first channels."""

LARGEST_PHASES = 4096


@dataclass(frozen=True)
class Kernel:
    """A layer's spec with one entry an axis, and its weight in the spec's layout, or None."""

    spec: Spec
    weight: Any
    rank: int

    @property
    def strides(self) -> list[int]:
        """s of each axis."""
        return [int(a.stride) for a in self.spec.per_axis(self.rank)]


def kernel_of(layer: Layer) -> Kernel | None:
    """The upsampling filter of a layer; for a strided convolution that of its backward pass; None if it has none."""
    spec, rank = layer.spec, len(layer.resampler.dims)
    if spec is None or rank == 0:
        return None
    if isinstance(spec, Conv):
        axes = spec.per_axis(rank)
        spec = (
            ConvTranspose(
                tuple(a.kernel for a in axes),
                tuple(a.stride for a in axes),
                tuple((a.begin, a.end) for a in axes),
                0,
                tuple(a.dilation for a in axes),
                spec.groups,
            )
            if max(a.stride for a in axes) > 1
            else None
        )
        return None if spec is None else Kernel(_spread(spec, rank), None, rank)
    try:
        return Kernel(_spread(spec, rank), _weight(layer), rank)
    except UpweaveError:
        return None


def _spread(spec: Spec, rank: int) -> Spec:
    """The spec with its numbers written out for `rank` axes."""
    if spec.rank == rank and not spec.is_scalar:
        return spec
    axes = spec.per_axis(rank)
    values = {f: tuple(getattr(a, f) for a in axes) for f in spec.axis_fields}
    if "padding" in values:
        values["padding"] = tuple((a.begin, a.end) for a in axes)
    others = {f: getattr(spec, f) for f in vars(spec) if f not in values}
    return type(spec)(**values, **others)


def _weight(layer: Layer) -> Any:
    if "weight" not in layer.weights:
        return None
    array = layer.weights["weight"].load()
    if array is None or not np.isfinite(array).all() or not np.any(array):
        return None
    array = np.asarray(array, dtype=np.float64)
    op = layer.resampler.node.op
    if isinstance(op, PixelShuffle) and op.order == "DCR":
        factor = int(np.prod(op.factor))
        array = array.reshape(factor, -1, *array.shape[1:]).swapaxes(0, 1).reshape(array.shape)
    groups = getattr(layer.spec, "groups", 1)
    if array.size > LARGEST_WEIGHT and groups == 1:
        keep = max(1, LARGEST_WEIGHT * array.shape[1] // array.size)
        array = array[:, :keep]
    return array


def pictures(layer: Layer, codes: frozenset[str]) -> list[Figure]:
    """The figures of one layer, the ones that show its findings first."""
    kernel = kernel_of(layer)
    cover: list[Figure] = []
    weights: list[Figure] = []
    if kernel is not None:
        cover = _coverage(kernel, backwards=isinstance(layer.spec, Conv))
        if not isinstance(layer.spec, Conv):
            weights = _phases(kernel) + _response(kernel)
    align = _alignment(layer)
    composite = _composite(layer)
    groups = {"1": cover + composite, "2": align, "4": weights}
    first = [key for key in groups if any(c[2:3] == key for c in codes)]
    order = [*first, *(key for key in groups if key not in first)]
    return [figure for key in order for figure in groups[key]]


def _coverage(kernel: Kernel, *, backwards: bool) -> list[Figure]:
    try:
        period = coverage(kernel.spec)
        if period.size > LARGEST_PHASES:
            return []
        for goal in (18, 40, 80):
            size = tuple(max(3, -(-goal // s)) for s in kernel.strides)
            try:
                whole = coverage_line(kernel.spec, size)
            except UpweaveError:
                continue  # more padding than output
            figures = coverage_figures(period, whole, size, kernel.rank)
            return [_backward(f) for f in figures] if backwards else figures
    except UpweaveError:
        pass
    return []


def _backward(figure: Figure) -> Figure:
    """The same picture, read as the gradient of a strided convolution."""
    titles = {
        "Taps per output, one period": "Gradient paths per input, one period",
        "With its borders": "Gradient, with its borders",
    }
    caption = figure.caption.replace("output position", "input position")
    if caption == figure.caption:
        caption = "Backwards the layer is a transposed convolution. " + caption
    return Figure(titles.get(figure.title, figure.title), figure.drawing, caption)


def _phases(kernel: Kernel) -> list[Figure]:
    try:
        bank = phase_bank(kernel.spec, kernel.weight)
    except UpweaveError:
        return []
    d = bank.rank
    strength = np.sqrt((np.asarray(bank.weights) ** 2).mean(axis=(d, d + 1)))
    figures = [phases_figure(strength, bank.support, kernel.weight is not None)]
    if kernel.weight is not None:
        gain = gain_imbalance(bank)
        figures.insert(0, gain_figure(gain.per_phase, gain.max))
    return figures


def _response(kernel: Kernel) -> list[Figure]:
    strides = kernel.strides
    axes = [a for a, s in enumerate(strides) if s > 1]
    try:
        plain = impulse_response(kernel.spec)
        own = None if kernel.weight is None else impulse_response(kernel.spec, kernel.weight)
    except UpweaveError:
        return []
    if not axes:
        return []
    powers = [] if own is None else [power_along(own.h, a) for a in axes]
    rejection = None
    if kernel.weight is not None and kernel.weight.size <= LARGEST_WEIGHT // 8:
        found = image_rejection(kernel.spec, kernel.weight)
        rejection = (found.typical, found.worst)
    equal = [power_along(plain.h, a) for a in axes]
    return [response_figure(powers, equal, [strides[a] for a in axes], rejection)]


def _alignment(layer: Layer) -> list[Figure]:
    r = layer.resampler
    if not r.is_upsampler:
        return []
    seen: dict[tuple[Any, ...], Figure] = {}
    for i, (b, a) in enumerate(zip(r.before, r.after, strict=True)):
        stride = b.step / a.step
        if stride <= 1 or b.root != a.root or stride > 64:
            continue
        # what is padded on behind the layer (a negative crop) serves the next kernel and moves nothing
        offset = (b.origin - a.origin) / a.step - max(0, r.crops[i][0] if r.crops else 0)
        said = str(layer.alignment[i].get("class", "other")) if i < len(layer.alignment) else "other"
        if offset == (stride - 1) / 2:
            said = "centred"
        elif offset == 0 and said == "other":
            said = "phase-0"
        key = (stride, offset, said)
        if key not in seen:
            seen[key] = alignment_figure(Fraction(stride), Fraction(offset), said, f"axis {i}")
    if len(seen) == 1:
        (figure,) = seen.values()
        return [Figure("Alignment", figure.drawing, figure.caption)]
    return list(seen.values())


def _composite(layer: Layer) -> list[Figure]:
    after = layer.resampler.after
    patterns = [g.pattern for g in after]
    names = tuple(dict.fromkeys(n for g in after for n in g.uneven))
    if len(names) < 2 or not any(len(set(p)) > 1 for p in patterns) or max(map(len, patterns)) > 256:
        return []
    return [composite_figure(patterns, names)]
