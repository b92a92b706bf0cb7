"""Resize, then convolve: an upsampling layer whose phases cannot disagree about a constant."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..convert.axis import axis_response
from ..errors import NotRepresentable, SpecError
from ..spec import Ints
from ..spec import ResizeConv as Spec
from .centred import CentredConv
from .conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .layout import along

ResizeMode: TypeAlias = Literal["nearest", "linear"]

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
_TRANSPOSED: dict[int, type[ConvTranspose1d | ConvTranspose2d | ConvTranspose3d]] = {
    1: ConvTranspose1d,
    2: ConvTranspose2d,
    3: ConvTranspose3d,
}


class ResizeConv(CentredConv):
    """A half-pixel resize by `stride`, then a convolution: (N, C_in, H…) to (N, C_out, s·H…), centred.

    The same as `nn.Upsample(scale_factor=stride, mode=…)` and a `nn.Conv` with padding d(k−1)/2, parameters included.

    Args:
        in_channels, out_channels: C_in and C_out.
        kernel_size: of the convolution; odd (or with an even dilation), so that the layer is centred.
        stride: the factor of the resize, whole, a number or one an axis.
        mode: "nearest", or "linear" (bilinear, trilinear) with half-pixel positions (align_corners=False).
        dilation, groups, bias: of the convolution.
        padding_mode: how the convolution extends the resized signal: "zeros", "reflect", "replicate" or "circular".
            With "circular" a linear resize wraps around too, so that the layer is periodic.

    Weight (C_out, C_in/g, k…), bias (C_out,), drawn as PyTorch draws a convolution's. Inputs may come without a batch.
    Raises `SpecError` for numbers or shapes that do not fit. Source: Odena et al., Deconvolution and checkerboard
    artifacts, Distill 2016; the article, checkerboard artefacts.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 2,
        *,
        mode: ResizeMode = "nearest",
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if mode not in ("nearest", "linear"):
            raise SpecError(f"mode must be 'nearest' or 'linear', got {mode!r}")
        self.mode: ResizeMode = mode  # before the rest: `spec`, which checks the rest, needs it
        super().__init__(
            in_channels, out_channels, kernel_size, stride, dilation, groups, bias, padding_mode, device, dtype
        )

    @property
    def spec(self) -> Spec:
        """The layer's numbers. A spec pads with zeros, so that for another `padding_mode` it holds in the interior."""
        return Spec(self.kernel_size, self.stride, self._padding, self.dilation, self.groups, self.mode)

    def reset_parameters(self) -> None:
        """Draw weight and bias as PyTorch does for a convolution, within ±1/√(C_in/g·∏k)."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self._draw_bias()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H…) or (C_in, H…) to the same with C_out channels and s·H samples."""
        x, batched = self._batched(x)
        y = self._convolve(self._resize(x))
        return y if batched else y[0]

    def folded(self) -> ConvTranspose1d | ConvTranspose2d | ConvTranspose3d:
        """The transposed convolution that computes the same outputs, borders included, with fewer multiplications.

        nearest × s, then a convolution of k with zeros is a transposed convolution with kernel d(k−1) + s, stride s,
        padding d(k−1)/2 and the weight flip(w) ∗ ones(s); multiplications fall by (k·s/(k+s−1))ᴰ for d = 1, 2.25 times
        for 3×3 and s = 2. The parameters are copies. Raises `NotRepresentable` for a linear resize, which is periodic
        in the interior only, and for another padding mode than zeros.
        """
        if self.mode != "nearest":
            raise NotRepresentable(
                "a linear resize repeats its edge sample and the convolution pads zeros behind it: no transposed "
                "convolution has that border"
            )
        if self.padding_mode != "zeros":
            raise NotRepresentable(
                f"a transposed convolution reads zeros at the border, not padding {self.padding_mode!r}"
            )
        responses = [axis_response(a) for a in self.spec.per_axis()]
        with torch.no_grad():
            expand = [torch.as_tensor(r.expand).to(self.weight) for r in responses]
            h = along(self.weight, expand)
            h = h.reshape(self.groups, -1, *h.shape[1:]).transpose(1, 2)
            layer = _TRANSPOSED[self.rank](
                self.in_channels, self.out_channels, tuple(h.shape[3:]), self.stride,
                tuple(-r.low for r in responses), groups=self.groups, bias=self.bias is not None,
                device=self.weight.device, dtype=self.weight.dtype,
            )  # fmt: skip
            layer.weight.copy_(h.reshape(layer.weight.shape))
            if self.bias is not None and layer.bias is not None:
                layer.bias.copy_(self.bias)
        return layer.train(self.training)

    def _resize(self, x: Tensor) -> Tensor:
        factor = [float(s) for s in self.stride]
        if self.mode == "nearest":
            # "nearest" takes ⌊n/s⌋ from a rounded 1/s and misses by one for some factors from 41 on
            return F.interpolate(x, scale_factor=factor, mode="nearest-exact")
        if self.padding_mode != "circular":
            return F.interpolate(x, scale_factor=factor, mode=_LINEAR[self.rank], align_corners=False)
        x = F.pad(x, [1, 1] * self.rank, mode="circular")
        y = F.interpolate(x, scale_factor=factor, mode=_LINEAR[self.rank], align_corners=False)
        for a, s in enumerate(self.stride):
            y = y.narrow(2 + a, s, y.shape[2 + a] - 2 * s)
        return y

    def extra_repr(self) -> str:
        """The numbers of the layer."""
        return f"{super().extra_repr()}, mode={self.mode}"


class ResizeConv1d(ResizeConv):
    """`ResizeConv` on (N, C, L)."""

    rank = 1


class ResizeConv2d(ResizeConv):
    """`ResizeConv` on (N, C, H, W)."""

    rank = 2


class ResizeConv3d(ResizeConv):
    """`ResizeConv` on (N, C, D, H, W)."""

    rank = 3
