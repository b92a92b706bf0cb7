"""Make the transposed convolutions of a model ours, in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.utils import parametrize

from ..errors import SpecError
from .conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, UpweaveLayer

OURS: dict[type[torch.nn.Module], type[UpweaveLayer]] = {
    torch.nn.ConvTranspose1d: ConvTranspose1d,
    torch.nn.ConvTranspose2d: ConvTranspose2d,
    torch.nn.ConvTranspose3d: ConvTranspose3d,
}
"""Our layer for each of PyTorch's."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """One transposed convolution of a model: `path` as in `named_modules` (empty for the model itself), its layer, and
    whether it is ours already ("ours"), `replace_layers` would replace it ("replaceable"), or leaves it alone ("kept")
    for the `reason`."""

    path: str
    layer: torch.nn.Module
    state: Literal["ours", "replaceable", "kept"]
    reason: str = ""

    def __str__(self) -> str:
        what = f"{self.path or '(the model itself)'}: {type(self.layer).__name__} {self.state}"
        return f"{what}, {self.reason}" if self.reason else what


def replace_layers(model: torch.nn.Module) -> torch.nn.Module:
    """Turn every `torch.nn.ConvTransposeNd` of a model into `upweave.nn.ConvTransposeNd`, in place; returns the model.

    A layer stays the object that it is and gets another class, as PyTorch's lazy and parametrised layers do: its
    parameters, buffers, hooks, parametrisations and training mode stay, and so does every reference from elsewhere
    (optimisers, shared layers). The outputs are those of before, up to rounding; a second call finds nothing to do.
    `replacements` lists, before or after, what is replaced and what is left alone, and why: subclasses, which may have
    a `forward` of their own, layers whose `forward` was overwritten, lazy layers that have not seen an input.
    Raises `SpecError` for what is no module.
    """
    for found in replacements(model):
        if found.state == "replaceable":
            _become_ours(found.layer)
    return model


def replacements(model: torch.nn.Module) -> tuple[Replacement, ...]:
    """Each transposed convolution of a model, with what `replace_layers` makes of it; changes nothing."""
    if not isinstance(model, torch.nn.Module):
        raise SpecError(f"expected a torch.nn.Module, got {type(model).__name__}")
    return tuple(_judge(path, layer) for path, layer in model.named_modules() if isinstance(layer, _ConvTransposeNd))


def _judge(path: str, layer: torch.nn.Module) -> Replacement:
    if isinstance(layer, UpweaveLayer):
        return Replacement(path, layer, "ours")
    if isinstance(layer, torch.nn.modules.lazy.LazyModuleMixin):
        return Replacement(path, layer, "kept", "a lazy layer without parameters: run the model once before")
    if _plain_class(layer) not in OURS:
        return Replacement(path, layer, "kept", f"{_plain_class(layer).__qualname__} is a class of its own")
    if "forward" in vars(layer):
        return Replacement(path, layer, "kept", "its forward was overwritten")
    return Replacement(path, layer, "replaceable")


def _plain_class(layer: torch.nn.Module) -> type[torch.nn.Module]:
    """The layer's class; for a parametrised layer the one that it had before."""
    cls = type(layer)
    return cls.__bases__[0] if parametrize.is_parametrized(layer) else cls


def _become_ours(layer: torch.nn.Module) -> None:
    ours, cls = OURS[_plain_class(layer)], type(layer)
    if not parametrize.is_parametrized(layer):
        layer.__class__ = ours
        return
    # PyTorch gave the layer a class of its own, with a property for each parametrised tensor, and goes back to its
    # first base when the last parametrisation is removed: the same class again, over ours.
    members = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    layer.__class__ = type(cls.__name__, (ours,), members)
