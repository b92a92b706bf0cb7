"""What is to be rewritten in a model, by the paths of its modules; and the model rewritten so."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import nn

from .copying import become, shared_copy, to_channels_last
from .deferred import How
from .functions import Route
from .modules import Caller, Convolution, Root, Site, Transposed

Unit: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Way:
    """How a convolution runs: `deferred` and `plain` are the backends for what it reads, `behind` what it waits for.

    For an ordinary convolution `plain` is "torch", or "native" as a transposed one of stride 1.
    """

    deferred: str = "keep"
    plain: str = "torch"
    behind: str = ""


@dataclass(frozen=True)
class Decisions:
    """Attributes:
    sites: modules whose resizes are deferred, with the backend for convolutions that are called as functions.
    layers: convolutions of either kind that run in another way than their own.
    calls: modules that call convolutions as functions, with those that run by Upweave's operator.
    channels_last: whether convolutions get weights in channels-last order, which their outputs then have too.
    precise: whether the native core keeps to what loses no digit of float32.
    """

    sites: dict[str, str] = field(default_factory=dict)
    layers: dict[str, Way] = field(default_factory=dict)
    channels_last: bool = False
    precise: bool = False
    calls: dict[str, tuple[Route, ...]] = field(default_factory=dict)

    @property
    def are_none(self) -> bool:
        """True if the model stays what it is."""
        return not self.sites and not self.layers and not self.calls and not self.channels_last

    @property
    def units(self) -> tuple[Unit, ...]:
        """What can be left out one by one: (what, path)."""
        last = (("channels-last weights", ""),) if self.channels_last else ()
        sites = (("the deferred resizes of", path) for path in self.sites)
        calls = (("another way for the functions of", path) for path in self.calls)
        return *sites, *(("another way for", path) for path in self.layers), *calls, *last

    def only(self, units: Collection[Unit]) -> Decisions:
        """The same, of these units alone; layers that only consume resizes stay as they are where none is deferred."""
        sites = {p: b for p, b in self.sites.items() if ("the deferred resizes of", p) in units}
        layers = {
            p: w for p, w in self.layers.items()
            if ("another way for", p) in units and (sites or w.plain != "torch" or w.behind)
        }  # fmt: skip
        calls = {p: r for p, r in self.calls.items() if ("another way for the functions of", p) in units}
        return Decisions(sites, layers, self.channels_last and ("channels-last weights", "") in units, calls=calls)


def apply(model: nn.Module, decisions: Decisions, *, contiguous_outputs: bool = True) -> nn.Module:
    """A new module with the decisions carried out; it shares the model's tensors but for weights in another order."""
    new = shared_copy(model)
    if decisions.channels_last:
        to_channels_last(new)
    modules = dict(new.named_modules())
    for path, way in decisions.layers.items():
        module = modules[path]
        become(module, Transposed if module.transposed else Convolution)
        state = {"deferred": way.deferred, "plain": way.plain, "behind": way.behind, "precise": decisions.precise}
        module.__dict__.update({f"_upweave_{name}": value for name, value in state.items()})
    for path, backend in decisions.sites.items():
        become(modules[path], Site)
        modules[path].__dict__.update(
            _upweave_how=How(backend, precise=decisions.precise), _upweave_site=path, _upweave_off=False
        )
    for path, routes in decisions.calls.items():
        become(modules[path], Caller)
        modules[path].__dict__.update(_upweave_routes=routes, _upweave_precise=decisions.precise)
    become(new, Root)
    new.__dict__.update(_upweave_contiguous=decisions.channels_last and contiguous_outputs)
    return new
