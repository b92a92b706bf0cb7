"""The decoders of the field as ONNX files: how each is built, what it is fed, which axes stay open.

Random weights, the packages' default or published hyper-parameters. Parametrised weights (weight normalisation) are
written as numbers, as such models are shipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .models import FAMILIES

Exporter: TypeAlias = Literal["dynamo", "torchscript"]
EXPORTERS: tuple[Exporter, ...] = ("dynamo", "torchscript")


@dataclass(frozen=True)
class OnnxModel:
    """One file of the field.

    Attributes:
        package, name: where it comes from, as in the audit's entries.
        build: the module.
        inputs: a shape for each input, by the name of the argument.
        open: the dynamic axes of each input, by number, named; an axis whose size is a multiple of n is "name*n".
    """

    package: str
    name: str
    build: Callable[[], Any]
    inputs: Mapping[str, tuple[int, ...]]
    open: Mapping[str, Mapping[int, str]]


def models(family: str) -> list[OnnxModel]:
    """The entries of a family: of the packages, or "examples" for DCGAN's and CycleGAN's generators."""
    return _LISTS[family]()


def _entry(family: str, name: str) -> Callable[[], Any]:
    return next(m.build for m in FAMILIES[family]() if m.name == name)


def _diffusers() -> list[OnnxModel]:
    latent = {"sample": {2: "h", 3: "w"}}
    return [
        OnnxModel(
            "diffusers", "AutoencoderKL.decoder", _entry("diffusers", "AutoencoderKL.decoder"),
            {"sample": (1, 4, 16, 16)}, latent,
        ),
        OnnxModel(
            "diffusers", "AutoencoderTiny.decoder", lambda: _entry("diffusers", "AutoencoderTiny")().decoder,
            {"x": (1, 4, 32, 32)}, {"x": {0: "batch", 2: "h", 3: "w"}},
        ),
    ]  # fmt: skip


def _transformers() -> list[OnnxModel]:
    import transformers as t

    def sam() -> Any:
        return t.models.sam.modeling_sam.SamMaskDecoder(t.SamConfig().mask_decoder_config)

    grid = (1, 256, 64, 64)
    embeddings = {
        "image_embeddings": grid,
        "image_positional_embeddings": grid,
        "sparse_prompt_embeddings": (1, 1, 2, 256),
        "dense_prompt_embeddings": grid,
    }
    frames = {"hidden_states": {0: "batch", 2: "frames"}}
    return [
        OnnxModel(
            "transformers", "SpeechT5HifiGan", _entry("transformers", "SpeechT5HifiGan"),
            {"spectrogram": (1, 50, 80)}, {"spectrogram": {0: "batch", 1: "frames"}},
        ),
        OnnxModel(
            "transformers", "EncodecModel.decoder", lambda: t.EncodecModel(t.EncodecConfig()).decoder,
            {"hidden_states": (1, 128, 50)}, frames,
        ),
        OnnxModel(
            "transformers", "DacModel.decoder", lambda: t.DacModel(t.DacConfig()).decoder,
            {"hidden_state": (1, 1024, 40)}, {"hidden_state": {0: "batch", 2: "frames"}},
        ),
        OnnxModel("transformers", "SamMaskDecoder", lambda: _many_masks(sam()), embeddings, {}),
    ]  # fmt: skip


def _many_masks(decoder: Any) -> Any:
    """SAM's mask decoder with its switch set, which is no tensor."""
    from torch import nn

    class ManyMasks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = decoder

        def forward(
            self,
            image_embeddings: Any,
            image_positional_embeddings: Any,
            sparse_prompt_embeddings: Any,
            dense_prompt_embeddings: Any,
        ) -> Any:
            return self.decoder(
                image_embeddings, image_positional_embeddings, sparse_prompt_embeddings, dense_prompt_embeddings, True
            )

    return ManyMasks()


def _monai() -> list[OnnxModel]:
    volume, axes = {"x": (1, 1, 48, 48, 48)}, {"x": {0: "batch", 2: "d*16", 3: "h*16", 4: "w*16"}}
    return [
        OnnxModel("monai", "UNet", _entry("monai", "UNet"), volume, axes),
        OnnxModel("monai", "SegResNet", _entry("monai", "SegResNet"), volume, axes),
    ]


def _smp() -> list[OnnxModel]:
    picture, axes = {"x": (1, 3, 128, 128)}, {"x": {0: "batch", 2: "h*32", 3: "w*32"}}
    package = "segmentation-models-pytorch"
    return [OnnxModel(package, n, _entry("smp", n), picture, axes) for n in ("Unet", "FPN")]


def _examples() -> list[OnnxModel]:
    from examples.cyclegan import cyclegan
    from examples.dcgan import dcgan

    return [
        OnnxModel(
            "examples", "DCGAN", dcgan, {"input": (1, 100, 1, 1)}, {"input": {0: "batch"}}
        ),
        OnnxModel(
            "examples", "CycleGAN", cyclegan, {"input": (1, 3, 128, 128)},
            {"input": {0: "batch", 2: "h*4", 3: "w*4"}},
        ),
    ]  # fmt: skip


_LISTS: dict[str, Callable[[], list[OnnxModel]]] = {
    "diffusers": _diffusers,
    "transformers": _transformers,
    "monai": _monai,
    "smp": _smp,
    "examples": _examples,
}
ONNX_FAMILIES = tuple(_LISTS)


def export(model: OnnxModel, exporter: Exporter, path: Path) -> None:
    """Write the model as an ONNX file, its weights inside. Raises what the exporter raises."""
    import torch

    from examples.export import bake, quiet

    torch.manual_seed(0)
    module = bake(model.build().eval())
    inputs = tuple(torch.randn(s) for s in model.inputs.values())
    names = list(model.inputs)
    with quiet(), torch.no_grad():
        if exporter == "dynamo":
            torch.onnx.export(
                module, inputs, path, dynamo=True, external_data=False, verbose=False, input_names=names,
                dynamic_shapes=_dims(model) if model.open else None,
            )  # fmt: skip
        else:
            axes = {n: {a: s.split("*")[0] for a, s in found.items()} for n, found in model.open.items()}
            torch.onnx.export(module, inputs, path, dynamo=False, input_names=names, dynamic_axes=axes or None)


def _dims(model: OnnxModel) -> tuple[dict[int, Any], ...]:
    """The open axes in `torch.export`'s words; axes of one name are one size."""
    from torch.export import Dim

    known: dict[str, Any] = {}

    def dim(text: str) -> Any:
        name, _, factor = text.partition("*")
        if name not in known:
            known[name] = Dim(name, min=1, max=64 if factor else 4096)
        return int(factor) * known[name] if factor else known[name]

    return tuple({a: dim(s) for a, s in model.open.get(n, {}).items()} for n in model.inputs)
