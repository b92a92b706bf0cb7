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
from torch.nn.modules.conv import _ConvTransposeNd

from ..errors import SpecError
from ..ops.activation import Activation, activation_of
from ..ops.torch import conv_transpose
from .window import PADDING_MODES, extend, same, window

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
        if input.dim() == self.rank + 2:
            return self._run(input, output_size)
        if input.dim() == self.rank + 1:
            return self._run(input.unsqueeze(0), output_size).squeeze(0)
        raise SpecError(
            f"{type(self).__name__} expects an input of {self.rank + 2} axes, or {self.rank + 1} without a batch, "
            f"got shape {tuple(input.shape)}"
        )

    def _run(self, x: torch.Tensor, output_size: Sequence[int] | None) -> torch.Tensor:
        output_padding = self.output_padding
        if self.padding == "same":
            if output_size is not None:
                self._check_same(x, tuple(output_size))
        elif output_size is not None:
            output_padding = tuple(
                self._output_padding(
                    x, list(output_size), self.stride, self.padding, self.kernel_size, self.rank, self.dilation  # type: ignore[arg-type]
                )
            )  # fmt: skip
        if self.padding_mode == "zeros" and self.padding != "same":
            return self._convolve(x, self.padding, output_padding)
        windows = self._windows(output_padding)
        x = extend(x, tuple(w.extend for w in windows), self.padding_mode)
        y = self._convolve(x, tuple(w.padding for w in windows), tuple(w.output_padding for w in windows))
        if not any(w.cut for w in windows):
            return y
        for axis, w in enumerate(windows, start=2):
            y = y.narrow(axis, 0, y.shape[axis] - w.cut)
        return y.contiguous()  # as every convolution's output is: what follows may ask for a view

    def _windows(self, output_padding: tuple[int, ...]) -> list[Any]:
        zeros, found = self.padding_mode == "zeros", []
        for a, (k, s, d) in enumerate(zip(self.kernel_size, self.stride, self.dilation, strict=True)):
            begin, surplus = same(k, s, d) if self.padding == "same" else (self.padding[a], output_padding[a])
            found.append(window(k, s, d, begin, surplus, zeros=zeros))  # type: ignore[arg-type]
        return found

    def _check_same(self, x: torch.Tensor, size: tuple[int, ...]) -> None:
        only = tuple(s * n for s, n in zip(self.stride, x.shape[2:], strict=True))
        if size[-self.rank :] != only:
            raise SpecError(f'padding "same" makes an output of size {only}; output_size {size} is not possible')

    def _convolve(self, x: torch.Tensor, padding: Any, output_padding: Any) -> torch.Tensor:
        return conv_transpose(
            x, self.weight, self.bias, self.stride, padding, output_padding, self.groups, self.dilation, *self._fused
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
