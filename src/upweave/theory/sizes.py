"""How long the output is, and the two inverse questions: which outputs an input can have, which inputs an output."""

from __future__ import annotations

from typing import Any

from ..convert.axis import axis_boundary
from ..errors import SpecError
from ..shapes import Size, as_sizes
from ..spec import Conv, ConvTranspose, Spec, ZeroInsertConv


def output_size(spec: Spec, size: Size) -> Any:
    """The output length of an input of length `size`, in samples.

    An int for a spec of numbers and an int, else a tuple with one entry an axis; numbers are repeated over the axes.
    ConvTranspose: H_T = s(H−1) − p_begin − p_end + d(k−1) + 1 + o; the others as their specs say.
    Raises `SpecError` where the output would be shorter than 1, naming the least input.
    Source: the article, output size.
    """
    sizes = as_sizes(spec, size)
    out = tuple(_axis_output(a, n) for a, n in zip(spec.per_axis(len(sizes)), sizes, strict=True))
    return out[0] if _scalar(spec, size) else out


def output_sizes(spec: Spec, size: Size) -> Any:
    """Every output length from which the adjoint convolution comes back to `size`; `output_padding` picks one.

    For `ConvTranspose` and `ZeroInsertConv` s of them, s(H−1)+k−2p ≤ H_T < sH+k−2p (d = 1), whatever the spec's own
    output padding is; for every other spec its one output. A tuple of ints, or a tuple of those for several axes.
    Raises `SpecError` where none of them is at least 1, naming the least input.
    Source: the article, output size.
    """
    sizes = as_sizes(spec, size)
    out: list[tuple[int, ...]] = []
    for a, n in zip(spec.per_axis(len(sizes)), sizes, strict=True):
        if isinstance(a, (ConvTranspose, ZeroInsertConv)):
            s, least = _int(a.stride), _length(a, n) - _int(a.output_padding)
            if least + s <= 1:
                raise SpecError(
                    f"{type(a).__name__}: for an input of length {n} the longest output that a convolution takes back "
                    f"to it would be {least + s - 1}; the input must be at least {n - (least + s - 2) // s}"
                )
            out.append(tuple(range(max(1, least), least + s)))
        else:
            out.append((_axis_output(a, n),))
    return out[0] if _scalar(spec, size) else tuple(out)


def input_sizes(spec: Spec, output: Size) -> Any:
    """Every input length that can give `output`, with the output padding that does it: a tuple of (H, o), H rising.

    ConvTranspose varies o over 0 ≤ o < max(s, d), ZeroInsertConv over 0 ≤ o < s; specs without one give (H, 0) or
    nothing. For `Conv` the s inputs N of an output are listed with the o that their transposed convolution needs.
    A tuple of such tuples for several axes; empty where no input does it. Source: the article, output size.
    """
    sizes = as_sizes(spec, output)
    out = tuple(_axis_inputs(a, n) for a, n in zip(spec.per_axis(len(sizes)), sizes, strict=True))
    return out[0] if _scalar(spec, output) else out


def valid_output_range(size: int, kernel: int, stride: int, padding: int) -> range:
    """The article's inequality s(H−1)+k−2p ≤ H_T < sH+k−2p, as the range of H_T."""
    return range(stride * (size - 1) + kernel - 2 * padding, stride * size + kernel - 2 * padding)


def _axis_inputs(spec: Any, output: int) -> tuple[tuple[int, int], ...]:
    s = _int(spec.stride)
    if isinstance(spec, Conv):
        least = s * (output - 1) + _int(spec.dilation) * (_int(spec.kernel) - 1) + 1 - spec.begin - spec.end
        return tuple((n, n - least) for n in range(least, least + s) if n >= 1)
    if isinstance(spec, (ConvTranspose, ZeroInsertConv)):
        rest = output - axis_boundary(spec).excess + _int(spec.output_padding)  # = s·H + o
        most = max(s, _int(spec.dilation)) if isinstance(spec, ConvTranspose) else s
        found = [(rest - o, o) for o in range(most)]
    else:
        found = [(output - axis_boundary(spec).excess, 0)]
    return tuple(sorted((h // s, o) for h, o in found if h % s == 0 and h >= s))


def _axis_output(spec: Any, n: int) -> int:
    out = _length(spec, n)
    if out < 1:
        raise SpecError(_too_short(spec, n))
    return out


def _length(spec: Any, n: int) -> int:
    if isinstance(spec, Conv):
        reach = _int(spec.dilation) * (_int(spec.kernel) - 1) + 1
        return (n + spec.begin + spec.end - reach) // _int(spec.stride) + 1
    return axis_boundary(spec).output_size(_int(spec.stride), n)


def _too_short(spec: Any, n: int) -> str:
    if isinstance(spec, Conv):
        least = _int(spec.dilation) * (_int(spec.kernel) - 1) + 1 - spec.begin - spec.end
    else:
        least = -(-(1 - axis_boundary(spec).excess) // _int(spec.stride))
    return (
        f"{type(spec).__name__}: an input of length {n} gives an output of length {_length(spec, n)}; "
        f"the input must be at least {max(1, least)}"
    )


def _int(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)  # pyright: ignore[reportUnknownArgumentType]


def _scalar(spec: Spec, size: Size) -> bool:
    return spec.is_scalar and (isinstance(size, int) or hasattr(size, "__index__"))
