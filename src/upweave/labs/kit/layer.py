"""The layer that the reader has set: a spec, or in both languages the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import SpecError
from ...spec import Conv, ConvTranspose
from ...theory.sizes import output_size
from ..text import Text
from .controls import Slider

KERNEL, STRIDE = Text("kernel k", "核大小 k"), Text("stride s", "步长 s")
PADDING, OUTPUT_PADDING = Text("padding p", "填充 p"), Text("output padding o", "输出填充 o")
DILATION, SIZE = Text("dilation d", "膨胀 d"), Text("input length H", "输入长度 H")

ALIGNMENTS: Mapping[str, Text] = {
    "centred": Text("centred", "居中"),
    "phase-0": Text("phase 0", "零相位"),
    "corner": Text("corner", "角点对齐"),
    "causal": Text("causal", "因果"),
    "other": Text("other", "其他"),
    "mixed": Text("mixed", "混合"),
}
"""What `upweave.alignment` calls the kinds of a layer's grid, in words."""


def layer_sliders(
    kernel: int = 4,
    stride: int = 2,
    padding: int = 1,
    output_padding: int = 0,
    dilation: int = 1,
    size: int = 6,
    *,
    most: Mapping[str, int] | None = None,
    without: str = "",
) -> list[Slider]:
    """Sliders k, s, p, o, d and H with these values, without those whose letters are in `without`."""
    top = {"k": 9, "s": 4, "p": 4, "o": 3, "d": 3, "H": 16} | dict(most or {})
    every = [
        Slider("k", KERNEL, 1, top["k"], kernel),
        Slider("s", STRIDE, 1, top["s"], stride),
        Slider("p", PADDING, 0, top["p"], padding),
        Slider("o", OUTPUT_PADDING, 0, top["o"], output_padding, below=tuple(n for n in "sd" if n not in without)),
        Slider("d", DILATION, 1, top["d"], dilation),
        Slider("H", SIZE, 1, top["H"], size),
    ]
    return [s for s in every if s.name not in without]


def transposed(values: Mapping[str, Any]) -> ConvTranspose:
    """The transposed convolution of the sliders' values; absent ones are as PyTorch takes them."""
    return ConvTranspose(*(int(values.get(n, v)) for n, v in (("k", 1), ("s", 1), ("p", 0), ("o", 0), ("d", 1))))


def refusal(spec: ConvTranspose | Conv, size: int) -> Text | None:
    """Why a layer gives no output for an input of this size, or None where it gives one."""
    try:
        output_size(spec, size)
    except SpecError as e:
        least = str(e).rpartition(" ")[2]
        return Text(
            f"An input of length {size} leaves no output here; it must be at least {least}, or the padding smaller.",
            f"长度为 {size} 的输入在这里没有输出；输入长度至少要有 {least}，或者减小填充。",
        )
    return None
