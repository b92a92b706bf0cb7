"""Upsampling layers of well-known models, by their published numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..text import Text


@dataclass(frozen=True)
class Known:
    """One layer of a published model: its numbers on every axis, on how many axes, and at how many inputs to show it."""

    title: Text
    source: str
    numbers: Mapping[str, int]
    axes: int = 2


def _numbers(k: int, s: int, p: int = 0, o: int = 0, size: int = 6) -> dict[str, int]:
    return {"k": k, "s": s, "p": p, "o": o, "d": 1, "H": size}


KNOWN: dict[str, Known] = {
    "dcgan": Known(
        Text("DCGAN, k4 s2 p1", "DCGAN，k4 s2 p1"), "Radford et al., ICLR 2016; the authors' code", _numbers(4, 2, 1)
    ),
    "unet": Known(Text("U-Net, k2 s2", "U-Net，k2 s2"), "Ronneberger et al., MICCAI 2015", _numbers(2, 2)),
    "fcn": Known(
        Text("FCN-8s, last layer, k16 s8", "FCN-8s 末层，k16 s8"), "Long et al., CVPR 2015", _numbers(16, 8, 0, 0, 4)
    ),
    "hifigan": Known(
        Text("HiFi-GAN V1, first layer, k16 s8 p4 (1-D)", "HiFi-GAN V1 首层，k16 s8 p4（一维）"),
        "Kong et al., NeurIPS 2020",
        _numbers(16, 8, 4, 0, 4),
        axes=1,
    ),
    "fsrcnn": Known(
        Text("FSRCNN ×2, k9 s2 p4 o1", "FSRCNN ×2，k9 s2 p4 o1"),
        "Dong et al., ECCV 2016; as in most ports",
        _numbers(9, 2, 4, 1),
    ),
    "sam": Known(
        Text("SAM, mask decoder, k2 s2", "SAM 掩码解码器，k2 s2"), "Kirillov et al., ICCV 2023", _numbers(2, 2)
    ),
    "vae": Known(
        Text("SD-VAE, nearest ×2 and 3×3, as one layer k4 s2 p1", "SD-VAE，最近邻 ×2 与 3×3，折叠成 k4 s2 p1"),
        "Rombach et al., CVPR 2022",
        _numbers(4, 2, 1),
    ),
    "cyclegan": Known(
        Text("CycleGAN, k3 s2 p1 o1", "CycleGAN，k3 s2 p1 o1"), "Zhu et al., ICCV 2017", _numbers(3, 2, 1, 1)
    ),
}
"""The presets of the explorer, by name."""
