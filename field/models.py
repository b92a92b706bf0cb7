"""The models of the field report, by the environment that their packages install into.

Every entry builds a public class with its own default or published hyper-parameters, without weights from anywhere.
`transformers` and `diffusers` live in one environment, what needs torchvision in the other (see `field/README.md`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Model:
    """One public model: how to build it, what to feed it (shapes, or keyword shapes), and on which device."""

    package: str
    name: str
    build: Callable[[], Any]
    shapes: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    device: str = "meta"


def _monai() -> list[Model]:
    import monai.networks.nets as nets

    volume = ((1, 1, 64, 64, 64),)
    return [
        Model(
            "monai",
            "UNet",
            lambda: nets.UNet(3, 1, 2, channels=(16, 32, 64, 128, 256), strides=(2, 2, 2, 2), num_res_units=2),
            volume,
        ),
        Model(
            "monai",
            "AttentionUnet",
            lambda: nets.AttentionUnet(3, 1, 2, channels=(16, 32, 64, 128), strides=(2, 2, 2)),
            volume,
        ),
        Model("monai", "BasicUNet", lambda: nets.BasicUNet(3), volume),
        Model("monai", "BasicUNet(pixelshuffle)", lambda: nets.BasicUNet(3, upsample="pixelshuffle"), volume),
        Model("monai", "BasicUNetPlusPlus", lambda: nets.BasicUNetPlusPlus(3), volume),
        Model("monai", "SegResNet", lambda: nets.SegResNet(3), volume),
        Model("monai", "SegResNetDS", lambda: nets.SegResNetDS(3), volume),
        Model("monai", "UNETR", lambda: nets.UNETR(1, 2, (96, 96, 96)), ((1, 1, 96, 96, 96),)),
        Model("monai", "SwinUNETR", lambda: nets.SwinUNETR(1, 2, feature_size=24), volume),
        Model("monai", "VNet", lambda: nets.VNet(), volume),
        Model("monai", "AHNet", lambda: nets.AHNet(spatial_dims=3), ((1, 1, 128, 128, 64),)),
        Model(
            "monai",
            "DynUNet",
            lambda: nets.DynUNet(
                3, 1, 2, kernel_size=[3, 3, 3, 3], strides=[1, 2, 2, 2], upsample_kernel_size=[2, 2, 2]
            ),
            volume,
        ),
        Model(
            "monai",
            "AutoEncoder",
            lambda: nets.AutoEncoder(2, 1, 1, channels=(16, 32, 64), strides=(2, 2, 2)),
            ((1, 1, 64, 64),),
        ),
        Model(
            "monai",
            "Generator",
            lambda: nets.Generator((64,), (64, 8, 8), channels=(32, 16, 1), strides=(2, 2, 2)),
            ((1, 64),),
        ),
    ]


def _diffusers() -> list[Model]:
    import diffusers as d

    picture = ((1, 3, 256, 256),)

    def kl() -> Any:
        return d.AutoencoderKL(
            latent_channels=4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        )

    return [
        Model("diffusers", "AutoencoderKL", kl, picture),
        Model("diffusers", "AutoencoderKL.decoder", lambda: kl().decoder, ((1, 4, 64, 64),)),
        Model("diffusers", "AutoencoderTiny", lambda: d.AutoencoderTiny(), picture),
        Model(
            "diffusers",
            "VQModel",
            lambda: d.VQModel(
                block_out_channels=(128, 256, 512),
                down_block_types=("DownEncoderBlock2D",) * 3,
                up_block_types=("UpDecoderBlock2D",) * 3,
            ),
            picture,
        ),
        Model(
            "diffusers",
            "UNet2DConditionModel",
            lambda: d.UNet2DConditionModel(cross_attention_dim=768),
            (),
            {"sample": (1, 4, 64, 64), "timestep": ("int64", (1,)), "encoder_hidden_states": (1, 77, 768)},
        ),
        Model(
            "diffusers",
            "UNet2DModel",
            lambda: d.UNet2DModel(),
            (),
            {"sample": (1, 3, 128, 128), "timestep": ("int64", (1,))},
        ),
        Model("diffusers", "AutoencoderDC", lambda: d.AutoencoderDC(), picture),
        Model("diffusers", "AutoencoderOobleck.decoder", lambda: d.AutoencoderOobleck().decoder, ((1, 64, 128),)),
        Model(
            "diffusers",
            "AutoencoderKLTemporalDecoder.encoder",
            lambda: (
                d.AutoencoderKLTemporalDecoder(
                    block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4
                ).encoder
            ),
            picture,
        ),
    ]


def _transformers() -> list[Model]:
    import transformers as t

    picture = ((1, 3, 256, 256),)
    audio = ((1, 1, 24000),)
    return [
        Model("transformers", "SamModel", lambda: t.SamModel(t.SamConfig()), ((1, 3, 1024, 1024),)),
        Model("transformers", "SpeechT5HifiGan", lambda: t.SpeechT5HifiGan(t.SpeechT5HifiGanConfig()), ((50, 80),)),
        Model("transformers", "UnivNetModel", lambda: t.UnivNetModel(t.UnivNetConfig()), ((1, 50, 64), (1, 50, 100))),
        Model(
            "transformers",
            "SegformerForSemanticSegmentation",
            lambda: t.SegformerForSemanticSegmentation(t.SegformerConfig()),
            picture,
        ),
        Model(
            "transformers", "DPTForDepthEstimation", lambda: t.DPTForDepthEstimation(t.DPTConfig()), ((1, 3, 384, 384),)
        ),
        Model(
            "transformers",
            "VitPoseForPoseEstimation",
            lambda: t.VitPoseForPoseEstimation(
                t.VitPoseConfig(backbone_config=t.VitPoseBackboneConfig(), use_simple_decoder=False)
            ),
            ((1, 3, 256, 192),),
        ),
        Model(
            "transformers",
            "VitMatteForImageMatting",
            lambda: t.VitMatteForImageMatting(
                t.VitMatteConfig(
                    backbone_config=t.VitDetConfig(num_channels=4, image_size=512, out_features=["stage12"])
                )
            ),
            ((1, 4, 512, 512),),
        ),
        Model("transformers", "MimiModel", lambda: t.MimiModel(t.MimiConfig()), audio, device="cpu"),
        Model("transformers", "EncodecModel", lambda: t.EncodecModel(t.EncodecConfig()), audio, device="cpu"),
        Model("transformers", "DacModel", lambda: t.DacModel(t.DacConfig()), ((1, 1, 16000),)),
        Model(
            "transformers",
            "ViTForMaskedImageModeling",
            lambda: t.ViTForMaskedImageModeling(t.ViTConfig(encoder_stride=16)),
            ((1, 3, 224, 224),),
        ),
        Model(
            "transformers",
            "Swin2SRForImageSuperResolution",
            lambda: t.Swin2SRForImageSuperResolution(t.Swin2SRConfig()),
            ((1, 3, 64, 64),),
        ),
        Model(
            "transformers",
            "UperNetForSemanticSegmentation",
            lambda: t.UperNetForSemanticSegmentation(
                t.UperNetConfig(
                    backbone_config=t.ResNetConfig(out_features=["stage1", "stage2", "stage3", "stage4"]),
                    auxiliary_in_channels=1024,
                )
            ),
            picture,
        ),
        Model("transformers", "GLPNForDepthEstimation", lambda: t.GLPNForDepthEstimation(t.GLPNConfig()), picture),
        Model(
            "transformers",
            "SeamlessM4TCodeHifiGan",
            lambda: t.models.seamless_m4t.modeling_seamless_m4t.SeamlessM4THifiGan(t.SeamlessM4TConfig()),
            ((1, t.SeamlessM4TConfig().unit_embed_dim + 2 * t.SeamlessM4TConfig().lang_embed_dim, 40),),
        ),
    ]


def _smp() -> list[Model]:
    from . import torchvision_stub

    torchvision_stub.install()
    import segmentation_models_pytorch as smp

    picture = ((1, 3, 256, 256),)
    names = (
        "Unet",
        "UnetPlusPlus",
        "FPN",
        "Linknet",
        "MAnet",
        "PSPNet",
        "PAN",
        "DeepLabV3Plus",
        "UPerNet",
        "Segformer",
    )

    def entry(name: str) -> Model:
        return Model(
            "segmentation-models-pytorch",
            name,
            lambda: getattr(smp, name)("resnet34", encoder_weights=None),
            picture,
        )

    return [entry(n) for n in names]


FAMILIES: dict[str, Callable[[], list[Model]]] = {
    "monai": _monai,
    "diffusers": _diffusers,
    "transformers": _transformers,
    "smp": _smp,
}
