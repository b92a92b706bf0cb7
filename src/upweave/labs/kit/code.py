"""The layer on screen in the words of PyTorch, Keras, JAX and ONNX; the four compute the same numbers.

PyTorch and ONNX have the layer as it is. Keras has no padding of its own, so its layer is cropped; where stride and
dilation are both above 1 it has no such layer. JAX has the convolution that a transposed convolution is: the input
dilated by the stride, the kernel flipped.
"""

from __future__ import annotations

from typing import Any

import traitlets

from ...spec import ConvTranspose
from .widget import Widget, in_page, module


class Code(Widget):
    """The widget behind `code`: one tab for each (library, code) pair."""

    _esm = module("code.js")
    snippets = traitlets.List().tag(sync=True)

    def show(self, spec: ConvTranspose, rank: int = 2, channels: tuple[int, int] = (16, 8)) -> None:
        """Write this layer in all four."""
        self.snippets = [[name, write(spec, rank, channels)] for name, write in WRITERS.items()]


def code(spec: ConvTranspose, rank: int = 2, channels: tuple[int, int] = (16, 8)) -> Any:
    """A `ConvTranspose` as code, in four tabs of one element of the page; `show` changes the layer."""
    widget = Code()
    widget.show(spec, rank, channels)
    return in_page(widget)


def pytorch(spec: ConvTranspose, rank: int, channels: tuple[int, int]) -> str:
    """`torch.nn.ConvTransposeNd`."""
    c_in, c_out = channels
    lines = [f"    {c_in}, {c_out}, kernel_size={_one(spec, 'kernel', rank)},"]
    more = [
        f"{keyword}={_one(spec, name, rank)}"
        for name, keyword, plain in (
            ("stride", "stride", 1),
            ("padding", "padding", 0),
            ("output_padding", "output_padding", 0),
            ("dilation", "dilation", 1),
        )
        if any(v != plain for v in _all(spec, name, rank))
    ]
    if more:
        lines.append(f"    {', '.join(more)},")
    return f"import torch\n\nlayer = torch.nn.ConvTranspose{rank}d(\n" + "\n".join(lines) + "\n)\n"


def keras(spec: ConvTranspose, rank: int, channels: tuple[int, int]) -> str:
    """`keras.layers.ConvNDTranspose` without padding, then the crop that PyTorch's padding is."""
    stride, dilation = _all(spec, "stride", rank), _all(spec, "dilation", rank)
    if any(s > 1 for s in stride) and any(d > 1 for d in dilation):
        return "# Keras has no transposed convolution with both a stride and a dilation above 1.\n"
    crops: list[tuple[int, int]] = []
    pads: list[tuple[int, int]] = []
    for k, s, p, o, d in zip(
        *(_all(spec, n, rank) for n in ("kernel", "stride", "padding", "output_padding", "dilation")), strict=True
    ):
        # "valid" gives s(H−1) + max(d(k−1)+1, s) samples, of which H_T begin at p
        reach = d * (k - 1) + 1
        end = max(reach, s) - reach + p - o
        crops.append((p, max(0, end)))
        pads.append((0, max(0, -end)))
    more = "" if all(d == 1 for d in dilation) else f", dilation_rate={_tuple(dilation)}"
    lines = [
        f"    keras.layers.Conv{rank}DTranspose({channels[1]}, {_tuple(_all(spec, 'kernel', rank))}, "
        f'strides={_tuple(stride)}, padding="valid"{more}),'
    ]
    if any(any(c) for c in crops):
        lines.append(f"    keras.layers.Cropping{rank}D({_nested(crops)}),")
    if any(any(c) for c in pads):
        lines.append(f"    keras.layers.ZeroPadding{rank}D({_nested(pads)}),  # with a bias: it is missing here")
    return (
        "import keras\n\n# weight: (k…, C_out, C_in), PyTorch's (C_in, C_out, k…) with its axes moved\n"
        "layer = keras.Sequential([\n" + "\n".join(lines) + "\n])\n"
    )


def jax(spec: ConvTranspose, rank: int, channels: tuple[int, int]) -> str:
    """`jax.lax.conv_general_dilated` over the zero-inserted input."""
    pads = [
        (d * (k - 1) - p, d * (k - 1) - p + o)
        for k, p, o, d in zip(
            *(_all(spec, n, rank) for n in ("kernel", "padding", "output_padding", "dilation")), strict=True
        )
    ]
    axes = tuple(range(2, 2 + rank))
    spatial = "DHW"[-rank:] if rank > 1 else "H"
    return (
        "import jax\nimport jax.numpy as jnp\n\n"
        f"# x: (N, {channels[0]}, …); w: ({channels[0]}, {channels[1]}, k…) as in PyTorch\n"
        "def layer(x, w):\n"
        "    return jax.lax.conv_general_dilated(\n"
        f"        x, jnp.flip(w, {axes}),\n"
        f"        window_strides={(1,) * rank},\n"
        f"        padding={pads},\n"
        f"        lhs_dilation={_all(spec, 'stride', rank)}, rhs_dilation={_all(spec, 'dilation', rank)},\n"
        f'        dimension_numbers=("NC{spatial}", "IO{spatial}", "NC{spatial}"),\n'
        "    )\n"
    )


def onnx(spec: ConvTranspose, rank: int, channels: tuple[int, int]) -> str:
    """The `ConvTranspose` node."""
    del channels
    p = list(_all(spec, "padding", rank))
    return (
        "import onnx\n\nnode = onnx.helper.make_node(\n"
        '    "ConvTranspose", ["x", "w"], ["y"],\n'
        f"    kernel_shape={list(_all(spec, 'kernel', rank))}, strides={list(_all(spec, 'stride', rank))},\n"
        f"    pads={p + p}, output_padding={list(_all(spec, 'output_padding', rank))}, "
        f"dilations={list(_all(spec, 'dilation', rank))},\n)\n"
    )


WRITERS = {"PyTorch": pytorch, "Keras": keras, "JAX": jax, "ONNX": onnx}
"""Each writes `(spec, rank, (C_in, C_out))` as Python code."""


def _all(spec: ConvTranspose, name: str, rank: int) -> tuple[int, ...]:
    if name == "padding":
        return tuple(a.begin for a in spec.per_axis(rank))
    return tuple(int(getattr(a, name)) for a in spec.per_axis(rank))


def _one(spec: ConvTranspose, name: str, rank: int) -> str:
    values = _all(spec, name, rank)
    return str(values[0]) if len(set(values)) == 1 else str(values)


def _tuple(values: tuple[int, ...]) -> str:
    return str(values) if len(values) > 1 else str(values[0])


def _nested(values: list[tuple[int, int]]) -> str:
    return str(tuple(values)) if len(values) > 1 else str(values[0])
