"""Random transposed convolutions, small enough for the reference loops, with every awkwardness that they can have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from upweave.ops.activation import ACTIVATIONS, activate
from upweave.ops.problem import Problem, problem
from upweave.ops.reference import reference
from upweave.ops.vectorised import vectorised
from upweave.spec import ConvTranspose

LAYOUTS = ("plain", "offset", "every other", "reversed", "channels last", "axes swapped", "unaligned")
"""How an operand may lie in memory."""


def laid_out(a: np.ndarray, layout: str) -> np.ndarray:
    """An array equal to `a` whose memory is ordered as the name says."""
    if layout == "offset":
        room = np.full(a.size + 3, np.nan, a.dtype)
        room[3:] = a.reshape(-1)
        return room[3:].reshape(a.shape)
    if layout == "unaligned":
        packed = np.zeros(a.shape, np.dtype([("tag", "u1"), ("value", a.dtype)]))
        packed["value"] = a
        room = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
        room[...] = a
        return room if a.size % 2 else packed["value"]
    if layout == "every other":
        room = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan, a.dtype)
        room[..., ::2] = a
        return room[..., ::2]
    if layout == "reversed":
        return np.ascontiguousarray(a[..., ::-1])[..., ::-1]
    if layout == "channels last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    if layout == "axes swapped":
        return np.ascontiguousarray(a.swapaxes(0, -1)).swapaxes(0, -1)
    return np.ascontiguousarray(a)


@dataclass(frozen=True, eq=False)
class Case:
    """Operands in float64, with the hyper-parameters as keywords of `conv_transpose`."""

    p: Problem
    x: np.ndarray
    weight: np.ndarray
    bias: np.ndarray | None
    activation: Any

    @property
    def keywords(self) -> dict[str, Any]:
        p = self.p
        return {
            "stride": p.stride, "padding": p.padding, "output_padding": p.output_padding, "groups": p.groups,
            "dilation": p.dilation, "activation": self.activation,
        }  # fmt: skip

    def operands(self, dtype: str, layout: str = "plain") -> list[Any]:
        """x, weight and bias in this dtype, x and weight in this layout."""
        return [
            laid_out(self.x.astype(dtype), layout),
            laid_out(self.weight.astype(dtype), layout),
            None if self.bias is None else self.bias.astype(dtype),
        ]

    def expected(self, dtype: str) -> tuple[np.ndarray, float]:
        """(what the loops make of the operands once rounded to `dtype`, the norm without cancellation)."""
        p = self.p
        x, weight, bias = (None if a is None else a.astype(np.float64) for a in self.operands(dtype))
        spec = ConvTranspose(p.kernel, p.stride, p.padding, p.output_padding, p.dilation, p.groups)
        y = np.empty(p.output_shape)
        with np.errstate(invalid="ignore", over="ignore"):
            for n in range(p.batch):
                y[n] = reference(spec, x[n], weight, bias)
            scale = math.sqrt(vectorised(x**2, weight**2, None if bias is None else bias**2, p).sum())
        name, slope = self.activation if isinstance(self.activation, tuple) else (self.activation or "none", 0.01)
        activate(y, name, slope)
        return y, scale if math.isfinite(scale) else 0.0


@st.composite
def cases(draw: st.DrawFn, rank: int | None = None) -> Case:
    """A problem with its operands: odd sizes, o ≥ p, p ≥ s, k < s, gcd(d, s) > 1, groups, empty batches among them."""
    rank = draw(st.sampled_from([1, 1, 2, 2, 3])) if rank is None else rank
    longest = {1: 7, 2: 4, 3: 3}[rank]
    size, kernel, stride, padding, more, dilation = [], [], [], [], [], []
    for _ in range(rank):
        h, k = draw(st.integers(1, longest)), draw(st.integers(1, {1: 7, 2: 4, 3: 3}[rank]))
        s, d = draw(st.integers(1, 4 if rank < 3 else 3)), draw(st.sampled_from([1, 1, 1, 2, 3, 4]))
        o = draw(st.integers(0, max(s, d) - 1))
        size.append(h)
        kernel.append(k)
        stride.append(s)
        dilation.append(d)
        more.append(o)
        padding.append(draw(st.integers(0, min((s * (h - 1) + d * (k - 1) + o) // 2, d * k + s))))
    g = draw(st.integers(1, 3))
    many = st.integers(1, 3 if rank < 3 else 2)
    batch, c_in, c_out = draw(st.sampled_from([0, 1, 1, 2])), g * draw(many), draw(many)
    p = problem(
        (batch, c_in, *size), (c_in, c_out, *kernel),
        stride=tuple(stride), padding=tuple(padding), output_padding=tuple(more), dilation=tuple(dilation), groups=g,
    )  # fmt: skip
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    bias = rng.standard_normal(p.c_out) if draw(st.booleans()) else None
    activation = draw(st.sampled_from([None, None, *ACTIVATIONS, ("leaky_relu", 0.25)]))
    return Case(p, rng.standard_normal(p.input_shape), rng.standard_normal(p.weight_shape), bias, activation)
