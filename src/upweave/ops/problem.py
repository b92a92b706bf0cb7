"""One transposed convolution bound to shapes: what a plan is made for and a kernel is run on.

A `Problem` is a `ConvTranspose` spec that met an input and a weight. It is where shapes are checked, once, for every
backend; behind it every number fits.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from ..errors import SpecError
from ..spec import ConvTranspose, Ints, is_int

LARGEST = (2**63 - 1) // 16
"""No tensor here may have more elements than this, so that no offset in bytes overflows 64 bits, whatever the dtype."""

LONGEST = 2**31 - 1
"""No axis, stride, dilation or padding may exceed this, so that s·H, d·k and their sums stay far from 64 bits."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A transposed convolution with every number known; one entry an axis in each tuple, 1 to 3 axes.

    Input (batch, c_in, *size), weight (c_in, c_out/groups, *kernel), output (batch, c_out, *out).
    """

    batch: int
    c_in: int
    c_out: int
    groups: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    out: tuple[int, ...]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = (
            self.batch, self.c_in, self.c_out, self.groups, self.size, self.kernel, self.stride, self.padding,
            self.output_padding, self.dilation, self.out,
        )  # fmt: skip
        object.__setattr__(self, "_hash", hash(numbers))

    def __hash__(self) -> int:
        return self._hash  # a call looks up three things by its problem

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.size)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input, batch and channels first."""
        return (self.batch, self.c_in, *self.size)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight, (C_in, C_out/g, k…)."""
        return (self.c_in, self.c_out // self.groups, *self.kernel)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output, batch and channels first."""
        return (self.batch, self.c_out, *self.out)

    @property
    def multiplies(self) -> int:
        """Multiplications of the definition: batch · C_in · C_out/g · ∏k · ∏H."""
        return math.prod((self.batch, self.c_in, self.c_out // self.groups, *self.kernel, *self.size))


def problem(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    bias_shape: Sequence[int] | None = None,
    *,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Problem:
    """The problem of a batched input and a weight; `SpecError` names the numbers that do not fit together.

    `input_shape` is (N, C_in, *size) with one to three spatial axes and a batch that may be empty; each hyper-parameter
    is one number, which holds on every axis, or has one entry an axis.
    H_T = s(H−1) − 2p + d(k−1) + 1 + o on each axis (the article, output size).
    """
    return _cached(
        tuple(input_shape), tuple(weight_shape), None if bias_shape is None else tuple(bias_shape),
        _plain(stride, "stride"), _plain(padding, "padding"), _plain(output_padding, "output_padding"),
        _plain(groups, "groups"), _plain(dilation, "dilation"),
    )  # fmt: skip


def uncached_problem(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    bias_shape: Sequence[int] | None = None,
    *,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Problem:
    """The same as `problem`, for tracers: torch.compile sees through a cache, and warns of each that it meets."""
    return _check(
        tuple(input_shape), tuple(weight_shape), None if bias_shape is None else tuple(bias_shape),
        _plain(stride, "stride"), _plain(padding, "padding"), _plain(output_padding, "output_padding"),
        _plain(groups, "groups"), _plain(dilation, "dilation"),
    )  # fmt: skip


def is_exact(value: object) -> bool:
    """True for an int, or a tuple of ints, and no other kind of number: 1, 1.0 and True are equal."""
    return type(value) is int or (type(value) is tuple and {*map(type, value)} == {int})


def _plain(value: Ints, name: str) -> Ints:
    """`value` as an int or a tuple of ints: to the cache below 1, 1.0 and True would be the same key."""
    if is_exact(value):
        return value
    if is_int(value):
        return operator.index(value)  # type: ignore[arg-type]
    if not isinstance(value, Iterable) or not all(map(is_int, many := list(value))):
        raise SpecError(f"{name} must be an int or a tuple of ints, got {value!r}")
    return tuple(map(operator.index, many))


class _Layer(NamedTuple):
    """A weight and numbers that fit together: a problem but for its input, with an entry an axis in each tuple."""

    c_out: int
    groups: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    first: tuple[int, ...]
    """Outputs of one sample, or less than none where the padding takes more: each further one adds a stride."""


def _layer(
    rank: int,
    weight_shape: tuple[int, ...],
    bias_shape: tuple[int, ...] | None,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: Ints,
    dilation: Ints,
) -> _Layer:
    if min(weight_shape) < 1:
        raise SpecError(f"a weight of shape {weight_shape} is empty")
    c_in, per_group, *extent = weight_shape
    k = tuple(extent)
    s = _every_axis(stride, "stride", rank)
    p = _every_axis(padding, "padding", rank)
    o = _every_axis(output_padding, "output_padding", rank)
    d = _every_axis(dilation, "dilation", rank)
    for name, value in (("stride", s), ("padding", p), ("dilation", d)):
        if max(value) > LONGEST:
            raise SpecError(f"{name} {value} is more than {LONGEST}")
    if not isinstance(groups, int):
        raise SpecError(f"groups must be one int, got {groups!r}")
    ConvTranspose(k, s, p, o, d, groups)  # of the hyper-parameters are checked there, and only there
    if c_in % groups:
        raise SpecError(f"{c_in} input channels do not split into {groups} groups")
    if bias_shape is not None and bias_shape != (per_group * groups,):
        raise SpecError(f"a bias of shape {bias_shape} does not fit {per_group * groups} output channels")
    _must_be_addressable("weight", weight_shape)
    first = tuple(d[a] * (k[a] - 1) + 1 + o[a] - 2 * p[a] for a in range(rank))
    return _Layer(per_group * groups, groups, k, s, p, o, d, first)


def _check(
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    bias_shape: tuple[int, ...] | None,
    *numbers: Ints,
    layer: Callable[..., _Layer] = _layer,
) -> Problem:
    rank = len(input_shape) - 2
    if not 1 <= rank <= 3:
        raise SpecError(f"an input of shape {input_shape} has {max(rank, 0)} spatial axes; 1, 2 or 3 are possible")
    if len(weight_shape) != rank + 2:
        raise SpecError(
            f"a weight of shape {weight_shape} does not fit an input of shape {input_shape}: "
            f"it needs {rank + 2} axes (C_in, C_out/groups, and {rank} of the kernel)"
        )
    if min(input_shape[1:]) < 1 or input_shape[0] < 0:
        raise SpecError(f"an input of shape {input_shape} is empty; only the batch may be 0")
    c_out, groups, k, s, p, o, d, first = layer(rank, weight_shape, bias_shape, *numbers)
    batch, c_in, *extent = input_shape
    if c_in != weight_shape[0]:
        raise SpecError(f"the input has {c_in} channels, the weight of shape {weight_shape} reads {weight_shape[0]}")
    size = tuple(extent)
    out = tuple([s[a] * (size[a] - 1) + first[a] for a in range(rank)])
    if min(out) < 1:
        raise SpecError(
            f"an input of size {size} gives an output of size {out} with kernel {k}, stride {s}, "
            f"padding {p}, output_padding {o}, dilation {d}; every axis needs at least 1"
        )
    found = Problem(batch, c_in, c_out, groups, size, k, s, p, o, d, out)
    _must_be_addressable("input", input_shape)
    _must_be_addressable("output", found.output_shape)
    return found


def _must_be_addressable(what: str, shape: tuple[int, ...]) -> None:
    elements = 1
    for n in shape:
        elements *= max(n, 1)  # an empty batch hides nothing: strides are made of the other axes
    if elements > LARGEST or max(shape) > LONGEST:
        raise SpecError(f"the {what} would have shape {shape}, which is more than can be addressed")


_layers = lru_cache(maxsize=1024)(_layer)


@lru_cache(maxsize=4096)
def _cached(*arguments: Any) -> Problem:
    return _check(*arguments, layer=_layers)


def _every_axis(value: Ints, name: str, rank: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * rank
    if len(value) == 1:
        return value * rank
    if len(value) != rank:
        raise SpecError(f"{name} {value} has {len(value)} entries; the input has {rank} spatial axes")
    return value
