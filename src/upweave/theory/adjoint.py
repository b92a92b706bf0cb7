"""The adjoint layer: the transposed convolution of a convolution, and back."""

from __future__ import annotations

from ..errors import NotRepresentable
from ..shapes import Size, as_sizes
from ..spec import Conv, ConvTranspose, Spec
from .sizes import output_size


def adjoint(spec: Spec, size: Size | None = None) -> Conv | ConvTranspose:
    """The layer whose matrix is the transpose of this one's, with the same weight array.

    `ConvTranspose` gives its `Conv`. `Conv` gives a `ConvTranspose`; of the s inputs that lead to one output length,
    `size` says which, o = (N + p_begin + p_end − d(k−1) − 1) mod s; without it o = 0, the shortest. Weight layouts
    agree: the axis that is C_out of one is C_in of the other. Raises `NotRepresentable` for other specs, and for a
    `ConvTranspose` with o ≥ s (possible if d > s), where the convolution gives more outputs than there were inputs.
    Source: the article, mathematical foundation.
    """
    if isinstance(spec, ConvTranspose):
        for a in spec.per_axis():
            if a.output_padding >= a.stride:
                raise NotRepresentable(
                    f"output_padding {a.output_padding} ≥ stride {a.stride}: the convolution of that output has "
                    f"{a.output_padding // a.stride} more samples than the input had"
                )
        return Conv(spec.kernel, spec.stride, spec.padding, spec.dilation, spec.groups)
    if not isinstance(spec, Conv):
        raise NotRepresentable(f"the adjoint of {type(spec).__name__} is no single layer; transpose its matrix instead")
    if size is None:
        return ConvTranspose(spec.kernel, spec.stride, spec.padding, 0, spec.dilation, spec.groups)
    sizes = as_sizes(spec, size)
    output_size(spec, sizes)
    rest = tuple(
        (n + a.begin + a.end - a.dilation * (a.kernel - 1) - 1) % a.stride
        for a, n in zip(spec.per_axis(len(sizes)), sizes, strict=True)
    )
    o = rest[0] if spec.is_scalar and len(set(rest)) == 1 else rest
    return ConvTranspose(spec.kernel, spec.stride, spec.padding, o, spec.dilation, spec.groups)
