"""Real architectures in plain PyTorch, with the hyper-parameters that their authors published.

    sound                        unet, dcgan, hifigan, resize_vae
    uneven, shifted or cropped   cyclegan, fsrcnn, fcn, dbpn, erfnet

`MODELS` names each factory with the input shape that it is audited at. The weights are PyTorch's random
initialisation: what the audit says about them is about the architecture, and about that initialisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Example:
    """One architecture: where its factory is, the shape it is audited at, and its upsampling in a sentence.

    `exported` is False for what would make too large an ONNX file for a demonstration.
    """

    name: str
    title: str
    input: tuple[int, ...]
    about: str
    exported: bool = True

    @property
    def target(self) -> str:
        """What `upweave audit` takes: `package.module:factory`."""
        return f"examples.{self.name}:{self.name}"

    def build(self) -> nn.Module:
        """The model, in evaluation mode, on torch's current default device."""
        model: nn.Module = getattr(import_module(f"examples.{self.name}"), self.name)()
        return model.eval()


MODELS: dict[str, Example] = {
    e.name: e
    for e in (
        Example("cyclegan", "CycleGAN generator", (1, 3, 256, 256), "k3 s2 p1 o1 twice: uneven coverage, stacked"),
        Example("fsrcnn", "FSRCNN ×2", (1, 1, 96, 96), "k9 s2 p4 o1: uneven coverage, half a pixel off centre"),
        Example("unet", "U-Net", (1, 3, 256, 256), "k2 s2 up, four levels, padded: sound; needs sizes 16·n"),
        Example("hifigan", "HiFi-GAN V1 generator", (1, 80, 64), "k16 s8, k16 s8, k4 s2, k4 s2: even and centred"),
        Example("dcgan", "DCGAN generator", (1, 100, 1, 1), "k4 s2 p1 four times: even and centred"),
        Example("fcn", "FCN-8s", (1, 3, 224, 224), "k4 s2, k4 s2, k16 s8 without padding: even, and cropped", False),
        Example("dbpn", "DBPN ×8", (1, 3, 32, 32), "k12 s8 p2: uneven forwards, and backwards in its convolutions"),
        Example(
            "erfnet", "ERFNet", (1, 3, 256, 512), "k3 s2 p1 o1: uneven; a pool beside a convolution, half a pixel apart"
        ),
        Example("resize_vae", "Latent-diffusion VAE decoder", (1, 4, 32, 32), "nearest ×2 + k3: sound, and foldable"),
    )
}
