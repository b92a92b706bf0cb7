"""A certificate of one rewrite alone: both sides in float64, on small random inputs, where rounding hides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import gcd
from typing import Any

import numpy as np

from ..graph.ir import Node, Shape
from .certify import Certificate, certify
from .interpret import NotInterpreted, run

Values = dict[str, Any]
SMALLEST = (3, 5)
"""The shortest input on each axis, in the two comparisons: odd, so that nothing fits by chance."""


def certify_step(
    old: Sequence[Node], new: Sequence[Node], shapes: Mapping[str, Shape], *, limit: float | None = None
) -> Certificate | None:
    """Compare the nodes that go with those that come; None where an operator is not computed here, or needs its size.

    The inputs are cut down to a few samples an axis, all in the same proportion, so that the border is most of it. New
    weights are compared as they will be stored, so the limit follows from their dtype.
    """
    written = {v for n in old for v in n.outputs}
    inputs = list(dict.fromkeys(v for n in (*old, *new) for v in n.inputs if not _inside(v, old, new)))
    common = {v for n in new for v in n.outputs} & written
    if not common or any(v not in shapes for v in inputs):
        return None
    dtypes = {w.dtype for n in new for w in n.weights.values()} & {"float16", "float32", "float64"}
    worst = min(dtypes, key=lambda d: np.finfo(d).bits, default="float64")
    allowed = {"float64": 1e-10, "float32": 1e-6, "float16": 4e-3}[worst] if limit is None else limit

    def outputs(nodes: Sequence[Node], values: Values) -> Values:
        found = run(nodes, values)
        return {v: found[v] for v in common}

    try:
        return certify(
            _probed(lambda v: outputs(old, v)), lambda v: outputs(new, v), _trials(inputs, shapes), "float64",
            limit=allowed,
        )  # fmt: skip
    except _Unknown:
        return None


class _Unknown(BaseException):
    """Passes through `certify`, which takes exceptions of the original for inputs that it refuses."""


def _probed(function: Any) -> Any:
    def call(values: Values) -> Values:
        try:
            return dict(function(values))
        except NotInterpreted as e:
            raise _Unknown from e

    return call


def _inside(value: str, *sides: Sequence[Node]) -> bool:
    return any(value in n.outputs for side in sides for n in side)


def _trials(inputs: Sequence[str], shapes: Mapping[str, Shape]) -> Iterator[tuple[str, Values]]:
    rng = np.random.default_rng(0)
    rank = max((len(shapes[v]) for v in inputs), default=0)
    for least in SMALLEST:
        sizes = {v: list(shapes[v]) for v in inputs}
        for axis in range(2, rank):
            present = {v: shapes[v][axis] for v in inputs if len(shapes[v]) == rank and shapes[v][axis] > 1}
            common = gcd(*present.values()) if present else 1
            for v, n in present.items():
                sizes[v][axis] = n // common * least if common > 1 else n
        for v in inputs:
            if len(sizes[v]) > 1:
                sizes[v][0] = 1
        small = {v: rng.standard_normal(sizes[v]) for v in inputs}
        said = ", ".join("×".join(map(str, s)) for s in sizes.values())
        yield f"random inputs of {said}", small
