"""The last layer of a segmenter: scores on a coarse grid, brought back to the picture's by one transposed convolution.

The encoder is replaced by the best that any encoder of its stride can say: the share of each s×s square that the
object covers. What is lost is then the decoder's doing alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...ops.conv_transpose import conv_transpose
from ...spec import ConvTranspose
from ...theory.alignment import alignment

Array = npt.NDArray[np.float64]


def pooled(mask: Array, stride: int) -> Array:
    """The mean of each stride×stride square; both sides must be multiples of the stride."""
    h, w = mask.shape
    return np.asarray(mask.reshape(h // stride, stride, w // stride, stride).mean(axis=(1, 3)))


def layer(stride: int, padding: int) -> ConvTranspose:
    """FCN's: k = 2s, one stride."""
    return ConvTranspose(2 * stride, stride, padding)


def bilinear(stride: int) -> Array:
    """FCN's first weight, a triangle on each axis: shape (1, 1, 2s, 2s). Each phase adds up to 1."""
    at = np.arange(2 * stride) - (2 * stride - 1) / 2
    line = 1 - np.abs(at) / stride
    return np.outer(line, line)[None, None]


def upsampled(scores: Array, stride: int, padding: int, *, middle: bool = False) -> Array:
    """The layer's output, made as large as the picture: what is too long is cut off at the end (or, with `middle`, at
    both), what is missing there is 0."""
    spec = layer(stride, padding)
    full = conv_transpose(np.ascontiguousarray(scores)[None, None], bilinear(stride), stride=stride, padding=padding)
    full = np.asarray(full[0, 0])
    size = tuple(stride * n for n in scores.shape)
    first = [cut(spec, middle) for _ in size]
    part = full[first[0] : first[0] + size[0], first[1] : first[1] + size[1]]
    return np.pad(part, [(0, n - have) for n, have in zip(size, part.shape, strict=True)])


def cut(spec: ConvTranspose, middle: bool) -> int:
    """How many outputs are cut off in front: none, or half of what is too long."""
    a = spec.per_axis(1)[0]
    return max(0, (int(a.kernel) - int(a.stride) - 2 * a.begin) // 2) if middle else 0


def shift(stride: int, padding: int, *, middle: bool = False) -> float:
    """How far the output lies from where it belongs, in pixels: that of the layer, less what is cut off in front."""
    spec = layer(stride, padding)
    return float(alignment(spec).axes[0].shift_half_pixel) - cut(spec, middle)


def overlap(found: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((found & truth).sum() / (found | truth).sum())


def centroid(mask: Array) -> tuple[float, float]:
    """The centre of mass, (row, column)."""
    total = mask.sum()
    return tuple(float((mask.sum(axis=1 - a) * np.arange(n)).sum() / total) for a, n in enumerate(mask.shape))  # type: ignore[return-value]


def result(mask: Array, stride: int, padding: int, *, middle: bool = False) -> tuple[Array, float, float]:
    """(scores at full size, intersection over union at the level ½, how far the centre of mass moved down)."""
    full = upsampled(pooled(mask, stride), stride, padding, middle=middle)
    return full, overlap(full > 0.5, mask > 0.5), centroid(full)[0] - centroid(mask)[0]


def errors_picture(full: Array, mask: Array) -> Array:
    """Grey where both say object, blue where only the truth does, orange where only the result does: (H, W, 3)."""
    found, truth = full > 0.5, mask > 0.5
    out = np.full((*mask.shape, 3), 0.96)
    out[found & truth] = 0.72
    out[truth & ~found] = (0.12, 0.37, 0.66)
    out[found & ~truth] = (0.72, 0.32, 0.04)
    return out


def skip_model(padding: int) -> Any:
    """Two strided convolutions down, and up with one skip connection, as a torch module: (N, 3, H, W) → (N, 1, H, W)."""
    import torch
    from torch import nn

    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down1 = nn.Conv2d(3, 8, 4, stride=2, padding=1)
            self.down2 = nn.Conv2d(8, 8, 4, stride=2, padding=1)
            self.up1 = nn.ConvTranspose2d(8, 8, 4, stride=2, padding=padding)
            self.up2 = nn.ConvTranspose2d(8, 1, 4, stride=2, padding=padding)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            skip = self.down1(x).relu()
            low = self.down2(skip).relu()
            merged = self.up1(low)[..., : skip.shape[-2], : skip.shape[-1]] + skip
            out: torch.Tensor = self.up2(merged.relu())[..., : x.shape[-2], : x.shape[-1]]
            return out

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Skip().eval()
