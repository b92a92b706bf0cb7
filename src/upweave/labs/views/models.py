"""The layers of a model that the reader uploads or names, from its audit."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...audit.layer import Layer
from ...audit.layers import layers_of
from ...bank import Array
from ...convert import boundary, phase_bank, to_conv_transpose
from ...errors import ModelError, NotRepresentable, SpecError
from ...graph.infer import infer
from ...graph.load import load
from ...spec import Conv, ConvTranspose
from ..text import Text

SUFFIXES = (".onnx", ".pt2")
MOST = {"k": 16, "s": 8, "p": 8, "o": 7, "d": 3}
"""The greatest numbers that the explorer draws."""

EXAMPLES: dict[str, tuple[tuple[int, ...], ...]] = {
    "examples.dcgan:dcgan": ((1, 100, 1, 1),),
    "examples.unet:unet": ((1, 3, 64, 64),),
    "examples.fcn:fcn": ((1, 3, 64, 64),),
    "examples.hifigan:hifigan": ((1, 80, 8),),
    "examples.fsrcnn:fsrcnn": ((1, 1, 16, 16),),
    "examples.cyclegan:cyclegan": ((1, 3, 64, 64),),
    "examples.erfnet:erfnet": ((1, 3, 64, 64),),
    "examples.resize_vae:resize_vae": ((1, 4, 8, 8),),
}
"""The bundled example models and an input for each. They lie beside the package in its source tree."""


@dataclass(frozen=True, eq=False)
class Found:
    """One layer of a model that the explorer can show: the numbers of each axis, and one channel pair's kernel."""

    path: str
    title: Text
    numbers: tuple[Mapping[str, int], ...]
    weights: Array | None


def examples() -> list[str]:
    """The names of the example models that are there."""
    return list(EXAMPLES) if importlib.util.find_spec("examples") and importlib.util.find_spec("torch") else []


def read_example(name: str) -> tuple[list[Found], list[Text]]:
    """The layers of an example model. Raises `ModelError` for a name that is none of `EXAMPLES`."""
    if name not in EXAMPLES:
        raise ModelError(f"no example is called '{name}'; there are {', '.join(EXAMPLES)}")
    graph, _ = load(name, list(EXAMPLES[name]), device="meta")  # hyper-parameters alone: fresh weights say nothing
    return _layers(layers_of(infer(graph)))


def read_upload(name: str, contents: bytes) -> tuple[list[Found], list[Text]]:
    """The layers of an `.onnx` or `.pt2` file that was uploaded under this name, and what could not be shown.

    Raises `ModelError` for any other kind of file (no pickle is ever loaded) and for one that cannot be read.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise ModelError(f"{name}: only .onnx and .pt2 files are read; a pickle could run any code, so none is loaded")
    with tempfile.TemporaryDirectory(prefix="upweave-lab-") as folder:
        path = Path(folder) / f"model{suffix}"
        path.write_bytes(contents)
        graph, _ = load(path)
        return _layers(layers_of(infer(graph)))


def _layers(layers: tuple[Layer, ...]) -> tuple[list[Found], list[Text]]:
    found: list[Found] = []
    left_out: list[Text] = []
    for layer in layers:
        if layer.spec is None or isinstance(layer.spec, Conv):
            continue
        try:
            found.append(_found(layer))
        except (NotRepresentable, SpecError) as e:
            left_out.append(Text(f"{layer.path}: {e}", f"{layer.path}：无法在此显示（{e}）"))
    return found, left_out


def _found(layer: Layer) -> Found:
    spec, weights = _as_transposed(layer)
    axes = spec.per_axis(layer.rank)
    if layer.rank > 2:
        raise NotRepresentable(f"{layer.rank} axes; the page shows one or two")
    numbers = tuple(_numbers(a) for a in axes)
    words = ", ".join(" ".join(f"{n}{v[n]}" for n in "ksp" if v[n]) for v in dict.fromkeys(map(_Frozen, numbers)))
    return Found(
        layer.path, Text(f"{layer.path}: {layer.op} {words}", f"{layer.path}：{layer.op} {words}"), numbers, weights
    )


class _Frozen(dict[str, int]):
    """A dict that can be counted."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))


def _numbers(axis: Any) -> dict[str, int]:
    if axis.begin != axis.end:
        raise NotRepresentable(f"paddings {axis.begin} and {axis.end}; the page has one padding for both ends")
    numbers = {"k": axis.kernel, "s": axis.stride, "p": axis.begin, "o": axis.output_padding, "d": axis.dilation}
    plain = {n: int(v) for n, v in numbers.items()}
    for n, v in plain.items():
        if v > MOST[n]:
            raise NotRepresentable(f"{n} = {v} is more than the {MOST[n]} that the page draws")
    return plain


def _as_transposed(layer: Layer) -> tuple[ConvTranspose, Array | None]:
    """The layer as a transposed convolution, and the strongest channel pair of its kernel."""
    numbers: Any = layer.numbers()
    spec = layer.spec
    if not isinstance(spec, ConvTranspose):
        assert spec is not None
        bank = phase_bank(spec, numbers, rank=layer.rank)
        spec, numbers, _ = to_conv_transpose(bank, boundary(spec, layer.rank), symmetric=True)
    if numbers is None:
        return spec, None
    pairs = np.asarray(numbers, dtype=np.float64)
    strength = np.square(pairs).sum(axis=tuple(range(2, pairs.ndim)))
    first, second = np.unravel_index(int(strength.argmax()), strength.shape)
    return spec, np.asarray(pairs[first, second])
