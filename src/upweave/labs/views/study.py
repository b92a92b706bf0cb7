"""The layer under study: a transposed convolution of one or two axes, one channel, with a kernel and a signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np

from ...bank import Array, PhaseBank
from ...convert.forward import phase_bank
from ...spec import ConvTranspose
from ...theory.matrix import linear_operator
from ...theory.sizes import output_size
from ...theory.spectrum import sinc_kernel
from ..kit.paths import PathTable, paths
from ..text import Text

KERNELS: dict[str, Text] = {
    "triangle": Text("triangle (linear interpolation)", "三角形（线性插值）"),
    "ones": Text("ones", "全为 1"),
    "sinc": Text("sinc, cut off", "截断的 sinc"),
    "random": Text("random, as if learned", "随机（仿学习所得）"),
    "model": Text("from the layer of a model", "取自模型的层"),
}
SIGNALS: dict[str, Text] = {
    "ramp": Text("ramp", "斜坡"),
    "constant": Text("constant", "常数"),
    "impulse": Text("impulse", "单位脉冲"),
    "wave": Text("wave", "波"),
    "random": Text("random", "随机"),
}


@dataclass(frozen=True, eq=False)
class Study:
    """One layer with all that the views show of it.

    Attributes:
        spec: per-axis numbers.
        size: input length of each axis.
        kernel: shape k….
        signal: shape H….
    """

    spec: ConvTranspose
    size: tuple[int, ...]
    kernel: Array
    signal: Array

    @property
    def rank(self) -> int:
        """Number of axes: 1 or 2."""
        return len(self.size)

    @property
    def is_square(self) -> bool:
        """Whether all axes have the same numbers and length."""
        return len({*zip(self.axes, self.size, strict=True)}) == 1

    @cached_property
    def axes(self) -> tuple[Any, ...]:
        """The layer of each axis."""
        return self.spec.per_axis(self.rank)

    @cached_property
    def weight(self) -> Array:
        """The kernel in the layer's own layout, (1, 1, k…)."""
        return self.kernel.reshape(1, 1, *self.kernel.shape)

    @cached_property
    def out_size(self) -> tuple[int, ...]:
        """The output's length on each axis."""
        return tuple(int(n) for n in output_size(self.spec, self.size))

    @cached_property
    def output(self) -> Array:
        """What the layer makes of the signal, shape H_T…."""
        operator = linear_operator(self.spec, self.size, self.weight)
        return np.asarray(operator @ self.signal.reshape(-1)).reshape(self.out_size)

    @cached_property
    def paths(self) -> tuple[PathTable, ...]:
        """Which products each axis makes."""
        return tuple(paths(a, n) for a, n in zip(self.axes, self.size, strict=True))

    @cached_property
    def bank(self) -> PhaseBank:
        """The layer as a phase bank."""
        return phase_bank(self.spec, self.weight)


def study(
    axes: Mapping[str, Any] | tuple[Mapping[str, Any], ...], kernel: str, signal: str, weights: Array | None = None
) -> Study:
    """The study of the sliders' values of one axis, or of several.

    `weights` is the kernel of a model's layer, for `kernel` "model"; without it, or where its shape is another, the
    triangle stands in, as `kernel_used` says. Raises `SpecError` where the numbers are no layer.
    """
    values = (axes,) if isinstance(axes, Mapping) else axes
    fields = {
        name: tuple(int(v[letter]) for v in values)
        for name, letter in (
            ("kernel", "k"),
            ("stride", "s"),
            ("padding", "p"),
            ("output_padding", "o"),
            ("dilation", "d"),
        )
    }
    spec = ConvTranspose(**fields)  # type: ignore[arg-type]
    size = tuple(int(v["H"]) for v in values)
    shape = fields["kernel"]
    kernel = kernel_used(kernel, shape, weights)
    if kernel == "model" and weights is not None:
        numbers = np.asarray(weights, dtype=np.float64)
    elif kernel == "random":
        numbers = np.random.default_rng(7).normal(1.0, 0.6, shape)
    else:
        lines = [_line(kernel, k, s, d) for k, s, d in zip(shape, fields["stride"], fields["dilation"], strict=True)]
        numbers = reduce(np.multiply.outer, lines)
    return Study(spec, size, numbers, _signal(signal, size))


def kernel_used(kernel: str, shape: tuple[int, ...], weights: Array | None) -> str:
    """The name of the kernel that a layer of this shape gets: "model" only where there are such weights."""
    return "triangle" if kernel == "model" and (weights is None or weights.shape != shape) else kernel


def _line(name: str, kernel: int, stride: int, dilation: int) -> Array:
    at = dilation * (np.arange(kernel) - (kernel - 1) / 2)
    if name == "ones":
        return np.ones(kernel)
    if name == "sinc":
        return sinc_kernel(stride, at)
    if name == "triangle":
        return np.asarray(
            np.maximum(0.0, 1.0 - np.abs(at) / stride) if stride > 1 or kernel == 1 else 1.0 - np.abs(at) / kernel
        )
    raise ValueError(f"no kernel is called {name!r}")


def _signal(name: str, size: tuple[int, ...]) -> Array:
    if name == "constant":
        return np.ones(size)
    if name == "random":
        return np.random.default_rng(3).integers(-3, 6, size).astype(float)
    if name == "impulse":
        out = np.zeros(size)
        out[tuple(n // 2 for n in size)] = 1.0
        return out
    lines = [
        np.arange(1.0, n + 1) if name == "ramp" else np.sin(2 * np.pi * (np.arange(n) + 0.5) / max(n, 2)) for n in size
    ]
    return np.asarray(reduce(np.add.outer, lines))
