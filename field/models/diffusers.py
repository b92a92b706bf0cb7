"""diffusers: the image, audio and video autoencoders, and denoisers."""

from __future__ import annotations

from typing import Any

from ..model import Model


def models() -> list[Model]:
    """The models of this family."""
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
        Model("diffusers", "AsymmetricAutoencoderKL", lambda: d.AsymmetricAutoencoderKL(), picture),
        Model(
            "diffusers",
            "ConsistencyDecoderVAE.decoder_unet",
            lambda: d.ConsistencyDecoderVAE().decoder_unet,
            (),
            {"sample": (1, 7, 256, 256), "timestep": ("int64", (1,))},
        ),
        Model(
            "diffusers",
            "AutoencoderKLCogVideoX.decoder",
            lambda: (
                d.AutoencoderKLCogVideoX(
                    down_block_types=("CogVideoXDownBlock3D",) * 4,
                    up_block_types=("CogVideoXUpBlock3D",) * 4,
                    block_out_channels=(128, 256, 256, 512),
                    layers_per_block=3,
                ).decoder
            ),
            ((1, 16, 2, 30, 45),),
        ),
        Model("diffusers", "AutoencoderKLWan.decoder", lambda: d.AutoencoderKLWan().decoder, ((1, 16, 1, 32, 32),)),
        Model(
            "diffusers",
            "AutoencoderKLHunyuanVideo.decoder",
            lambda: d.AutoencoderKLHunyuanVideo().decoder,
            ((1, 16, 3, 32, 32),),
        ),
        Model(
            "diffusers",
            "AutoencoderKLLTXVideo.decoder",
            lambda: d.AutoencoderKLLTXVideo().decoder,
            ((1, 128, 2, 8, 8),),
        ),
        Model("diffusers", "AutoencoderKLMochi.decoder", lambda: d.AutoencoderKLMochi().decoder, ((1, 12, 2, 16, 16),)),
        Model(
            "diffusers",
            "AutoencoderKLAllegro.decoder",
            lambda: (
                d.AutoencoderKLAllegro(
                    down_block_types=("AllegroDownBlock3D",) * 4, up_block_types=("AllegroUpBlock3D",) * 4
                ).decoder
            ),
            ((1, 4, 2, 16, 16),),
        ),
        Model(
            "diffusers", "AutoencoderKLMagvit.decoder", lambda: d.AutoencoderKLMagvit().decoder, ((1, 16, 2, 16, 16),)
        ),
        Model(
            "diffusers",
            "UNet3DConditionModel",
            lambda: d.UNet3DConditionModel(cross_attention_dim=512),
            (),
            {"sample": (1, 4, 4, 32, 32), "timestep": ("int64", (1,)), "encoder_hidden_states": (1, 77, 512)},
        ),
        Model(
            "diffusers",
            "UVit2DModel",
            lambda: d.UVit2DModel(downsample=True, upsample=True, num_hidden_layers=2),
            (),
            {
                "input_ids": ("int64", (1, 32, 32)),
                "encoder_hidden_states": (1, 77, 768),
                "pooled_text_emb": (1, 768),
                "micro_conds": (1, 5),
            },
        ),
    ]
