"""Upweave: transposed convolution and learnable upsampling, explained, audited and run.

Everything public is here; each name is imported from its module at first use, so that `import upweave` costs next to
nothing and no part is loaded that is not needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import artifacts as artifacts
    from . import audit as audit
    from . import nn as nn
    from . import testing as testing
    from .audit.report import Report as Report
    from .bank import PhaseBank as PhaseBank
    from .bank import Taps as Taps
    from .boundary import Boundary as Boundary
    from .convert import impulse_response as impulse_response
    from .convert import phase_bank as phase_bank
    from .convert import taps as taps
    from .convert import to_conv_pixel_shuffle as to_conv_pixel_shuffle
    from .convert import to_conv_transpose as to_conv_transpose
    from .errors import BackendError as BackendError
    from .errors import ConfigError as ConfigError
    from .errors import ModelError as ModelError
    from .errors import NotRepresentable as NotRepresentable
    from .errors import SpecError as SpecError
    from .errors import UpweaveError as UpweaveError
    from .graph.sizes import valid_sizes as valid_sizes
    from .nn.replace import replace_layers as replace_layers
    from .ops.backends import available_backends as available_backends
    from .ops.conv_transpose import conv_transpose as conv_transpose
    from .ops.explain import explain_plan as explain_plan
    from .ops.plan import Plan as Plan
    from .ops.plan import plan as plan
    from .ops.upsample import upsample as upsample
    from .rewrite.torch.accelerate import accelerate as accelerate
    from .rewrite.torch.fix import fix as fix
    from .spec import Conv as Conv
    from .spec import ConvPixelShuffle as ConvPixelShuffle
    from .spec import ConvTranspose as ConvTranspose
    from .spec import FirUpsample as FirUpsample
    from .spec import ResizeConv as ResizeConv
    from .spec import Spec as Spec
    from .spec import ZeroInsertConv as ZeroInsertConv
    from .theory.adjoint import adjoint as adjoint
    from .theory.alignment import alignment as alignment
    from .theory.cost import multiplies as multiplies
    from .theory.coverage import coverage as coverage
    from .theory.coverage import coverage_line as coverage_line
    from .theory.coverage import coverage_variance as coverage_variance
    from .theory.coverage import empty_residues as empty_residues
    from .theory.coverage import gaps as gaps
    from .theory.coverage import uncovered_border as uncovered_border
    from .theory.design import design as design
    from .theory.design import design_chain as design_chain
    from .theory.fans import fans as fans
    from .theory.gain import dc_gain as dc_gain
    from .theory.gain import gain_imbalance as gain_imbalance
    from .theory.gain import is_dc_flat as is_dc_flat
    from .theory.matrix import bank_matrix as bank_matrix
    from .theory.matrix import linear_operator as linear_operator
    from .theory.matrix import matrix as matrix
    from .theory.matrix import weight_gradient as weight_gradient
    from .theory.polyphase import interleave as interleave
    from .theory.polyphase import polyphase as polyphase
    from .theory.sizes import input_sizes as input_sizes
    from .theory.sizes import output_size as output_size
    from .theory.sizes import output_sizes as output_sizes
    from .theory.spectrum import frequency_response as frequency_response
    from .theory.spectrum import ideal_lowpass as ideal_lowpass
    from .theory.spectrum import image_rejection as image_rejection
    from .theory.spectrum import images as images

_EXPORTS: dict[str, str] = {
    name: module
    for module, names in {
        ".spec": "Spec ConvTranspose ZeroInsertConv ConvPixelShuffle ResizeConv FirUpsample Conv",
        ".bank": "PhaseBank Taps",
        ".boundary": "Boundary",
        ".errors": "UpweaveError SpecError NotRepresentable ModelError ConfigError BackendError",
        ".convert": "phase_bank taps impulse_response to_conv_transpose to_conv_pixel_shuffle",
        ".ops.backends": "available_backends",
        ".ops.conv_transpose": "conv_transpose",
        ".ops.explain": "explain_plan",
        ".ops.plan": "Plan plan",
        ".ops.upsample": "upsample",
        ".theory.adjoint": "adjoint",
        ".theory.alignment": "alignment",
        ".theory.cost": "multiplies",
        ".theory.coverage": "coverage coverage_line coverage_variance empty_residues gaps uncovered_border",
        ".theory.design": "design design_chain",
        ".theory.fans": "fans",
        ".theory.gain": "dc_gain gain_imbalance is_dc_flat",
        ".theory.matrix": "matrix bank_matrix linear_operator weight_gradient",
        ".theory.polyphase": "polyphase interleave",
        ".theory.sizes": "output_size output_sizes input_sizes",
        ".theory.spectrum": "frequency_response ideal_lowpass image_rejection images",
        ".graph.sizes": "valid_sizes",
        ".nn.replace": "replace_layers",
        ".audit.report": "Report",
        ".rewrite.torch.accelerate": "accelerate",
        ".rewrite.torch.fix": "fix",
    }.items()
    for name in names.split()
}

# `audit` is a package that is itself callable: upweave.audit(model, inputs)
_MODULES = ("artifacts", "audit", "nn", "testing")

__all__ = ["__version__", *_MODULES, *_EXPORTS]  # pyright: ignore[reportUnsupportedDunderAll]


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
