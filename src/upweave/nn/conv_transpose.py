"""Transposed convolutions as layers: PyTorch's own, run by Upweave's operator, with what PyTorch's lack.

They are subclasses of PyTorch's layers with the same parameters, names and state; what they add is in three arguments:

    padding_mode   "circular", "reflect" or "replicate": how the input goes on beyond its border
    padding        "same": outputs of exactly s·H samples
    activation     a point-wise function, in the same pass over the output
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import torch
import torch.fx
from torch.nn.modules.conv import _ConvTransposeNd

from ..errors import SpecError
from ..ops.activation import Activation, activation_of
from .functional import run_layer
from .window import PADDING_MODES

torch.fx.wrap("run_layer")  # one node of a symbolic trace, as PyTorch's layers are: it looks at sizes

Numbers: TypeAlias = int | tuple[int, ...]

if TYPE_CHECKING:
    _Base = _ConvTransposeNd
else:
    _Base = object  # at run time, PyTorch's layer of the right rank stands behind the mixin


class UpweaveLayer(_Base):
    """What the layers of all ranks share; stands in front of PyTorch's class.

    `in_channels` to `dtype` mean what they mean in PyTorch, and besides:

    padding: "same" makes outputs of exactly s·H samples. With K = d(k−1) + 1 they are centred on the half-pixel grid
        where K − s is even; where it is odd, they are cut as Keras' `padding="same"` cuts: ⌊max(K−s, 0)/2⌋ samples at
        the start, the rest at the end.
    padding_mode: the input is extended by "circular", "reflect" or "replicate", the layer run on it without padding,
        and the output cropped to the size and phase that it has with "zeros". Circular is exactly periodic.
    activation: None, "relu", "leaky_relu" or ("leaky_relu", slope), "silu", "tanh", "sigmoid".

    Raises `SpecError` for a padding mode, a padding or an activation that does not exist, and for an `output_padding`
    beside "same", which fixes the size.
    """

    rank: ClassVar[int]

    # Class attributes: PyTorch's own layers have neither when `replace_layers` makes them ours.
    _activation: Activation = None
    _fused: tuple[str, float] = ("none", 0.01)

    def __init__(
        self,
        in_channels: int,
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
        if padding_mode not in PADDING_MODES:
            raise SpecError(f"padding_mode must be one of {', '.join(PADDING_MODES)}, got {padding_mode!r}")
        if isinstance(padding, str) and padding != "same":
            raise SpecError(f'padding must be "same" or numbers, got {padding!r}')
        fused = activation_of(activation)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, 0 if padding == "same" else padding, output_padding,
            groups, bias, dilation, "zeros", device, dtype,
        )  # fmt: skip
        self.padding_mode = padding_mode  # type: ignore[assignment]
        if padding == "same":
            if any(self.output_padding):
                raise SpecError(
                    f'padding "same" fixes the output\'s size; output_padding {self.output_padding} cannot be'
                )
            self.padding = "same"
        self._activation, self._fused = activation, fused

    @property
    def activation(self) -> Activation:
        """The point-wise function behind the convolution."""
        return self._activation

    @activation.setter
    def activation(self, value: Activation) -> None:
        self._fused = activation_of(value)
        self._activation = value

    def forward(self, input: torch.Tensor, output_size: Sequence[int] | None = None) -> torch.Tensor:  # noqa: A002
        """The output (N, C_out, *size) of an input (N, C_in, *size), or the same without N.

        `output_size`, with or without the leading axes, chooses among the s sizes that are possible.
        """
        return run_layer(
            input, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation,
            self.padding_mode, *self._fused, output_size,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """PyTorch's description, and the activation if there is one."""
        text = str(super().extra_repr())  # type: ignore[no-untyped-call]
        return text if self.activation is None else f"{text}, activation={self.activation!r}"


class ConvTranspose1d(UpweaveLayer, torch.nn.ConvTranspose1d):
    """A transposed convolution of signals (N, C_in, L): `torch.nn.ConvTranspose1d`, see `UpweaveLayer`."""

    rank = 1


class ConvTranspose2d(UpweaveLayer, torch.nn.ConvTranspose2d):
    """A transposed convolution of images (N, C_in, H, W): `torch.nn.ConvTranspose2d`, see `UpweaveLayer`."""

    rank = 2


class ConvTranspose3d(UpweaveLayer, torch.nn.ConvTranspose3d):
    """A transposed convolution of volumes (N, C_in, D, H, W): `torch.nn.ConvTranspose3d`, see `UpweaveLayer`."""

    rank = 3
