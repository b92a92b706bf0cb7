"""What accelerated modules do differently: mixins in front of their own classes (`copying.become`).

Their numbers are in instance attributes, which a deep copy and a pickle take along.
"""

from __future__ import annotations

import warnings
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...ops.torch.layout import CHANNELS_LAST, is_channels_last
from .deferred import How, Stale, is_deferred, made
from .derived import derive
from .mode import Deferring
from ...nn.functional import run_layer

if TYPE_CHECKING:
    _Base = nn.Module
else:
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


class Consumer(_Base):
    """A convolution that runs what it consumes of deferred values in a way that was chosen for it."""

    _upweave_backend: str

    def forward(self, input: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
        """The convolution's own."""
        if is_deferred(input):
            input = input.run_as(self._upweave_backend)  # noqa: A001
        return super().forward(input, *args, **kwargs)


class Transposed(_Base):
    """A transposed convolution that runs on the backend that was chosen for it."""

    _upweave_backend: str

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:  # noqa: A002
        """The layer's own outputs."""
        if self._upweave_backend == "torch" or is_deferred(input):
            return super().forward(input, output_size)  # type: ignore[no-any-return]
        return run_layer(
            input, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation,
            self.padding_mode, "none", 0.01, output_size,
        )  # fmt: skip


class Root(_Base):
    """The accelerated model itself: what leaves it are ordinary tensors, in the order that they had."""

    _upweave_channels_last: bool

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model's own."""
        try:
            y = super().forward(*args, **kwargs)
        except Stale as error:
            warnings.warn(f"accelerate: {error}; its resizes are no longer deferred", RuntimeWarning, stacklevel=2)
            switch_off(self)
            y = super().forward(*args, **kwargs)
        return outputs(y, self._upweave_channels_last)


def switch_off(model: nn.Module) -> None:
    """Defer no resize of the model from here on."""
    for module in model.modules():
        if isinstance(module, Site):
            module._upweave_off = True


def outputs(value: Any, contiguous: bool) -> Any:
    """The value with plain tensors in it: no Deferred, and no channels-last order if the model gave none before."""
    value = made(value, "output")
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
