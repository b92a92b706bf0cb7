"""From a phase bank back to a layer that a framework has, and the reason where there is none.

Both directions solve the same small puzzle on each axis: the bank says where its taps land and how long the output
is; the layer must reach the same taps with a padding that is not negative. Where its own taps do not suffice, zero
taps are added in front or behind, which changes no output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..bank import Array, PhaseBank
from ..boundary import Boundary
from ..errors import NotRepresentable, SpecError
from ..spec import ConvPixelShuffle, ConvTranspose
from .impulse import unfold, unfold_count

Pair = tuple[int, int]


def to_conv_transpose(
    bank: PhaseBank, boundary: Sequence[Boundary], *, symmetric: bool = False
) -> tuple[ConvTranspose, Array, Array | None]:
    """The transposed convolution that computes the same outputs: (spec, weight, bias).

    Args:
        bank: any bank whose bias is the same at every phase.
        boundary: one `Boundary` an axis, with zero extension.
        symmetric: widen the kernel with zero taps where needed, so that the padding is the same at both ends, as
            PyTorch's modules want it; without it the padding may be a (begin, end) pair.

    The kernel is the impulse response, h[d·t − p] = w[t]; dilation d is found from the structure. Weight layout
    (C_in, C_out/g, k…). Raises `NotRepresentable` with the reason, and `SpecError` for a wrong number of boundaries.
    """
    edges = _zero_extended(bank, boundary, "a transposed convolution")
    bias = _one_bias(bank)
    impulse = unfold(bank)
    h = impulse.h
    kernel: list[int] = []
    stride: list[int] = []
    padding: list[Pair] = []
    output_padding: list[int] = []
    dilation: list[int] = []
    for a, (t, edge) in enumerate(zip(bank.axes, edges, strict=True)):
        low, count = unfold_count(t)
        s, d = t.stride, _lattice(count.nonzero()[0])
        front, back, pad, o = _conv_transpose_axis(s, d, low, (len(count) - 1) // d + 1, edge.excess, symmetric)
        h = np.take(h, range(0, h.shape[2 + a], d), axis=2 + a)
        h = _add_zero_taps(h, 2 + a, front, back)
        kernel.append(int(h.shape[2 + a]))
        stride.append(s)
        padding.append(pad)
        output_padding.append(o)
        dilation.append(d)
    spec = ConvTranspose(
        tuple(kernel), tuple(stride), _plain(padding), tuple(output_padding), tuple(dilation), bank.groups
    )
    g, c_out, c_in = bank.groups, bank.out_channels, bank.in_channels
    grouped = np.swapaxes(h.reshape(g, c_out // g, c_in // g, *h.shape[2:]), 1, 2)
    return spec, np.ascontiguousarray(grouped.reshape(c_in, c_out // g, *h.shape[2:])), bias


def to_conv_pixel_shuffle(
    bank: PhaseBank, boundary: Sequence[Boundary]
) -> tuple[ConvPixelShuffle, Array, Array | None]:
    """The convolution and pixel shuffle that compute the same outputs: (spec, weight, bias).

    `boundary` has one entry an axis, with zero extension. Each phase is one set of the convolution's channels, at a
    multiply cost of s·⌈k/s⌉/k an axis against the transposed convolution. Weight layout (C_out·∏s, C_in/g, k…), bias
    (C_out·∏s,). Raises `NotRepresentable` with the reason: other extensions, or an output that is no multiple of the
    stride; `shuffle_crop` gives the longer layer and the crop that make up for the latter.
    """
    edges = _zero_extended(bank, boundary, "a convolution with a pixel shuffle")
    d = bank.rank
    w = bank.weights
    kernel: list[int] = []
    padding: list[Pair] = []
    dilation: list[int] = []
    for a, (t, edge) in enumerate(zip(bank.axes, edges, strict=True)):
        s = t.stride
        if edge.excess % s:
            raise NotRepresentable(
                f"axis {a}: the output length {s}·H {edge.excess:+d} is no multiple of the stride {s}, so a pixel "
                f"shuffle cannot end there; crop {-edge.excess % s} samples after it (upweave.convert.shuffle_crop)"
            )
        columns = t.count.sum(axis=0).nonzero()[0]
        columns = columns if len(columns) else np.zeros(1, dtype=np.int64)
        gap = _lattice(columns)
        first, k = t.start + int(columns[0]), len(range(int(columns[0]), int(columns[-1]) + 1, gap))
        front = max(0, -(-first // gap))  # an offset > 0 would be a negative padding
        begin = gap * front - first
        end = edge.excess // s - begin + gap * (k + front - 1)
        back = max(0, -(end // gap))
        w = np.take(w, range(int(columns[0]), int(columns[-1]) + 1, gap), axis=d + 2 + a)
        w = _add_zero_taps(w, d + 2 + a, front, back)
        kernel.append(int(w.shape[d + 2 + a]))
        padding.append((begin, end + gap * back))
        dilation.append(gap)
    spec = ConvPixelShuffle(tuple(kernel), bank.stride, _plain(padding), tuple(dilation), bank.groups)
    rows = bank.out_channels * math.prod(bank.stride)
    weight = np.moveaxis(w, d, 0).reshape(rows, *w.shape[d + 1 :])
    bias = None if bank.bias is None else np.ascontiguousarray(np.moveaxis(bank.bias, -1, 0)).reshape(rows)
    return spec, np.ascontiguousarray(weight), bias


def shuffle_crop(bank: PhaseBank, boundary: Sequence[Boundary]) -> tuple[tuple[Boundary, ...], tuple[int, ...]]:
    """(boundaries, crops): the next ends that a pixel shuffle can have, and the samples to crop after each axis."""
    edges = _one_each(bank, boundary)
    crops = tuple(-b.excess % s for b, s in zip(edges, bank.stride, strict=True))
    return tuple(replace(b, excess=b.excess + c) for b, c in zip(edges, crops, strict=True)), crops


def _conv_transpose_axis(s: int, d: int, low: int, k: int, excess: int, symmetric: bool) -> tuple[int, int, Pair, int]:
    """(zero taps in front, behind, padding, output padding) of one axis.

    With `front` taps in front p_begin = d·front − low, and the length H_T = s·H + excess asks for
    o − p_end = excess + s − 1 − d(k−1) − low − d·back.
    """
    most = max(s, d) - 1
    front = max(0, -(-low // d))
    begin = d * front - low
    tail = excess + s - 1 - d * (k - 1) - low  # o − p_end
    if 0 <= tail + begin <= most:
        return front, 0, (begin, begin), tail + begin
    if symmetric:
        # o = tail + begin + d·(front' − back): one more tap in front pads one more at both ends
        o = tail + begin
        more = -(o // d) if o < 0 else 0
        back = -(-(o - most) // d) if o > most else 0
        begin += d * more
        return front + more, back, (begin, begin), o + d * (more - back)
    if tail <= 0:
        return front, 0, (begin, -tail), 0
    back = -(-(tail - most) // d) if tail > most else 0
    tail -= d * back
    return front, back, (begin, max(0, -tail)), max(0, tail)


def _lattice(live: npt.NDArray[np.intp] | npt.NDArray[np.int64]) -> int:
    """The spacing of the live taps if they are evenly spaced, else 1 (the taps between are zeros)."""
    steps = np.unique(np.diff(live))
    return int(steps[0]) if len(steps) == 1 else 1


def _add_zero_taps(array: Array, axis: int, front: int, back: int) -> Array:
    pads = [(0, 0)] * array.ndim
    pads[axis] = (front, back)
    return np.pad(array, pads)


def _plain(padding: list[Pair]) -> tuple[int | Pair, ...]:
    """Pairs as single numbers where both ends agree."""
    return tuple(b if b == e else (b, e) for b, e in padding)


def _one_each(bank: PhaseBank, boundary: Sequence[Boundary]) -> tuple[Boundary, ...]:
    edges = tuple(boundary)
    if len(edges) != bank.rank:
        raise SpecError(f"a bank of {bank.rank} axes needs {bank.rank} boundaries, got {len(edges)}")
    return edges


def _zero_extended(bank: PhaseBank, boundary: Sequence[Boundary], what: str) -> tuple[Boundary, ...]:
    edges = _one_each(bank, boundary)
    for a, edge in enumerate(edges):
        if edge.extension != "zero":
            why = "repeats its edge sample" if edge.extension == "replicate" else "mixes zeros and repeated samples"
            raise NotRepresentable(f"axis {a}: the layer {why} at the border, and {what} reads zeros there")
    return edges


def _one_bias(bank: PhaseBank) -> Array | None:
    if bank.bias is None:
        return None
    flat: Array = bank.bias.reshape(-1, bank.out_channels)
    spread = float(np.abs(flat - flat[:1]).max())
    if spread > 0:
        raise NotRepresentable(
            f"the bias differs between phases by up to {spread:g}; a transposed convolution has one bias a channel"
        )
    return np.array(flat[0])
