"""The hyper-parameters of one layer, as the user typed them.

Six frozen values, one for each way to write an upsampling layer, and the strided convolution that is the
adjoint of the first:

    ConvTranspose     n = s·i + d·t − p                          weight (C_in, C_out/g, k…)
    ZeroInsertConv    s−1 zeros between samples, then a conv     weight (C_out, C_in/g, k…)
    ConvPixelShuffle  a conv to C_out·∏s channels, interleaved   weight (C_out·∏s, C_in/g, k…)
    ResizeConv        half-pixel resize ×s, then a conv          weight (C_out, C_in/g, k…)
    FirUpsample       zero insertion, then one fixed FIR filter  no weight
    Conv              the strided convolution                    weight (C_out, C_in/g, k…)

Every field takes a number, which holds on every axis, or a tuple with one entry an axis; paddings also take
(begin, end) pairs inside the tuple. A spec of numbers alone is one-dimensional until a size or a weight with
more axes is put to it (`per_axis`). Invalid values raise `SpecError` here, and nowhere later.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

from .errors import SpecError

Ints: TypeAlias = int | tuple[int, ...]
Pads: TypeAlias = int | tuple[int | tuple[int, int], ...]
Mode: TypeAlias = Literal["nearest", "linear", "cubic"]

REGISTRY: dict[str, type[Spec]] = {}
"""Every spec class by name: what is registered is covered by the property tests."""

_S = TypeVar("_S", bound="type[Spec]")


def register(cls: _S) -> _S:
    """Class decorator: enter a spec class in `REGISTRY`."""
    REGISTRY[cls.__name__] = cls
    return cls


class Spec:
    """What all specs share: rank, per-axis views, and validation of their fields.

    `axis_fields` names the fields that may be per-axis tuples.
    """

    axis_fields: ClassVar[tuple[str, ...]] = ()
    stride: Ints

    @property
    def rank(self) -> int:
        """Number of spatial axes: the length of the tuples, or 1 if every field is a number."""
        lengths = {f: len(v) for f in self.axis_fields if isinstance(v := getattr(self, f), tuple)}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{name} has {n}" for name, n in lengths.items())
            raise SpecError(f"{type(self).__name__}: fields name different numbers of axes: {found}")
        return next(iter(lengths.values()), 1)

    @property
    def is_scalar(self) -> bool:
        """True if every field is a number, so that the spec fits any number of axes."""
        return not any(isinstance(getattr(self, f), tuple) for f in self.axis_fields)

    def per_axis(self, rank: int | None = None) -> tuple[Any, ...]:
        """One single-axis spec of the same class for each of `rank` axes (default: the spec's own rank).

        In each, ints are ints and every padding is a (begin, end) pair in a 1-tuple.
        Raises `SpecError` if the spec names another number of axes.
        """
        own = self.rank
        rank = own if rank is None else rank
        if rank != own and not self.is_scalar:
            raise SpecError(f"{type(self).__name__} has {own} axes, but {rank} are needed here")
        out = []
        for a in range(rank):
            values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
            for name in self.axis_fields:
                value = values[name]
                value = value[a] if isinstance(value, tuple) else value
                if name == "padding" and value != "same":
                    value = (value if isinstance(value, tuple) else (value, value),)
                values[name] = value
            out.append(type(self)(**values))
        return tuple(out)

    @property
    def begin(self) -> int:
        """Padding before the first sample, of a single-axis spec."""
        return self._pads()[0]

    @property
    def end(self) -> int:
        """Padding after the last sample, of a single-axis spec."""
        return self._pads()[1]

    def _pads(self) -> tuple[int, int]:
        value = getattr(self, "padding")  # noqa: B009
        if isinstance(value, tuple):
            if len(value) != 1:
                raise SpecError(f"{type(self).__name__} has {len(value)} axes; take `per_axis()` first")
            value = value[0]
        return value if isinstance(value, tuple) else (value, value)

    def _check_ints(self, **least: int) -> None:
        for name, low in least.items():
            value = getattr(self, name)
            flat = value if isinstance(value, tuple) else (value,)
            if name not in self.axis_fields and isinstance(value, tuple):
                raise SpecError(f"{type(self).__name__}: {name} must be one int, got {value!r}")
            if not flat:
                raise SpecError(f"{type(self).__name__}: {name} is an empty tuple; give one number an axis")
            if name == "padding":
                flat = tuple(v for entry in flat for v in (entry if isinstance(entry, tuple) else (entry,)))
                if any(isinstance(e, tuple) and len(e) != 2 for e in (value if isinstance(value, tuple) else ())):
                    raise SpecError(f"{type(self).__name__}: padding {value!r} has an entry that is no pair")
            for v in flat:
                if isinstance(v, bool) or not isinstance(v, int):
                    raise SpecError(f"{type(self).__name__}: {name} must be an int or a tuple of ints, got {value!r}")
                if v < low:
                    raise SpecError(f"{type(self).__name__}: {name} must be at least {low}, got {value!r}")

    def _normalise(self) -> None:
        """Turn lists into tuples and NumPy integers into ints, so that specs hash and print plainly."""
        for name in self.axis_fields:
            object.__setattr__(self, name, _plain(getattr(self, name)))


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_plain(v) for v in value)
    return operator.index(value) if is_int(value) else value


def is_int(value: Any) -> bool:
    """True for an integer of any library, and for no bool: True is no size."""
    try:
        operator.index(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


@register
@dataclass(frozen=True)
class ConvTranspose(Spec):
    """A transposed convolution with PyTorch's meaning of every number.

    Tap t of input i lands on output n = s·i + d·t − p; H_T = s(H−1) − p_begin − p_end + d(k−1) + 1 + o.
    Weight layout (C_in, C_out/g, k…). Raises `SpecError` unless k, s, d, g ≥ 1, p ≥ 0 and 0 ≤ o < max(s, d).
    """

    kernel: Ints
    stride: Ints = 1
    padding: Pads = 0
    output_padding: Ints = 0
    dilation: Ints = 1
    groups: int = 1
    axis_fields: ClassVar[tuple[str, ...]] = ("kernel", "stride", "padding", "output_padding", "dilation")

    def __post_init__(self) -> None:
        self._normalise()
        self._check_ints(kernel=1, stride=1, padding=0, output_padding=0, dilation=1, groups=1)
        for a in range(self.rank):
            s, d, o = (_at(getattr(self, f), a) for f in ("stride", "dilation", "output_padding"))
            if o >= max(s, d):
                raise SpecError(f"output_padding {o} must be smaller than stride {s} or dilation {d}")


@register
@dataclass(frozen=True)
class ZeroInsertConv(Spec):
    """Zero insertion (s−1 zeros between neighbours, `output_padding` more after the last), then a stride-1 convolution.

    `padding` is the convolution's own, the article's p' = d(k−1) − p of the equivalent `ConvTranspose`.
    H_T = s(H−1) + 1 + o + p'_begin + p'_end − d(k−1). Weight layout (C_out, C_in/g, k…), a correlation as in PyTorch.
    """

    kernel: Ints
    stride: Ints = 1
    padding: Pads = 0
    output_padding: Ints = 0
    dilation: Ints = 1
    groups: int = 1
    axis_fields: ClassVar[tuple[str, ...]] = ("kernel", "stride", "padding", "output_padding", "dilation")

    def __post_init__(self) -> None:
        self._normalise()
        self._check_ints(kernel=1, stride=1, padding=0, output_padding=0, dilation=1, groups=1)
        self.rank  # noqa: B018  raises where the tuples disagree


@register
@dataclass(frozen=True)
class ConvPixelShuffle(Spec):
    """A stride-1 convolution to C_out·∏s channels, then a pixel shuffle by `stride` (sub-pixel convolution).

    Channel order is PyTorch's: channel c·∏s + r feeds output channel c at phase r (row-major over the axes).
    H_T = s·(H + p_begin + p_end − d(k−1)). Weight layout (C_out·∏s, C_in/g, k…).
    """

    kernel: Ints
    stride: Ints = 1
    padding: Pads = 0
    dilation: Ints = 1
    groups: int = 1
    axis_fields: ClassVar[tuple[str, ...]] = ("kernel", "stride", "padding", "dilation")

    def __post_init__(self) -> None:
        self._normalise()
        self._check_ints(kernel=1, stride=1, padding=0, dilation=1, groups=1)
        self.rank  # noqa: B018


@register
@dataclass(frozen=True)
class ResizeConv(Spec):
    """A half-pixel resize by the integer `stride`, then a stride-1 convolution with zero padding.

    `mode` is "nearest", "linear" or "cubic" (Keys' kernel with `cubic_a`, PyTorch's −0.75); the resize repeats its
    edge samples at the border, as PyTorch and ONNX do. H_T = s·H + p_begin + p_end − d(k−1).
    Weight layout (C_out, C_in/g, k…).
    """

    kernel: Ints
    stride: Ints = 1
    padding: Pads = 0
    dilation: Ints = 1
    groups: int = 1
    mode: Mode = "nearest"
    cubic_a: float = -0.75
    axis_fields: ClassVar[tuple[str, ...]] = ("kernel", "stride", "padding", "dilation")

    def __post_init__(self) -> None:
        self._normalise()
        self._check_ints(kernel=1, stride=1, padding=0, dilation=1, groups=1)
        if self.mode not in ("nearest", "linear", "cubic"):
            raise SpecError(f"ResizeConv: mode must be 'nearest', 'linear' or 'cubic', got {self.mode!r}")
        self.rank  # noqa: B018


@register
@dataclass(frozen=True)
class FirUpsample(Spec):
    """Zero insertion (s−1 zeros after every sample), padding, then one fixed FIR filter on every channel (upfirdn).

    `taps` is the one-dimensional filter that runs along each axis (a convolution: taps are flipped against the
    signal); it is scaled by s/Σtaps on each axis if `normalise`, so that a constant keeps its value.
    `padding` pads the zero-inserted signal; "same", the default, gives H_T = s·H, centred as well as integers allow.
    H_T = s·H + p_begin + p_end − (k−1).
    """

    taps: tuple[float, ...]
    stride: Ints = 2
    padding: Pads | Literal["same"] = "same"
    normalise: bool = True
    axis_fields: ClassVar[tuple[str, ...]] = ("stride", "padding")

    def __post_init__(self) -> None:
        object.__setattr__(self, "taps", tuple(float(t) for t in self.taps))
        if not self.taps:
            raise SpecError("FirUpsample: taps is empty; give at least one")
        if self.normalise and sum(self.taps) == 0:
            raise SpecError("FirUpsample: the taps add up to 0 and cannot be normalised; pass normalise=False")
        self._normalise()
        self._check_ints(stride=1)
        if self.padding != "same":
            self._check_ints(padding=0)
        self.rank  # noqa: B018

    @property
    def kernel(self) -> int:
        """Number of taps on an axis."""
        return len(self.taps)

    def _pads(self) -> tuple[int, int]:
        if self.padding != "same":
            return super()._pads()
        s = self.stride[0] if isinstance(self.stride, tuple) else self.stride
        k = len(self.taps)
        # Input 0 covers outputs begin−(k−1) … begin; their middle begin−(k−1)/2 should be the half-pixel (s−1)/2.
        begin = min((k + s - 2) // 2, k - 1)
        return begin, k - 1 - begin


@register
@dataclass(frozen=True)
class Conv(Spec):
    """A strided convolution (a correlation, as in PyTorch): the adjoint of `ConvTranspose`.

    L = ⌊(N + p_begin + p_end − d(k−1) − 1)/s⌋ + 1. Weight layout (C_out, C_in/g, k…).
    """

    kernel: Ints
    stride: Ints = 1
    padding: Pads = 0
    dilation: Ints = 1
    groups: int = 1
    axis_fields: ClassVar[tuple[str, ...]] = ("kernel", "stride", "padding", "dilation")

    def __post_init__(self) -> None:
        self._normalise()
        self._check_ints(kernel=1, stride=1, padding=0, dilation=1, groups=1)
        self.rank  # noqa: B018


def _at(value: Any, axis: int) -> Any:
    return value[axis] if isinstance(value, tuple) else value
