"""Random layers of every registered spec, small enough for the reference loops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from upweave.errors import SpecError
from upweave.spec import REGISTRY, Spec
from upweave.theory.sizes import output_size


@dataclass(frozen=True, eq=False)
class Layer:
    """A spec with a weight, a bias and an input size that fit it."""

    spec: Spec
    size: tuple[int, ...]
    weight: Any
    bias: Any
    channels: int

    @property
    def rank(self) -> int:
        return len(self.size)

    @property
    def in_channels(self) -> int:
        if self.weight is None:
            return self.channels
        groups = self.spec.groups  # type: ignore[attr-defined]
        return self.weight.shape[0] if type(self.spec).__name__ == "ConvTranspose" else self.weight.shape[1] * groups

    def signal(self, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal((self.in_channels, *self.size))


UPSAMPLERS = sorted(set(REGISTRY) - {"Conv"})


def _axes(values: st.SearchStrategy[Any], rank: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(*(values,) * rank)


@st.composite
def specs(draw: st.DrawFn, name: str, rank: int | None = None, scalar: bool | None = None) -> Spec:
    """A spec of class `name` with per-axis fields, or numbers alone where the draw says so."""
    rank = draw(st.sampled_from([1, 1, 2])) if rank is None else rank
    scalar = draw(st.booleans()) if scalar is None else scalar
    small = 3 if rank > 1 else 4

    def field(values: st.SearchStrategy[Any]) -> Any:
        return draw(values) if scalar else draw(_axes(values, rank))

    values: dict[str, Any] = {"stride": field(st.integers(1, 3))}
    pads: st.SearchStrategy[Any] = st.integers(0, 3)
    if not scalar:
        pads = pads | st.tuples(st.integers(0, 3), st.integers(0, 3))
    if name == "FirUpsample":
        values["taps"] = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=small)))
        values["padding"] = draw(st.just("same")) if draw(st.booleans()) else field(pads)
        values["normalise"] = draw(st.booleans())
    else:
        values["kernel"] = field(st.integers(1, small))
        values["dilation"] = field(st.integers(1, 3))
        values["padding"] = field(pads)
        values["groups"] = draw(st.integers(1, 2))
    if name in ("ConvTranspose", "ZeroInsertConv"):
        values["output_padding"] = field(st.integers(0, 2))
    if name == "ResizeConv":
        values["mode"] = draw(st.sampled_from(["nearest", "linear", "cubic"]))
        values["cubic_a"] = draw(st.sampled_from([-0.75, -0.5]))
    try:
        return REGISTRY[name](**values)
    except SpecError:
        assume(False)
        raise


@st.composite
def layers(draw: st.DrawFn, name: str, rank: int | None = None, scalar: bool | None = None) -> Layer:
    """A layer of class `name` whose output is not empty."""
    rank = draw(st.sampled_from([1, 1, 2])) if rank is None else rank
    spec = draw(specs(name, rank, scalar))
    size = draw(_axes(st.integers(1, 5 if rank == 1 else 3), rank))
    try:
        output_size(spec, size)
    except SpecError:
        assume(False)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    axes = spec.per_axis(rank)
    if name == "FirUpsample":
        return Layer(spec, size, None, None, draw(st.integers(1, 2)))
    groups, many = spec.groups, draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))  # type: ignore[attr-defined]
    lead = groups * many[0]
    if name == "ConvPixelShuffle":
        lead *= math.prod(a.stride for a in axes)
    weight = rng.standard_normal((lead, many[1], *(a.kernel for a in axes)))
    c_out = many[1] * groups if name == "ConvTranspose" else lead
    return Layer(spec, size, weight, rng.standard_normal(c_out), 1)
