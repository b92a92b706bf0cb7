"""A layer as the report lists it: every node that resamples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from ..graph.grid import Resampler
from ..graph.ir import Weight
from ..spec import Spec


@dataclass(frozen=True)
class Layer:
    """One resampling layer of an audited model.

    Attributes:
        path: dotted module path or ONNX node name.
        op: "ConvTranspose", "Resize", "PixelShuffle", "Conv", "Pool" …
        spec: the hyper-parameters where a spec says them, else None.
        details: the hyper-parameters as plain JSON values, for every op.
        coverage: taps per output residue, nested lists with one level an axis; None where it means nothing (resize).
        alignment: per axis: class, shift against the half-pixel grid in output samples, as plain JSON values.
        multiplies: scalar multiplications of one forward pass at the audited size.
        in_shape, out_shape: shapes of its input and output tensor.
        resampler: the grids around it.
        weights: its parameters by role.
        where: "file.py:line", where known.
    """

    path: str
    op: str
    spec: Spec | None
    details: dict[str, Any]
    coverage: Any
    alignment: list[dict[str, Any]]
    multiplies: int
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    resampler: Resampler
    weights: dict[str, Weight] = field(default_factory=dict)
    where: str | None = None

    @property
    def node(self) -> str:
        """The name of its node in the graph."""
        return self.resampler.node.name

    @property
    def rank(self) -> int:
        """The number of axes it acts on."""
        return len(self.resampler.dims)

    def numbers(self, role: str = "weight") -> npt.NDArray[Any] | None:
        """The numbers of one of its parameters, or None where there are none."""
        return self.weights[role].load() if role in self.weights else None
