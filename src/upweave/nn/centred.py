"""What `ResizeConv` and `SubPixelConv` share: a stride-1 convolution that is centred on its samples."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SpecError
from ..spec import Ints, Spec
from ..theory.fans import check_channels

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class CentredConv(nn.Module, ABC):
    """A convolution with d(k−1)/2 samples of padding on each side, the numbers of an upsampling layer, and parameters.

    `weight` has the shape (rows, C_in/g, k…) and `bias` (rows,), rows as the subclass says. Subclasses set `rank`.
    """

    rank: ClassVar[int] = 0
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints,
        dilation: Ints,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not self.rank:
            raise SpecError(f"{name} has no number of axes; take {name}1d, {name}2d or {name}3d")
        if padding_mode not in PADDING_MODES:
            raise SpecError(f"padding_mode must be one of {', '.join(PADDING_MODES)}, got {padding_mode!r}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = self._every_axis("kernel_size", kernel_size)
        self.stride = self._every_axis("stride", stride)
        self.dilation = self._every_axis("dilation", dilation)
        self.groups, self.padding_mode = groups, padding_mode
        self.spec  # noqa: B018  raises where a number is out of range
        for k, d in zip(self.kernel_size, self.dilation, strict=True):
            if d * (k - 1) % 2:
                raise SpecError(
                    f"{name}: kernel_size {k} with dilation {d} has its middle between two samples and cannot be "
                    f"centred; take {max(k - 1, 1)} or {k + 1}"
                )
        check_channels(self.spec, in_channels, out_channels)
        rows = self._rows()
        self.weight = nn.Parameter(
            torch.empty(rows, in_channels // groups, *self.kernel_size, device=device, dtype=dtype)
        )
        if bias:
            self.bias = nn.Parameter(torch.empty(rows, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    @property
    @abstractmethod
    def spec(self) -> Spec:
        """The layer's numbers, for `upweave.alignment`, `upweave.output_size` and all other questions."""

    @abstractmethod
    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""

    def _rows(self) -> int:
        return self.out_channels

    @property
    def _padding(self) -> tuple[int, ...]:
        return tuple(d * (k - 1) // 2 for k, d in zip(self.kernel_size, self.dilation, strict=True))

    def _convolve(self, x: Tensor) -> Tensor:
        """The convolution of a batched signal, as long as the signal itself."""
        padding: tuple[int, ...] = self._padding
        if self.padding_mode != "zeros":
            x = F.pad(x, [p for p in reversed(padding) for _ in range(2)], mode=self.padding_mode)
            padding = (0,) * self.rank
        return _CONV[self.rank](x, self.weight, self.bias, 1, padding, self.dilation, self.groups)

    def _batched(self, x: Tensor) -> tuple[Tensor, bool]:
        """The input with a batch axis, and whether it came with one."""
        if x.ndim not in (self.rank + 1, self.rank + 2):
            raise SpecError(
                f"{type(self).__name__} takes (N, C, size…) or (C, size…) with {self.rank} axes of size, got an input "
                f"of shape {tuple(x.shape)}"
            )
        batched = x.ndim == self.rank + 2
        x = x if batched else x[None]
        if x.shape[1] != self.in_channels:
            raise SpecError(f"{type(self).__name__} reads {self.in_channels} channels, the input has {x.shape[1]}")
        return x, batched

    def _draw_bias(self, phases: int = 1) -> None:
        """PyTorch's draw for a bias, one value a channel, repeated over its phases."""
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_channels // self.groups * math.prod(self.kernel_size))
            drawn = torch.empty_like(self.bias[::phases]).uniform_(-bound, bound)
            with torch.no_grad():
                self.bias.copy_(drawn.repeat_interleave(phases))

    def _every_axis(self, name: str, value: Ints) -> tuple[int, ...]:
        if not isinstance(value, (tuple, list)):
            return (value,) * self.rank
        if len(value) != self.rank:
            raise SpecError(f"{type(self).__name__}: {name} {value!r} does not fit {self.rank} axes")
        return tuple(value)

    def extra_repr(self) -> str:
        """The numbers of the layer; those at their default are left out, as torch does."""
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if any(d != 1 for d in self.dilation):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)
