"""FSRCNN: super-resolution whose only upsampling layer is the last, a 9×9 transposed convolution.

Source: C. Dong, C. C. Loy, X. Tang, "Accelerating the Super-Resolution Convolutional Neural Network", ECCV 2016:
FSRCNN(d=56, s=12, m=4), Conv(5,d,1) – PReLU – Conv(1,s,d) – PReLU – m×Conv(3,s,s) – PReLU – Conv(1,d,s) – PReLU –
DeConv(9,1,d). Padding 4 and output padding s − 1, common in PyTorch ports, make the output s times the input.

What to expect: 9 mod 2 = 1, so the outputs get 5 and 4 taps a side in turn; and the whole picture moves by
(s − 1)/2 output pixels, because nothing in front of the layer shifts the other way.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn


class FSRCNN(nn.Module):
    """Feature extraction, shrinking, mapping, expanding, and one learnt upsampling."""

    def __init__(self, scale: int, d: int, s: int, m: int) -> None:
        super().__init__()
        self.extract = nn.Sequential(nn.Conv2d(1, d, 5, padding=2), nn.PReLU(d))
        self.shrink = nn.Sequential(nn.Conv2d(d, s, 1), nn.PReLU(s))
        self.map = nn.Sequential(*(nn.Conv2d(s, s, 3, padding=1) for _ in range(m)), nn.PReLU(s))
        self.expand = nn.Sequential(nn.Conv2d(s, d, 1), nn.PReLU(d))
        self.upsample = nn.ConvTranspose2d(d, 1, 9, stride=scale, padding=4, output_padding=scale - 1)

    def forward(self, luma: Tensor) -> Tensor:
        """(N, 1, H, W) → (N, 1, scale·H, scale·W)."""
        return cast("Tensor", self.upsample(self.expand(self.map(self.shrink(self.extract(luma))))))


def fsrcnn(scale: int = 2, d: int = 56, s: int = 12, m: int = 4) -> nn.Module:
    """FSRCNN(56, 12, 4) of the paper: 12,464 weights without biases and PReLU slopes, whatever the scale."""
    return FSRCNN(scale, d, s, m)
