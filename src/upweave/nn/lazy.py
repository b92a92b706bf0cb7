"""The layers whose number of input channels is read off the first input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..ops.activation import Activation
from .conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Numbers

if TYPE_CHECKING:
    _Base = torch.nn.LazyConvTranspose1d
else:
    _Base = object


class _Lazy(_Base):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Numbers | str = 0,
        output_padding: Numbers = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Numbers = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        activation: Activation = None,
    ) -> None:
        # PyTorch's lazy class goes on to our eager one with everything but the activation.
        super().__init__(
            out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode,  # type: ignore[arg-type]
            device, dtype,
        )  # fmt: skip
        self.activation = activation


class LazyConvTranspose1d(_Lazy, torch.nn.LazyConvTranspose1d, ConvTranspose1d):  # type: ignore[misc]
    """`ConvTranspose1d` with `in_channels` read off the first input; it is a `ConvTranspose1d` from then on."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_Lazy, torch.nn.LazyConvTranspose2d, ConvTranspose2d):  # type: ignore[misc]
    """`ConvTranspose2d` with `in_channels` read off the first input; it is a `ConvTranspose2d` from then on."""

    cls_to_become = ConvTranspose2d  # type: ignore[assignment]


class LazyConvTranspose3d(_Lazy, torch.nn.LazyConvTranspose3d, ConvTranspose3d):  # type: ignore[misc]
    """`ConvTranspose3d` with `in_channels` read off the first input; it is a `ConvTranspose3d` from then on."""

    cls_to_become = ConvTranspose3d  # type: ignore[assignment]
