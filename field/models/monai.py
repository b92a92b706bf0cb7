"""MONAI."""

from __future__ import annotations

from ..model import Model


def models() -> list[Model]:
    """The models of this family."""
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
        Model("monai", "SwinUNETR", lambda: nets.SwinUNETR(1, 2, feature_size=24), volume, device="cpu"),
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
        Model("monai", "SegResNetVAE", lambda: nets.SegResNetVAE((64, 64, 64)), volume),
        Model("monai", "HighResNet", lambda: nets.HighResNet(3, 1, 2), volume),
        Model("monai", "MedNeXt", lambda: nets.MedNeXt(3), volume),
        Model("monai", "HoVerNet", lambda: nets.HoVerNet(out_classes=5), ((1, 3, 256, 256),)),
        Model(
            "monai",
            "VoxelMorph",
            lambda: nets.VoxelMorph(),
            ((1, 1, 64, 64, 64), (1, 1, 64, 64, 64)),
            device="cpu",
        ),
        Model(
            "monai",
            "LocalNet",
            lambda: nets.LocalNet(3, 2, 16, extract_levels=(0, 1, 2, 3)),
            ((1, 2, 64, 64, 64),),
        ),
        Model(
            "monai",
            "RegUNet",
            lambda: nets.RegUNet(3, 2, 16, depth=3),
            ((1, 2, 64, 64, 64),),
        ),
        Model(
            "monai",
            "VQVAE",
            lambda: nets.VQVAE(2, 1, 1).decoder,
            ((1, 64, 16, 16),),
        ),
        Model(
            "monai",
            "AutoencoderKL",
            lambda: nets.AutoencoderKL(
                2,
                channels=(32, 64, 64),
                num_res_blocks=(2, 2, 2),
                attention_levels=(False, False, True),
            ),
            ((1, 1, 128, 128),),
        ),
        Model(
            "monai",
            "DiffusionModelUNet",
            lambda: nets.DiffusionModelUNet(
                2,
                1,
                1,
                channels=(32, 64, 64),
                attention_levels=(False, False, True),
                num_res_blocks=1,
                num_head_channels=64,
            ),
            (),
            {"x": (1, 1, 64, 64), "timesteps": ("int64", (1,))},
        ),
        Model("monai", "FlexibleUNet", lambda: nets.FlexibleUNet(3, 2, "efficientnet-b0"), ((1, 3, 256, 256),)),
        Model("monai", "ViTAutoEnc", lambda: nets.ViTAutoEnc(1, (64, 64, 64), (16, 16, 16)), volume),
    ]
