"""Layers, initialisers, parametrisations and penalties for PyTorch; each name loads its module at first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import init as init
    from .conv_transpose import ConvTranspose1d as ConvTranspose1d
    from .conv_transpose import ConvTranspose2d as ConvTranspose2d
    from .conv_transpose import ConvTranspose3d as ConvTranspose3d
    from .init import bilinear_ as bilinear_
    from .init import glorot_normal_ as glorot_normal_
    from .init import glorot_uniform_ as glorot_uniform_
    from .init import he_normal_ as he_normal_
    from .init import he_uniform_ as he_uniform_
    from .init import icnr_ as icnr_
    from .init import orthogonal_ as orthogonal_
    from .init import triangular_ as triangular_
    from .init import windowed_sinc_ as windowed_sinc_
    from .lazy import LazyConvTranspose1d as LazyConvTranspose1d
    from .lazy import LazyConvTranspose2d as LazyConvTranspose2d
    from .lazy import LazyConvTranspose3d as LazyConvTranspose3d
    from .phase_gain import EqualPhaseBias as EqualPhaseBias
    from .phase_gain import EqualPhaseGain as EqualPhaseGain
    from .phase_gain import equal_phase_gain as equal_phase_gain
    from .regularise import image_rejection_loss as image_rejection_loss
    from .regularise import phase_gain_imbalance as phase_gain_imbalance
    from .regularise import phase_gain_variance as phase_gain_variance
    from .regularise import phase_response_similarity as phase_response_similarity
    from .regularise import phase_similarity as phase_similarity
    from .regularise import regularisation as regularisation
    from .regularise import upsampling_layers as upsampling_layers
    from .replace import Replacement as Replacement
    from .replace import replace_layers as replace_layers
    from .replace import replacements as replacements
    from .resize_conv import ResizeConv as ResizeConv
    from .resize_conv import ResizeConv1d as ResizeConv1d
    from .resize_conv import ResizeConv2d as ResizeConv2d
    from .resize_conv import ResizeConv3d as ResizeConv3d
    from .subpixel_conv import SubPixelConv as SubPixelConv
    from .subpixel_conv import SubPixelConv1d as SubPixelConv1d
    from .subpixel_conv import SubPixelConv2d as SubPixelConv2d
    from .subpixel_conv import SubPixelConv3d as SubPixelConv3d

_EXPORTS: dict[str, str] = {
    name: module
    for module, names in {
        ".conv_transpose": "ConvTranspose1d ConvTranspose2d ConvTranspose3d",
        ".lazy": "LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d",
        ".replace": "Replacement replace_layers replacements",
        ".init": "he_normal_ he_uniform_ glorot_normal_ glorot_uniform_ orthogonal_ triangular_ bilinear_ "
        "windowed_sinc_ icnr_",
        ".phase_gain": "EqualPhaseGain EqualPhaseBias equal_phase_gain",
        ".regularise": "phase_gain_variance phase_gain_imbalance image_rejection_loss phase_similarity "
        "phase_response_similarity regularisation upsampling_layers",
        ".resize_conv": "ResizeConv ResizeConv1d ResizeConv2d ResizeConv3d",
        ".subpixel_conv": "SubPixelConv SubPixelConv1d SubPixelConv2d SubPixelConv3d",
    }.items()
    for name in names.split()
}

_MODULES = ("init",)

__all__ = [*_MODULES, *_EXPORTS]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_EXPORTS[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
