"""Flawed PyTorch models, each with the codes that it must raise, as a module and as the ONNX file exported from it.

`FLAWED` maps a name to (factory, input shape, codes).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .sound import Factory, Run, UNet, block

FLAWED: dict[str, tuple[Factory, tuple[int, ...], frozenset[str]]] = {}


def flawed(codes: str, *shape: int) -> Callable[[Factory], Factory]:
    """Enter a factory under its own name, with the codes it must raise."""

    def enter(factory: Factory) -> Factory:
        FLAWED[factory.__name__] = (factory, shape, frozenset(codes.split()))
        return factory

    return enter


def set_weight(layer: nn.Module, weight: Tensor, bias: Tensor | None = None) -> nn.Module:
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


@flawed("UW101 UW104 UW602", 1, 8, 8, 8)
def generator_k3() -> nn.Module:
    up = lambda a, b: [nn.ConvTranspose2d(a, b, 3, 2, 1, 1), nn.InstanceNorm2d(b), nn.ReLU()]  # noqa: E731
    return nn.Sequential(*up(8, 8), *up(8, 4), nn.Conv2d(4, 3, 7, padding=3))


@flawed("UW101 UW104", 1, 4, 16)
def wavegan_k25_s4() -> nn.Module:
    up = lambda a, b: [nn.ConvTranspose1d(a, b, 25, 4, 11, 1), nn.ReLU()]  # noqa: E731
    return nn.Sequential(*up(4, 4), *up(4, 4))


@flawed("UW101", 1, 4, 6, 6, 6)
def volume_k3() -> nn.Module:
    return nn.ConvTranspose3d(4, 2, 3, 2, 1, 1)


@flawed("UW101 UW602", 1, 4, 8, 8)
def super_resolution_k9_s3() -> nn.Module:
    """FSRCNN's head."""
    return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.PReLU(), nn.ConvTranspose2d(4, 1, 9, 4, 4, 3))


@flawed("UW101", 1, 4, 8, 8)
def one_uneven_axis() -> nn.Module:
    return nn.ConvTranspose2d(4, 4, (4, 3), (2, 2), (1, 1), (0, 1))


@flawed("UW102", 1, 4, 8, 8)
def gaps_k2_s3() -> nn.Module:
    return nn.ConvTranspose2d(4, 4, 2, 3)


@flawed("UW102", 1, 4, 8, 8)
def dilated_lattice() -> nn.Module:
    return nn.ConvTranspose2d(4, 4, 3, 2, 2, 1, dilation=2)


@flawed("UW102", 1, 4, 8, 8)
def k1_s2() -> nn.Module:
    return nn.ConvTranspose2d(4, 4, 1, 2, output_padding=1)


@flawed("UW103", 1, 4, 8, 8)
def bias_only_border() -> nn.Module:
    return nn.ConvTranspose2d(4, 4, 2, 2, 0, 1)


@flawed("UW103", 1, 4, 8)
def bias_only_border_1d() -> nn.Module:
    return nn.ConvTranspose1d(4, 4, 8, 4, 0, 3)


@flawed("UW105", 1, 3, 32, 32)
def classifier_k3_s2() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 8, 3, 2, 1))


@flawed("UW201", 1, 4, 16, 16)
def shuffle_then_blur() -> nn.Module:
    """A replicated edge on the left and above, then an average of two: half a pixel off."""

    def forward(m, x):
        y = F.relu(F.pixel_shuffle(m.a(x), 2))
        return F.avg_pool2d(F.pad(y, (1, 0, 1, 0), mode="replicate"), 2, stride=1)

    return Run(forward, a=nn.Conv2d(4, 16, 3, padding=1))


@flawed("UW201", 1, 4, 8, 8)
def left_crop() -> nn.Module:
    """k4 s2 without padding, cut on one side alone."""
    return Run(lambda m, x: m.up(x)[..., 2:, 2:], up=nn.ConvTranspose2d(4, 4, 4, 2))


@flawed("UW202", 1, 3, 32, 32)
def skip_half_a_pixel_off() -> nn.Module:
    """A k2 s2 decoder on a k3 s2 p1 encoder."""

    def forward(m, x):
        a = F.relu(m.a(x))
        return m.c(torch.cat([m.up(F.relu(m.b(a))), a], 1))

    return Run(
        forward,
        a=nn.Conv2d(3, 4, 3, padding=1),
        b=nn.Conv2d(4, 8, 3, 2, 1),
        up=nn.ConvTranspose2d(8, 4, 2, 2),
        c=nn.Conv2d(8, 2, 3, padding=1),
    )


@flawed("UW202", 1, 4, 16, 16)
def residual_off() -> nn.Module:
    def forward(m, x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) + m.up(x)[..., 2:34, 2:34]

    return Run(forward, up=nn.ConvTranspose2d(4, 4, 4, 2, output_padding=1))


@flawed("UW301", 1, 3, 32, 32)
def unet_needs_multiples_of_4() -> nn.Module:
    return UNet(lambda a, b: nn.ConvTranspose2d(a, b, 2, 2))


@flawed("UW302", 1, 3, 30, 30)
def resize_repair() -> nn.Module:
    """An odd level that comes back one pixel short and is padded."""

    def forward(m, x):
        a = m.a(F.max_pool2d(x, 2))
        y = m.up(m.b(F.max_pool2d(a, 2)))
        y = F.pad(y, (0, a.shape[-1] - y.shape[-1], 0, a.shape[-2] - y.shape[-2]))
        return m.c(torch.cat([y, a], 1))

    return Run(forward, a=block(3, 4), b=block(4, 8), up=nn.ConvTranspose2d(8, 4, 2, 2), c=block(8, 2))


@flawed("UW303", 1, 4, 16)
def five_n_minus_1() -> nn.Module:
    return nn.ConvTranspose1d(4, 2, 10, 5, 3)


@flawed("UW303", 1, 4, 10, 10)
def fractional_resize() -> nn.Module:
    return Run(
        lambda m, x: m.c(F.interpolate(x, scale_factor=1.5, mode="bilinear", recompute_scale_factor=False)),
        c=nn.Conv2d(4, 4, 3, padding=1),
    )


@flawed("UW303", 1, 4, 8, 8)
def unpadded_k3() -> nn.Module:
    return nn.ConvTranspose2d(4, 4, 3, 2)


@flawed("UW401", 1, 4, 8, 8)
def loud_phase() -> nn.Module:
    weight = torch.ones(4, 4, 2, 2) * 0.1
    weight[..., 0, 0] = 0.4
    return nn.Sequential(set_weight(nn.ConvTranspose2d(4, 4, 2, 2), weight), nn.Conv2d(4, 4, 3, padding=1))


@flawed("UW402", 1, 1, 16)
def weak_filter() -> nn.Module:
    return set_weight(nn.ConvTranspose1d(1, 1, 2, 2), torch.tensor([[[1.0, 0.2]]]))


@flawed("UW403", 1, 4, 8, 8)
def shuffle_bias() -> nn.Module:
    conv = nn.Conv2d(4, 4 * 4, 3, padding=1)
    icnr = nn.init.kaiming_normal_(torch.empty(4, 4, 3, 3)).repeat_interleave(4, 0)
    set_weight(conv, icnr, torch.tensor([2.0, 0.0, 0.0, -2.0]).repeat(4))
    return nn.Sequential(conv, nn.PixelShuffle(2))


@flawed("UW404", 1, 4, 8, 8)
def zero_taps() -> nn.Module:
    weight = torch.rand(4, 4, 4, 4) - 0.5
    weight[..., 3, :] = 0
    return nn.Sequential(set_weight(nn.ConvTranspose2d(4, 4, 4, 2, 1), weight), nn.Conv2d(4, 4, 3, padding=1))


@flawed("UW501", 1, 8, 8, 8)
def default_initialisation() -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(8, 8, 8, 4, 2), nn.ReLU(), nn.Conv2d(8, 2, 3, padding=1))


@flawed("UW502", 1, 8, 8, 8)
def default_shuffle() -> nn.Module:
    return nn.Sequential(nn.Conv2d(8, 8 * 4, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(8, 3, 3, padding=1))


@flawed("UW701", 1, 8, 8, 8)
def nearest_then_conv() -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 8, 3, padding=1))


@flawed("UW901", 1, 4, 8, 8)
def sorted_pixels() -> nn.Module:
    def forward(m, x):
        y = torch.sort(m.a(x), dim=-1)[0]
        return m.up(y)

    return Run(forward, a=nn.Conv2d(4, 4, 3, padding=1), up=nn.ConvTranspose2d(4, 4, 2, 2))
