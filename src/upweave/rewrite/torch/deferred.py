"""A nearest resize that has not happened yet.

`Deferred` stands for the resized tensor and holds the small one. Functions that commute with repeating samples are
applied to the small tensor; a convolution of stride 1 consumes it, as one transposed convolution with folded weights;
anything else gets the resized tensor, made at that moment, once.

    interpolate(x, 2)   silu   cat(·, skip)           conv2d
        │                │          │                   │
    [x, ×2]        [silu(x), ×2]  [silu(x), ×2 | skip]  conv_transpose(silu(x), folded) + conv2d(skip)

A value is a list of parts, one behind the other along the channels: each a tensor with its factors, (1, 1) for one that
is there in full. `trim` is what was cropped from (or, negative, padded with zeros to) the repeated samples.

It is no subclass of `torch.Tensor`: PyTorch's functions find `__torch_function__` on any object, torch.compile and
torch.export trace it like other Python, and a value that exists in two sizes should not pretend to have memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Trim = tuple[tuple[int, int], ...]

LARGEST_FACTOR = 16
"""PyTorch's "nearest" takes ⌊n·(1/s)⌋ with a rounded 1/s; up to here at least that is ⌊n/s⌋ for all n that matter."""


class Stale(RuntimeError):
    """A tensor that a deferred value is made of was changed in place before anyone read the value."""


class Part:
    """`small`, every sample repeated `factors` times along the trailing axes, then cropped by `trim`.

    `site` is the path of the module that began it. What is postponed must read what it would have read: `version` is
    that of the small tensor when it was taken, where tensors count (not under inference_mode).
    """

    __slots__ = ("_small", "factors", "site", "trim", "version")

    def __init__(self, small: Tensor, factors: tuple[int, ...], trim: Trim, site: str = "") -> None:
        self._small = small
        self.factors = factors
        self.trim = trim
        self.site = site
        self.version = version_of(small)

    @property
    def small(self) -> Tensor:
        """The small tensor; raises `Stale` if it has changed."""
        if self.version is not None and version_of(self._small) != self.version:
            raise Stale(
                f"the input of the resize {self.site or '(no module)'} was changed in place before its output was read"
            )
        return self._small

    def replaced(self, small: Tensor) -> Part:
        """The same of another small tensor."""
        return Part(small, self.factors, self.trim, self.site)

    @property
    def is_whole(self) -> bool:
        """True if there is nothing to do to it."""
        return all(s == 1 for s in self.factors) and not self.is_trimmed

    @property
    def is_trimmed(self) -> bool:
        """True if something was cropped or padded."""
        return any(b != 0 or e != 0 for b, e in self.trim)

    @property
    def size(self) -> tuple[int, ...]:
        """Its extent on the trailing axes."""
        rank = len(self.factors)
        ends = zip(self._small.shape[-rank:], self.factors, self.trim, strict=True)
        return tuple(n * s - b - e for n, s, (b, e) in ends)

    @property
    def channels(self) -> int:
        """Its number of channels."""
        return int(self._small.shape[1])

    def made(self) -> Tensor:
        """The repeated tensor itself."""
        x = repeat(self.small, self.factors)
        if self.is_trimmed:
            x = F.pad(x, [-n for pair in reversed(self.trim) for n in pair])
        return x


def version_of(x: Tensor) -> int | None:
    """How often the tensor was changed in place; None where nobody counts, or a tracer follows the changes itself."""
    return None if torch.compiler.is_compiling() or x.is_inference() else x._version


class Log:
    """What becomes of deferred values; this one forgets."""

    def consumed(self, x: Deferred, weight: Tensor, call: Any) -> None:
        """A convolution is about to consume a value."""

    def materialised(self, x: Deferred, why: str) -> None:
        """The resized tensor is about to be made after all."""


FORGETS = Log()


@dataclass(frozen=True)
class How:
    """How folded convolutions run: `backend` as for `upweave.conv_transpose`, or "keep" to resize after all; what
    becomes of values goes to `log`. `precise=False` allows what loses up to a digit of float32."""

    backend: str = "auto"
    log: Log = FORGETS
    precise: bool = True


class Deferred:
    """A resized tensor that is made when somebody needs it; see the module."""

    def __init__(self, parts: tuple[Part, ...], how: How) -> None:
        self._parts = parts
        self._how = how
        self._full: Tensor | None = None

    @property
    def is_open(self) -> bool:
        """True while the resized tensor was not made."""
        return self._full is None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Along the channels; one whole part once the tensor was made."""
        if self._full is not None:
            rank = self._full.dim() - 2
            return (Part(self._full, (1,) * rank, ((0, 0),) * rank),)
        return self._parts

    @property
    def how(self) -> How:
        """How convolutions are to consume it."""
        return self._how

    def run_as(self, backend: str) -> Deferred:
        """The same value, to be consumed by this backend."""
        if self._full is not None:
            return self
        return Deferred(self._parts, replace(self._how, backend=backend))

    def materialise(self, why: str = "read") -> Tensor:
        """The resized tensor; made at the first call, and what this value is from then on."""
        if self._full is None:
            self._how.log.materialised(self, why)
            made = [part.made() for part in self._parts]
            self._full = made[0] if len(made) == 1 else torch.cat(made, 1)
        return self._full

    def become(self, other: Deferred) -> Deferred:
        """An operation in place on a value that is open: it is `other` from here on."""
        self._parts = other._parts
        return self

    # -- what a tensor says of itself without its elements --------------------------------------------------------

    @property
    def shape(self) -> torch.Size:
        """The shape of the resized tensor."""
        if self._full is not None:
            return self._full.shape
        first = self._parts[0]
        channels = sum(part.channels for part in self._parts)
        return torch.Size((first._small.shape[0], channels, *first.size))

    @property
    def dtype(self) -> torch.dtype:
        """As a tensor's."""
        return self.parts[0]._small.dtype

    @property
    def device(self) -> torch.device:
        """As a tensor's."""
        return self.parts[0]._small.device

    @property
    def requires_grad(self) -> bool:
        """As a tensor's."""
        return any(part._small.requires_grad for part in self.parts)

    @property
    def ndim(self) -> int:
        """As a tensor's."""
        return self.parts[0]._small.dim()

    def dim(self) -> int:
        """As a tensor's."""
        return self.ndim

    def size(self, dim: int | None = None) -> Any:
        """As a tensor's."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """As a tensor's."""
        return self.shape.numel()

    def is_floating_point(self) -> bool:
        """As a tensor's."""
        return self.dtype.is_floating_point

    def __len__(self) -> int:
        return int(self.shape[0])

    def __repr__(self) -> str:
        inner = " | ".join(f"{tuple(p._small.shape)} ×{p.factors}" for p in self.parts)
        return f"Deferred({inner})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.materialise(name), name)


def is_deferred(x: Any) -> bool:
    """True for a value of this module, whether it was made by now or not."""
    return type(x) is Deferred


def is_open(x: Any) -> bool:
    """True for a value whose resized tensor was not made."""
    return type(x) is Deferred and x.is_open


def made(value: Any, why: str = "read") -> Any:
    """The value with every Deferred in it, through tuples, lists and dicts, replaced by its tensor."""
    if is_deferred(value):
        return value.materialise(why)
    if isinstance(value, dict) and type(value) is dict:
        return {key: made(v, why) for key, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)(made(v, why) for v in value)
    return value


def repeat(x: Tensor, factors: Sequence[int]) -> Tensor:
    """Every sample `factors` times along the trailing axes."""
    if all(s == 1 for s in factors):
        return x
    scale = [float(s) for s in factors]
    exact = max(factors) > LARGEST_FACTOR
    return _NEAREST[len(factors), exact](x, None, scale)


_nn = torch._C._nn
# Not F.interpolate, which the mode that defers would defer again.
_NEAREST: dict[tuple[int, bool], Callable[..., Tensor]] = {
    (1, False): _nn.upsample_nearest1d, (2, False): _nn.upsample_nearest2d, (3, False): _nn.upsample_nearest3d,
    (1, True): _nn._upsample_nearest_exact1d, (2, True): _nn._upsample_nearest_exact2d,
    (3, True): _nn._upsample_nearest_exact3d,
}  # fmt: skip
