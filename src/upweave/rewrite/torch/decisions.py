"""What is to be rewritten in a model, by the paths of its modules; and the model rewritten so."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import nn

from .copying import become, shared_copy, to_channels_last
from .deferred import How
from .modules import Consumer, Root, Site, Transposed

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class Decisions:
    """Attributes:
    sites: modules whose resizes are deferred, with the backend for convolutions that are called as functions.
    folds: convolutions that consume them, with their backend; "keep" resizes first.
    transposed: transposed convolutions with their backend.
    channels_last: whether convolutions get weights in channels-last order, which their outputs then have too.
    """

    sites: dict[str, str] = field(default_factory=dict)
    folds: dict[str, str] = field(default_factory=dict)
    transposed: dict[str, str] = field(default_factory=dict)
    channels_last: bool = False

    @property
    def are_none(self) -> bool:
        """True if the model stays what it is."""
        return not self.sites and not self.channels_last and "native" not in self.transposed.values()

    def without_folds(self) -> Decisions:
        """The same, every resize done when it is called."""
        return replace(self, sites={}, folds={})

    def without_transposed(self) -> Decisions:
        """The same, every transposed convolution PyTorch's."""
        return replace(self, transposed={})


def apply(model: nn.Module, decisions: Decisions, *, contiguous_outputs: bool = True) -> nn.Module:
    """A new module with the decisions carried out; it shares the model's tensors but for weights in another order."""
    new = shared_copy(model)
    if decisions.channels_last:
        to_channels_last(new)
    modules = dict(new.named_modules())
    for path, backend in decisions.folds.items():
        if isinstance(module := modules.get(path), _CONVOLUTIONS):
            become(module, Consumer)
            module._upweave_backend = backend  # type: ignore[assignment]
    for path, backend in decisions.transposed.items():
        become(modules[path], Transposed)
        modules[path]._upweave_backend = backend  # type: ignore[assignment]
    for path, backend in decisions.sites.items():
        become(modules[path], Site)
        modules[path]._upweave_how = How(backend)  # type: ignore[assignment]
        modules[path]._upweave_site = path  # type: ignore[assignment]
        modules[path]._upweave_off = False  # type: ignore[assignment]
    become(new, Root)
    new._upweave_channels_last = decisions.channels_last and contiguous_outputs  # type: ignore[assignment]
    return new
