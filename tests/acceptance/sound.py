"""Sound PyTorch models in many styles: none of them may raise a coverage or a grid finding, nor fail the command.

`SOUND` maps a name to (factory, input shape). Channels are few, so that the whole collection audits in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Factory = Callable[[], nn.Module]
SOUND: dict[str, tuple[Factory, tuple[int, ...]]] = {}


def sound(*shape: int) -> Callable[[Factory], Factory]:
    """Enter a factory under its own name."""

    def enter(factory: Factory) -> Factory:
        SOUND[factory.__name__] = (factory, shape)
        return factory

    return enter


class Run(nn.Module):
    """A module whose forward pass is a function of itself."""

    def __init__(self, forward: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self._run = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._run(self, x)


def block(a: int, b: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU())


class UNet(nn.Module):
    """`up` builds a layer (a → b channels) that doubles; pools on the way down."""

    def __init__(self, up: Callable[[int, int], nn.Module], pool: nn.Module | None = None) -> None:
        super().__init__()
        self.d1, self.d2, self.mid = block(3, 4), block(4, 8), block(8, 16)
        self.pool = pool or nn.MaxPool2d(2)
        self.up2, self.u2 = up(16, 8), block(16, 8)
        self.up1, self.u1 = up(8, 4), block(8, 4)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.d1(x)
        b = self.d2(self.pool(a))
        y = self.mid(self.pool(b))
        y = self.u2(torch.cat([self.up2(y), b], 1))
        return self.head(self.u1(torch.cat([self.up1(y), a], 1)))


@sound(1, 3, 32, 32)
def unet_k2() -> nn.Module:
    return UNet(lambda a, b: nn.ConvTranspose2d(a, b, 2, 2))


@sound(1, 3, 32, 32)
def unet_k4_average_pool() -> nn.Module:
    return UNet(lambda a, b: nn.ConvTranspose2d(a, b, 4, 2, 1), nn.AvgPool2d(2))


@sound(1, 3, 32, 32)
def unet_nearest() -> nn.Module:
    return UNet(lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1)))


@sound(1, 3, 32, 32)
def unet_bilinear() -> nn.Module:
    up = lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(a, b, 3, padding=1))  # noqa: E731
    return UNet(up)


@sound(1, 3, 32, 32)
def unet_k4_strided_encoder() -> nn.Module:
    down = lambda a, b: nn.Conv2d(a, b, 4, 2, 1)  # noqa: E731

    def forward(m, x):
        a = m.a(x)
        b = m.b(F.relu(a))
        y = F.relu(m.ub(F.relu(b)))
        return m.ua(torch.cat([y, a], 1))

    return Run(
        forward, a=down(3, 4), b=down(4, 8), ub=nn.ConvTranspose2d(8, 4, 4, 2, 1), ua=nn.ConvTranspose2d(8, 3, 4, 2, 1)
    )


@sound(1, 3, 32, 32)
def unet_3_plus_shapes_at_run_time() -> nn.Module:
    """Resizes to the size of the skip."""

    def forward(m, x):
        a = m.d1(x)
        b = m.d2(F.max_pool2d(a, 2))
        y = F.interpolate(b, size=a.shape[-2:], mode="bilinear", align_corners=False)
        return m.u1(torch.cat([y, a], 1))

    return Run(forward, d1=block(3, 4), d2=block(4, 8), u1=block(12, 4))


@sound(1, 1, 16, 16, 16)
def unet_3d() -> nn.Module:
    def forward(m, x):
        a = F.relu(m.a(x))
        b = F.relu(m.b(F.max_pool3d(a, 2)))
        return m.c(torch.cat([m.up(b), a], 1))

    conv = lambda i, o: nn.Conv3d(i, o, 3, padding=1)  # noqa: E731
    return Run(forward, a=conv(1, 4), b=conv(4, 8), up=nn.ConvTranspose3d(8, 4, 2, 2), c=conv(8, 2))


@sound(1, 3, 40, 36)
def unet_centre_cropped_skip() -> nn.Module:
    """The original U-Net: unpadded convolutions, skips cropped at the centre."""

    def forward(m, x):
        a = F.relu(m.a(x))
        y = m.up(F.relu(m.b(F.max_pool2d(a, 2))))
        h, w = (a.shape[-2] - y.shape[-2]) // 2, (a.shape[-1] - y.shape[-1]) // 2
        a = a[..., h : h + y.shape[-2], w : w + y.shape[-1]]
        return m.c(torch.cat([y, a], 1))

    conv = lambda i, o: nn.Conv2d(i, o, 3)  # noqa: E731
    return Run(forward, a=conv(3, 4), b=conv(4, 8), up=nn.ConvTranspose2d(8, 4, 2, 2), c=conv(8, 2))


@sound(1, 16, 1, 1)
def dcgan() -> nn.Module:
    layers: list[nn.Module] = []
    for a, b, s, p in ((16, 16, 1, 0), (16, 8, 2, 1), (8, 8, 2, 1), (8, 4, 2, 1)):
        layers += [nn.ConvTranspose2d(a, b, 4, s, p, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(4, 3, 4, 2, 1, bias=False), nn.Tanh())


@sound(1, 8, 8, 8)
def nearest_decoder() -> nn.Module:
    up = lambda a, b: [nn.UpsamplingNearest2d(scale_factor=2), nn.Conv2d(a, b, 3, padding=1), nn.SiLU()]  # noqa: E731
    return nn.Sequential(*up(8, 8), *up(8, 4), *up(4, 3))


@sound(1, 8, 8, 8)
def nearest_reflect_decoder() -> nn.Module:
    up = lambda a, b: [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), nn.Conv2d(a, b, 3), nn.ReLU()]  # noqa: E731
    return nn.Sequential(*up(8, 8), *up(8, 4))


@sound(1, 3, 33, 33)
def phase_0_autoencoder_odd() -> nn.Module:
    """k3 s2 p1 on 4n+1 pixels and back without output padding: no grid disagrees (coverage is uneven by choice)."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1),
        nn.Conv2d(4, 8, 3, 2, 1),
        nn.ConvTranspose2d(8, 4, 3, 2, 1),
        nn.ConvTranspose2d(4, 3, 3, 2, 1),
    )


@sound(1, 3, 32, 32)
def phase_0_autoencoder_even() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(4, 8, 3, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 3, 2, 1, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 3, 3, 2, 1, 1),
    )


@sound(1, 3, 32, 32)
def phase_0_unet() -> nn.Module:
    """Strided encoder k3 s2 p1, decoder k3 s2 p1 o1, skips between."""

    def forward(m, x):
        a = F.relu(m.a(x))
        b = F.relu(m.b(a))
        y = F.relu(m.ub(b))
        return m.ua(torch.cat([y, a], 1))

    return Run(
        forward,
        a=nn.Conv2d(3, 4, 3, 2, 1),
        b=nn.Conv2d(4, 8, 3, 2, 1),
        ub=nn.ConvTranspose2d(8, 4, 3, 2, 1, 1),
        ua=nn.ConvTranspose2d(8, 3, 3, 2, 1, 1),
    )


@sound(1, 1, 320)
def causal_codec() -> nn.Module:
    """Left pads before strided convolutions, right trims after transposed ones."""

    def forward(m, x):
        for name, s in (("a", 2), ("b", 4)):
            x = F.elu(getattr(m, name)(F.pad(x, (s, 0))))
        for name, s in (("c", 4), ("d", 2)):
            x = F.elu(getattr(m, name)(x)[..., :-s])
        return x

    return Run(
        forward,
        a=nn.Conv1d(1, 4, 4, 2),
        b=nn.Conv1d(4, 8, 8, 4),
        c=nn.ConvTranspose1d(8, 4, 8, 4),
        d=nn.ConvTranspose1d(4, 1, 4, 2),
    )


@sound(1, 4, 64)
def causal_padded_then_trimmed() -> nn.Module:
    """Conv1d(padding=k−1) whose tail is cut off, with a residual connection."""

    def forward(m, x):
        y = F.relu(m.a(x)[..., :-2])
        return x + m.b(y)[..., :-4]

    return Run(forward, a=nn.Conv1d(4, 4, 3, padding=2), b=nn.Conv1d(4, 4, 3, padding=4, dilation=2))


@sound(1, 1, 128)
def wavenet() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.start = nn.Conv1d(1, 4, 1)
            self.gates = nn.ModuleList(nn.Conv1d(4, 8, 2, dilation=2**i) for i in range(4))
            self.outs = nn.ModuleList(nn.Conv1d(4, 4, 1) for _ in range(4))
            self.end = nn.Conv1d(4, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            x, skips = self.start(x), 0
            for i, (gate, out) in enumerate(zip(self.gates, self.outs, strict=True)):
                a, b = gate(F.pad(x, (2**i, 0))).chunk(2, 1)
                y = out(torch.tanh(a) * torch.sigmoid(b))
                x, skips = x + y, skips + y
            return self.end(F.relu(skips))

    return Net()


@sound(1, 8, 16, 16)
def window_partition() -> nn.Module:
    """Swin-style windows, with a cyclic shift and back."""

    def forward(m, x):
        n, c, h, w = x.shape
        y = torch.roll(x, (-2, -2), (2, 3)).permute(0, 2, 3, 1)
        y = y.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        y = m.mix(m.norm(y))
        y = y.view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return x + torch.roll(y.permute(0, 3, 1, 2), (2, 2), (2, 3))

    return Run(forward, norm=nn.LayerNorm(8), mix=nn.Linear(8, 8))


@sound(1, 3, 16, 16)
def espcn_icnr() -> nn.Module:
    """A sub-pixel convolution whose phases start equal."""
    last = nn.Conv2d(8, 3 * 9, 3, padding=1)
    with torch.no_grad():
        last.weight.copy_(nn.init.kaiming_normal_(torch.empty(3, 8, 3, 3)).repeat_interleave(9, 0))
        last.bias.zero_()
    return nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.Tanh(), last, nn.PixelShuffle(3))


@sound(1, 3, 16, 16)
def transposed_stride_1() -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(3, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 3, 5, padding=2))


@sound(1, 4, 8, 8)
def k8_s4_p2() -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(4, 4, 8, 4, 2), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1))


@sound(1, 8, 16, 16)
def sam_neck() -> nn.Module:
    class Norm(nn.Module):
        def __init__(self, c: int) -> None:
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))

        def forward(self, x: Tensor) -> Tensor:
            u = x.mean(1, keepdim=True)
            s = (x - u).pow(2).mean(1, keepdim=True)
            return self.weight[:, None, None] * ((x - u) / torch.sqrt(s + 1e-6)) + self.bias[:, None, None]

    return nn.Sequential(
        nn.Conv2d(8, 8, 1, bias=False),
        Norm(8),
        nn.Conv2d(8, 8, 3, padding=1, bias=False),
        nn.ConvTranspose2d(8, 4, 2, 2),
        Norm(4),
        nn.GELU(),
        nn.ConvTranspose2d(4, 2, 2, 2),
        nn.GELU(),
    )


@sound(1, 4, 16, 16)
def style_upsample() -> nn.Module:
    """A stride-2 transposed convolution without padding, then its binomial filter."""

    class Blur(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            line = torch.tensor([1.0, 3.0, 3.0, 1.0])
            self.register_buffer("kernel", (line[:, None] * line / line.sum() ** 2 * 4).expand(4, 1, 4, 4).clone())

        def forward(self, x: Tensor) -> Tensor:
            return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.kernel, groups=4)

    return nn.Sequential(nn.ConvTranspose2d(4, 4, 3, 2, 0), Blur(), nn.LeakyReLU(0.2), nn.Conv2d(4, 4, 3, padding=1))


@sound(1, 3, 64, 64)
def fpn() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList(block(a, 8) for a in (3, 8, 8))
            self.side = nn.ModuleList(nn.Conv2d(8, 8, 1) for _ in range(3))
            self.smooth = nn.Conv2d(8, 8, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            levels = []
            for stage in self.down:
                x = F.max_pool2d(stage(x), 2)
                levels.append(x)
            y = self.side[2](levels[2])
            for i in (1, 0):
                y = self.side[i](levels[i]) + F.interpolate(y, scale_factor=2, mode="nearest")
            return self.smooth(y)

    return Net()


def bilinear_kernel(k: int) -> Tensor:
    line = 1 - (torch.arange(k) - (k - 1) / 2).abs() / math.ceil(k / 2)
    return line[:, None] * line


@sound(1, 4, 8, 8)
def fcn_bilinear() -> nn.Module:
    """FCN's initialisation: a depthwise transposed convolution that starts as bilinear interpolation."""
    up = nn.ConvTranspose2d(4, 4, 4, 2, 1, groups=4, bias=False)
    with torch.no_grad():
        up.weight.copy_(bilinear_kernel(4).expand(4, 1, 4, 4))
    return nn.Sequential(nn.Conv2d(4, 4, 1), up)


@sound(1, 8, 8, 8)
def grouped() -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(8, 4, 4, 2, 1, groups=2), nn.ReLU(), nn.ConvTranspose2d(4, 4, 2, 2, groups=4)
    )


@sound(1, 4, 8, 8)
def functional_resizes() -> nn.Module:
    def forward(m, x):
        x = m.a(F.interpolate(x, scale_factor=2, mode="bicubic"))
        return m.b(F.interpolate(x, size=(32, 32), mode="bilinear", align_corners=False))

    return Run(forward, a=nn.Conv2d(4, 4, 3, padding=1), b=nn.Conv2d(4, 3, 3, padding=1))


@sound(1, 16, 8, 8)
def einops_shuffle() -> nn.Module:
    from einops.layers.torch import Rearrange

    return nn.Sequential(
        Rearrange("b (c p q) h w -> b c (h p) (w q)", p=2, q=2),
        nn.Conv2d(4, 4, 3, padding=1),
    )


@sound(1, 3, 16, 16)
def shuffle_autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.PixelUnshuffle(2),
        nn.Conv2d(12, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 12, 1),
        nn.PixelShuffle(2),
    )


@sound(1, 5, 12)
def inverse_stft() -> nn.Module:
    """A fixed synthesis window of 1024 samples every 256, trimmed at both ends by (k − s)/2."""
    layer = nn.ConvTranspose1d(5, 1, 1024, 256, bias=False)
    n = torch.arange(1024)
    window = torch.hann_window(1024)
    with torch.no_grad():
        layer.weight.copy_(
            torch.stack([window * torch.cos(2 * math.pi * f * n / 1024) for f in range(5)])[:, None] / 512
        )
    return Run(lambda m, x: m.synthesis(x)[..., 384:-384], synthesis=layer)


@sound(1, 2, 16, 16)
def haar() -> nn.Module:
    """Orthonormal analysis and synthesis, two samples at a time."""
    a = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / math.sqrt(2)
    kernel = torch.einsum("pi,qj->pqij", a, a).reshape(4, 1, 2, 2).repeat(2, 1, 1, 1)
    down, up = nn.Conv2d(2, 8, 2, 2, groups=2, bias=False), nn.ConvTranspose2d(8, 2, 2, 2, groups=2, bias=False)
    with torch.no_grad():
        down.weight.copy_(kernel)
        up.weight.copy_(kernel)
    return nn.Sequential(down, nn.Conv2d(8, 8, 1), up)


@sound(1, 8, 32)
def vocoder() -> nn.Module:
    parts: list[nn.Module] = [nn.Conv1d(8, 16, 7, padding=3)]
    for a, b, k, s in ((16, 8, 16, 8), (8, 8, 16, 8), (8, 4, 4, 2)):
        parts += [nn.LeakyReLU(0.1), nn.ConvTranspose1d(a, b, k, s, (k - s) // 2)]
    return nn.Sequential(*parts, nn.Conv1d(4, 1, 7, padding=3), nn.Tanh())


@sound(1, 3, 32, 32)
def patch_embedding() -> nn.Module:
    """Patches in, linear heads out, pixels by a shuffle: a masked autoencoder's decoder."""

    def forward(m, x):
        y = m.embed(x)
        n, _, h, w = y.shape
        y = m.head(m.norm(y.flatten(2).transpose(1, 2)))
        y = y.reshape(n, h, w, 8, 8, 3)
        return torch.einsum("nhwpqc->nchpwq", y).reshape(n, 3, h * 8, w * 8)

    return Run(forward, embed=nn.Conv2d(3, 8, 8, 8), norm=nn.LayerNorm(8), head=nn.Linear(8, 192))


@sound(1, 3, 32, 32)
def squeeze_and_excite() -> nn.Module:
    def forward(m, x):
        y = m.a(x)
        y = y * torch.sigmoid(m.fc(F.adaptive_avg_pool2d(y, 1)))
        return m.up(F.max_pool2d(y, 2))

    return Run(forward, a=nn.Conv2d(3, 4, 3, padding=1), fc=nn.Conv2d(4, 4, 1), up=nn.ConvTranspose2d(4, 3, 2, 2))


@sound(1, 3, 32, 32)
def aspp() -> nn.Module:
    """Dilated branches and a pooled one that is stretched back."""

    def forward(m, x):
        x = F.avg_pool2d(m.a(x), 4)
        pooled = F.interpolate(m.g(x.mean((2, 3), keepdim=True)), size=x.shape[-2:], mode="bilinear")
        y = m.p(torch.cat([m.b(x), m.c(x), pooled], 1))
        return F.interpolate(y, scale_factor=4, mode="bilinear", align_corners=False)

    return Run(
        forward,
        a=nn.Conv2d(3, 4, 3, padding=1),
        b=nn.Conv2d(4, 4, 3, padding=1),
        c=nn.Conv2d(4, 4, 3, padding=2, dilation=2),
        g=nn.Conv2d(4, 4, 1),
        p=nn.Conv2d(12, 2, 1),
    )


@sound(1, 3, 32, 32)
def stem_and_classifier() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 4, 2, 1), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)
    )
