"""segmentation-models-pytorch."""

from __future__ import annotations

from ..model import Model


def models() -> list[Model]:
    """The models of this family."""
    from .. import torchvision_stub

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
