"""transformers: vision decoders and vocoders."""

from __future__ import annotations

from ..model import Model


def models() -> list[Model]:
    """The models of this family."""
    import transformers as t

    picture = ((1, 3, 256, 256),)
    audio = ((1, 1, 24000),)
    return [
        Model("transformers", "SamModel", lambda: t.SamModel(t.SamConfig()), ((1, 3, 1024, 1024),)),
        Model("transformers", "SpeechT5HifiGan", lambda: t.SpeechT5HifiGan(t.SpeechT5HifiGanConfig()), ((50, 80),)),
        Model("transformers", "UnivNetModel", lambda: t.UnivNetModel(t.UnivNetConfig()), ((1, 50, 100), (1, 50, 64))),
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
                    hidden_size=384,
                    convstream_hidden_sizes=[48, 96, 192],
                    fusion_hidden_sizes=[256, 128, 64, 32],
                    backbone_config=t.VitDetConfig(
                        num_channels=4, image_size=512, hidden_size=384, num_attention_heads=6, out_features=["stage12"]
                    ),
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
        Model("transformers", "VitsModel.decoder", lambda: t.VitsModel(t.VitsConfig()).decoder, ((1, 192, 40),)),
        Model(
            "transformers",
            "FastSpeech2ConformerHifiGan",
            lambda: t.FastSpeech2ConformerHifiGan(t.FastSpeech2ConformerHifiGanConfig()),
            ((50, 80),),
        ),
        Model("transformers", "Sam2Model", lambda: t.Sam2Model(t.Sam2Config()), ((1, 3, 1024, 1024),)),
        Model("transformers", "SamHQModel", lambda: t.SamHQModel(t.SamHQConfig()), ((1, 3, 1024, 1024),)),
        Model(
            "transformers",
            "ZoeDepthForDepthEstimation",
            lambda: t.ZoeDepthForDepthEstimation(
                t.ZoeDepthConfig(bin_configurations=[{"n_bins": 64, "min_depth": 0.001, "max_depth": 10.0}])
            ),
            ((1, 3, 384, 384),),
        ),
        Model(
            "transformers",
            "DepthAnythingForDepthEstimation",
            lambda: t.DepthAnythingForDepthEstimation(t.DepthAnythingConfig()),
            ((1, 3, 518, 518),),
        ),
        Model(
            "transformers",
            "DPTForSemanticSegmentation",
            lambda: t.DPTForSemanticSegmentation(t.DPTConfig()),
            ((1, 3, 384, 384),),
        ),
        Model(
            "transformers",
            "DepthProForDepthEstimation",
            lambda: t.DepthProForDepthEstimation(t.DepthProConfig()),
            ((1, 3, 1536, 1536),),
        ),
        Model(
            "transformers",
            "BeitForSemanticSegmentation",
            lambda: t.BeitForSemanticSegmentation(
                t.BeitConfig(image_size=512, use_relative_position_bias=True, out_indices=[3, 5, 7, 11])
            ),
            ((1, 3, 512, 512),),
        ),
        Model(
            "transformers",
            "MobileViTForSemanticSegmentation",
            lambda: t.MobileViTForSemanticSegmentation(t.MobileViTConfig()),
            picture,
        ),
        Model(
            "transformers",
            "MobileNetV2ForSemanticSegmentation",
            lambda: t.MobileNetV2ForSemanticSegmentation(t.MobileNetV2Config()),
            picture,
        ),
        Model("transformers", "RTDetrModel", lambda: t.RTDetrModel(t.RTDetrConfig()), ((1, 3, 640, 640),)),
        Model(
            "transformers",
            "MaskFormerForInstanceSegmentation",
            lambda: t.MaskFormerForInstanceSegmentation(t.MaskFormerConfig()),
            ((1, 3, 384, 384),),
        ),
        Model(
            "transformers",
            "Mask2FormerForUniversalSegmentation",
            lambda: t.Mask2FormerForUniversalSegmentation(t.Mask2FormerConfig()),
            ((1, 3, 384, 384),),
            device="cpu",
        ),
        Model(
            "transformers",
            "CLIPSegForImageSegmentation",
            lambda: t.CLIPSegForImageSegmentation(t.CLIPSegConfig()),
            (),
            {"input_ids": ("int64", (1, 12)), "pixel_values": (1, 3, 224, 224)},
        ),
        Model(
            "transformers",
            "SegGptForImageSegmentation",
            lambda: t.SegGptForImageSegmentation(t.SegGptConfig()),
            (),
            {
                "pixel_values": (1, 3, 448, 448),
                "prompt_pixel_values": (1, 3, 448, 448),
                "prompt_masks": (1, 3, 448, 448),
            },
        ),
        Model(
            "transformers",
            "SuperPointForKeypointDetection.encoder",
            lambda: t.SuperPointForKeypointDetection(t.SuperPointConfig()).encoder,
            ((1, 1, 240, 320),),
        ),
        Model(
            "transformers",
            "JanusVQVAE.decoder",
            lambda: t.JanusVQVAE(t.JanusVQVAEConfig()).decoder,
            ((1, 256, 24, 24),),
        ),
        Model(
            "transformers",
            "Emu3VQVAE.decoder",
            lambda: t.Emu3VQVAE(t.Emu3VQVAEConfig()).decoder,
            ((1, 1, 4, 32, 32), (1, 1, 4, 32, 32)),
        ),
        Model("transformers", "XcodecModel", lambda: t.XcodecModel(t.XcodecConfig()), ((1, 1, 16000),), device="cpu"),
    ]
