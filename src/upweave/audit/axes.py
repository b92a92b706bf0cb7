"""What the rules ask of one axis of a transposed convolution, and how a spec is written as code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd
from typing import Any

from ..graph.ir import TransposedConvolution
from ..spec import Conv, ConvTranspose, Pads
from ..theory.coverage import coverage
from .layer import Layer


def axis_counts(spec: ConvTranspose | Conv, rank: int) -> list[tuple[int, ...]]:
    """Taps by output residue on every axis; for a strided convolution, those of its gradient (its adjoint)."""
    return [_counts(a.kernel, a.stride, a.begin, a.dilation) for a in spec.per_axis(rank)]


def _counts(kernel: int, stride: int, begin: int, dilation: int) -> tuple[int, ...]:
    line = coverage(ConvTranspose(kernel, stride, ((begin, begin),), 0, dilation))
    return tuple(int(n) for n in line)


@dataclass(frozen=True)
class Axis:
    """One axis of a transposed convolution in plain ints; `begin` and `end` are its paddings."""

    kernel: int
    stride: int
    begin: int
    end: int
    output_padding: int
    dilation: int

    @property
    def counts(self) -> tuple[int, ...]:
        """Taps by output residue."""
        return _counts(self.kernel, self.stride, self.begin, self.dilation)

    @property
    def shift(self) -> Fraction:
        """Displacement against the half-pixel grid, in output samples: d(k−1)/2 − p − (s−1)/2."""
        return Fraction(self.dilation * (self.kernel - 1) - self.stride + 1, 2) - self.begin

    def size(self, h: int) -> int:
        """H_T = s(H−1) − p_begin − p_end + d(k−1) + 1 + o."""
        return (
            self.stride * (h - 1) - self.begin - self.end + self.dilation * (self.kernel - 1) + 1 + self.output_padding
        )


def axes_of(spec: ConvTranspose, rank: int) -> tuple[Axis, ...]:
    """The axes of a spec."""
    return tuple(Axis(a.kernel, a.stride, a.begin, a.end, a.output_padding, a.dilation) for a in spec.per_axis(rank))


def widened(axis: Axis) -> Axis | None:
    """The same axis with zero taps added until the stride divides the kernel: same outputs, even coverage.

    a taps appended and b prepended, a + b = −k mod s: p' = p + d·b and o' = o + d(b − a) (paddings may differ by
    side). Where dilation and stride share a factor, the dilation is written out as zero taps first. None if no split
    keeps 0 ≤ o' < s.
    """
    k, d = axis.kernel, axis.dilation
    if gcd(d, axis.stride) > 1:
        k, d = d * (k - 1) + 1, 1
    extra = -k % axis.stride
    found = []
    for b in range(extra + 1):
        a = extra - b
        o = axis.output_padding + d * (b - a)
        if 0 <= o < axis.stride:
            wide = Axis(k + extra, axis.stride, axis.begin + d * b, axis.end + d * b, o, d)
            found.append(wide)
    return min(found, key=lambda x: (x.output_padding, x.begin), default=None)


def as_spec(axes: tuple[Axis, ...], groups: int) -> ConvTranspose:
    """The spec of these axes, in plain numbers where all axes agree."""
    even = all(a.begin == a.end for a in axes)
    padding: Pads = tuple(a.begin for a in axes) if even else tuple((a.begin, a.end) for a in axes)
    return simplified(
        ConvTranspose(
            tuple(a.kernel for a in axes),
            tuple(a.stride for a in axes),
            padding,
            tuple(a.output_padding for a in axes),
            tuple(a.dilation for a in axes),
            groups,
        )
    )


def widened_spec(layer: Layer) -> ConvTranspose | None:
    """`widened` on every axis whose coverage is uneven, as one spec; None where an axis has no such form."""
    assert isinstance(layer.spec, ConvTranspose)
    out: list[Axis] = []
    for axis in axes_of(layer.spec, layer.rank):
        wide = widened(axis) if len(set(axis.counts)) > 1 else axis
        if wide is None:
            return None
        out.append(wide)
    return as_spec(tuple(out), layer.spec.groups)


def code_of(
    layer: Layer,
    spec: ConvTranspose,
    framework: str,
    in_channels: int | None = None,
    out_channels: int | None = None,
    bias: bool | None = None,
) -> str:
    """The line that builds this transposed convolution: a torch module, or an ONNX node's attributes.

    Channels and bias are those of `layer`, a transposed convolution, unless they are given.
    """
    rank = layer.rank
    op = layer.resampler.node.op
    axes = axes_of(spec, rank)
    if framework != "torch" or any(a.begin != a.end for a in axes):
        text = f"ConvTranspose(kernel_shape={[a.kernel for a in axes]}, strides={[a.stride for a in axes]}"
        text += f", pads={[a.begin for a in axes] + [a.end for a in axes]}"
        if any(a.output_padding for a in axes):
            text += f", output_padding={[a.output_padding for a in axes]}"
        if any(a.dilation > 1 for a in axes):
            text += f", dilations={[a.dilation for a in axes]}"
        return text + (f", group={spec.groups})" if spec.groups > 1 else ")")
    if isinstance(op, TransposedConvolution):
        in_channels, out_channels = op.in_channels, op.out_channels
        bias = "bias" in layer.weights
    text = f"nn.ConvTranspose{rank}d({in_channels}, {out_channels}, kernel_size={spec.kernel}, stride={spec.stride}"
    for name, idle in (("padding", 0), ("output_padding", 0), ("dilation", 1), ("groups", 1)):
        if (value := getattr(spec, name)) != idle:
            text += f", {name}={value}"
    return text + ("" if bias else ", bias=False") + ")"


def say(spec: ConvTranspose | Conv) -> str:
    """A spec in a few words: "kernel 3, stride 2, padding 1"."""
    words = [f"kernel {_times(spec.kernel)}, stride {_times(spec.stride)}"]
    for name, idle in (("padding", 0), ("output_padding", 0), ("dilation", 1)):
        value = _one(getattr(spec, name, idle))
        if value != idle:
            words.append(f"{name.replace('_', ' ')} {_times(value)}")
    return ", ".join(words)


def _times(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value)
    sides = [v if isinstance(v, tuple) else (v, v) for v in value]
    words = [str(a) if a == b else f"({a}, {b})" for a, b in sides]
    return words[0] if len(set(words)) == 1 else "×".join(words)


def simplified(spec: ConvTranspose) -> ConvTranspose:
    """The spec with every tuple of equal numbers written as one number, where that holds for all of them."""
    values = {f: getattr(spec, f) for f in spec.axis_fields}
    plain = {f: _one(v) for f, v in values.items()}
    return replace(spec, **plain)


def _one(value: Any) -> Any:
    equal = isinstance(value, tuple) and len(set(value)) == 1 and not isinstance(value[0], tuple)
    return value[0] if equal else value
