"""FCN-8s on VGG-16: unpadded up-convolutions with crops, as in the published Caffe network.

Source: J. Long, E. Shelhamer, T. Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015: 21
classes, the first convolution padded by 100, fc6 as a 7×7 convolution of 4096 channels, up k4 s2 twice and k16 s8, with
crops 5, 9 and 31.

What to expect: even coverage (s divides k), and borders that only some taps reach. The padding of 100 lets the network
take any size; what it moves, the crops move back, nearly: follow the grids.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def crop(x: Tensor, like: Tensor, offset: int) -> Tensor:
    """Caffe's Crop: the window of `like`'s size that starts at `offset`."""
    h, w = like.shape[-2:]
    return x[..., offset : offset + h, offset : offset + w]


class FCN8s(nn.Module):
    """VGG-16 made convolutional, scores at strides 8, 16 and 32, summed on the way up."""

    def __init__(self, classes: int, hidden: int) -> None:
        super().__init__()
        stages, c = [], 3
        for i, widths in enumerate(VGG16):
            layers: list[nn.Module] = []
            for j, width in enumerate(widths):
                layers += [nn.Conv2d(c, width, 3, padding=100 if i == j == 0 else 1), nn.ReLU(inplace=True)]
                c = width
            stages.append(nn.Sequential(*layers, nn.MaxPool2d(2, ceil_mode=True)))
        self.stages = nn.ModuleList(stages)
        self.classify = nn.Sequential(
            nn.Conv2d(512, hidden, 7),
            nn.ReLU(inplace=True),
            nn.Dropout2d(),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Dropout2d(),
        )
        self.score = nn.Conv2d(hidden, classes, 1)
        self.score_pool4 = nn.Conv2d(512, classes, 1)
        self.score_pool3 = nn.Conv2d(256, classes, 1)
        self.up2 = nn.ConvTranspose2d(classes, classes, 4, stride=2, bias=False)
        self.up4 = nn.ConvTranspose2d(classes, classes, 4, stride=2, bias=False)
        self.up8 = nn.ConvTranspose2d(classes, classes, 16, stride=8, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, classes, H, W)."""
        x, pools = image, []
        for stage in self.stages:
            x = stage(x)
            pools.append(x)
        x = self.up2(self.score(self.classify(x)))
        x = self.up4(x + crop(self.score_pool4(pools[3]), x, 5))
        x = self.up8(x + crop(self.score_pool3(pools[2]), x, 9))
        return cast("Tensor", crop(x, image, 31))


def fcn(classes: int = 21, hidden: int = 4096) -> nn.Module:
    """FCN-8s of the paper: 134 million parameters; fc6 alone holds 103 million."""
    return FCN8s(classes, hidden)
