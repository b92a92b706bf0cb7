"""The layers that are measured: `layers.json`, as problems with every number known."""

from __future__ import annotations

import fnmatch
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from upweave.ops.problem import Problem, problem

TABLE = Path(__file__).with_name("layers.json")


@dataclass(frozen=True)
class Layer:
    """One transposed convolution of a published model, at a size at which that model runs.

    `family` is the field it comes from (gan, seg, audio, …); `core` rows are those that summaries speak of.
    """

    name: str
    family: str
    core: bool
    problem: Problem

    @property
    def bytes(self) -> int:
        """Bytes of input, weight and output in fp32: what has to move at least once."""
        p = self.problem
        return 4 * sum(math.prod(shape) for shape in (p.input_shape, p.weight_shape, p.output_shape))


def load(path: Path = TABLE) -> tuple[Layer, ...]:
    """Every row of the table, in its order.

    `SpecError` for numbers that make no layer, `ValueError` for a name that is there twice.
    """
    layers = tuple(_layer(entry) for entry in json.loads(path.read_text()))
    names = [layer.name for layer in layers]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ValueError(f"{path} has {', '.join(twice)} more than once")
    return layers


def _layer(entry: dict[str, object]) -> Layer:
    n = dict(entry)
    name, family, core, dims = n.pop("name"), n.pop("family"), n.pop("core"), n.pop("dims")
    batch, c_in, c_out, groups = (n.pop(k) for k in ("batch", "c_in", "c_out", "groups"))
    size, kernel = n.pop("size"), n.pop("kernel")
    if len(size) != dims:  # type: ignore[arg-type]
        raise ValueError(f"{name} has {dims} dims and a size of {size}")
    shape = (batch, c_in, *size)  # type: ignore[misc]
    weight = (c_in, c_out // groups, *kernel)  # type: ignore[misc, operator]
    # What is left is stride, padding, output_padding and dilation; anything else is a TypeError here.
    per_axis = {key: tuple(value) for key, value in n.items()}  # type: ignore[arg-type, var-annotated]
    return Layer(str(name), str(family), bool(core), problem(shape, weight, groups=groups, **per_axis))  # type: ignore[arg-type]


def select(layers: Sequence[Layer], *, core: bool = False, pattern: str | None = None) -> tuple[Layer, ...]:
    """The layers whose name matches one of the shell patterns in `pattern` ("hifigan*,unet_up?"), core ones if `core`.

    `ValueError` if nothing is left: a run of no rows would look like a run without trouble.
    """
    patterns = [p.strip() for p in pattern.split(",")] if pattern else ["*"]
    found = tuple(
        layer for layer in layers if (layer.core or not core) and any(fnmatch.fnmatch(layer.name, p) for p in patterns)
    )
    if not found:
        raise ValueError(f"no {'core ' if core else ''}row matches {pattern!r}; the rows are in {TABLE.name}")
    return found
