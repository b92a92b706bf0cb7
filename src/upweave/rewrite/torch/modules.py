"""What accelerated modules do differently: mixins in front of their own classes (`copying.become`).

Their numbers are in instance attributes, which a deep copy and a pickle take along.
"""

from __future__ import annotations

import warnings
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops.torch.front import conv_transpose
from ...ops.torch.layout import is_channels_last
from .copying import parametrizations
from .deferred import How, Stale, is_open
from .derived import derive
from .functions import Route, Routing, stride_one
from .mode import Deferring
from .pending import Pending, Run, activate, plainly, reads

if TYPE_CHECKING:
    _Base = nn.Module
else:  # at run time the module's own class stands behind the mixin
    _Base = object


class Site(_Base):
    """A module whose nearest resizes are deferred."""

    _upweave_how: How
    _upweave_site: str
    _upweave_off: bool

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's own, its resizes deferred."""
        if self._upweave_off:
            return super().forward(*args, **kwargs)
        with Deferring(self._upweave_how, self._upweave_site):
            return super().forward(*args, **kwargs)


class Caller(_Base):
    """A module that calls convolutions as functions, of which some run in another way."""

    _upweave_routes: tuple[Route, ...]
    _upweave_precise: bool

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's own, with other ways for some calls."""
        module: Any = self
        with Routing(module, self._upweave_routes, self._upweave_precise):
            return super().forward(*args, **kwargs)


class Postponing(_Base):
    """What convolutions of both kinds share: where a batch normalisation is expected, they wait for it.

    `_upweave_behind`: "" or "batch_norm", or "batch_norm, activation", as was seen.
    """

    _upweave_behind: str

    def _upweave_run(self: Any, x: Any, transposed: bool, run: Run) -> Any:
        weight, bias = weight_of(self), self.bias
        if not self._upweave_behind or torch.is_autocast_enabled("cpu"):
            return run(weight, bias, None)
        activated = "activation" in self._upweave_behind
        return Pending(run, reads(x), weight, bias, self.groups, transposed, activated)


def weight_of(module: Any) -> Tensor:
    """A convolution's weight; one that is made of others, as a normalised one is, is kept until those change."""
    chains = parametrizations(module)
    if not chains:
        return module.weight  # type: ignore[no-any-return]
    what = ("parametrized", *((type(step).__name__, step.dim) for chain in chains for step in chain))
    sources = tuple(t for chain in chains for t in chain.parameters())
    return derive(what, sources, lambda: (module.weight,))[0]


class Convolution(Postponing):
    """A convolution that consumes deferred values, and runs on plain ones, in the ways that were chosen for it.

    `_upweave_deferred` is for deferred values, `_upweave_plain` for tensors: "native" is the transposed convolution of
    stride 1 with the flipped kernel.
    """

    _upweave_deferred: str
    _upweave_plain: str
    _upweave_precise: bool

    def forward(self: Any, input: Any) -> Any:  # noqa: A002
        """The convolution's own."""
        # run_as makes another value: what happens to the caller's own in the meantime is none of this convolution's
        x = input.run_as(self._upweave_deferred) if is_open(input) else plainly(input)

        def run(weight: Tensor, bias: Tensor | None, activation: tuple[str, float] | None) -> Any:
            if self._upweave_plain == "native" and isinstance(x, Tensor) and x.dim() == weight.dim():
                return stride_one(
                    x, weight, bias, self.padding, self.dilation, self.groups, activation, self._upweave_precise
                )  # fmt: skip
            return activate(self._conv_forward(x, weight, bias), activation)

        return self._upweave_run(x, False, run)


class Transposed(Postponing):
    """A transposed convolution that runs on the backend that was chosen for it."""

    _upweave_plain: str
    _upweave_precise: bool

    def forward(self: Any, input: Any, output_size: Any = None) -> Any:  # noqa: A002
        """The layer's own outputs."""
        x: Tensor = plainly(input)
        native = self._upweave_plain == "native" and x.dim() == len(self.stride) + 2
        extra = tuple(
            self._output_padding(
                x, output_size, self.stride, self.padding, self.kernel_size, len(self.stride), self.dilation
            )
        )

        def run(weight: Tensor, bias: Tensor | None, activation: tuple[str, float] | None) -> Any:
            name, slope = (activation or ("none", 0.01)) if native else ("none", 0.01)
            if native:
                return conv_transpose(
                    x, weight, bias, self.stride, self.padding, extra, self.groups, self.dilation, name, slope,
                    precise=self._upweave_precise,
                )  # fmt: skip
            y = _TRANSPOSED[len(self.stride)](
                x, weight, bias, self.stride, self.padding, extra, self.groups, self.dilation
            )
            return activate(y, activation)

        return self._upweave_run(x, True, run)


_TRANSPOSED: Any = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class Root(_Base):
    """The accelerated model itself: what leaves it are ordinary tensors, in the order that they had."""

    _upweave_contiguous: bool

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model's own."""
        try:
            y = super().forward(*args, **kwargs)
        except Stale as error:
            warnings.warn(f"accelerate: {error}; its resizes are no longer deferred", RuntimeWarning, stacklevel=2)
            switch_off(self)
            y = super().forward(*args, **kwargs)
        return outputs(y, self._upweave_contiguous)


def switch_off(model: nn.Module) -> None:
    """Defer no resize of the model, and postpone no convolution, from here on."""
    for module in model.modules():
        if isinstance(module, Postponing):
            module._upweave_behind = ""
        if isinstance(module, Site):
            module._upweave_off = True


def outputs(value: Any, contiguous: bool) -> Any:
    """The value with plain tensors in it: no Deferred, and no channels-last order if the model gave none before."""
    value = plainly(value)
    if isinstance(value, Tensor):
        return value.contiguous() if contiguous and is_channels_last(value) else value
    if type(value) in (tuple, list):
        return type(value)(outputs(v, contiguous) for v in value)
    if type(value) is dict:
        return {key: outputs(v, contiguous) for key, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(outputs(v, contiguous) for v in value))
    if is_dataclass(value) and not isinstance(value, type):  # and the outputs of transformers and diffusers
        for f in fields(value):
            old = getattr(value, f.name)
            if (new := outputs(old, contiguous)) is not old:
                setattr(value, f.name, new)
    return value
