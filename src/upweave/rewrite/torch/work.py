"""What a module does in one run: multiplications, bytes moved and weights read, of every operator that PyTorch runs.

Counted while it runs, below everything that a rewrite changes: a resize that is deferred and never made is no operator,
a folded kernel has the taps that it has, an activation in the same pass as a convolution moves nothing, and a change of
layout is a copy.

    traffic          bytes of the tensors that an operator reads and of those that it writes, each once: no cache is
                     counted, and nothing of what a kernel needs for itself. Views move nothing.
    multiplications  of convolutions and matrix products, by their definitions: of a convolution at its outputs, of a
                     transposed one at its inputs
    products         those that are made where the native core runs Winograd's way, else the same
    weights          bytes of parameters, buffers and what was derived of them that are read, each once

A convolution is counted under the name of its weight, whatever runs it; all else with the module that runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_flop

from ...ops import native
from ...ops.torch import library
from ...ops.torch.kernels import DTYPES, problem_of
from ...ops.torch.layout import is_channels_last
from ..cost import Price
from .derived import DERIVED
from .inputs import Call
from .observe import memory_of, names_of_weights, stack_of_modules

Kind: TypeAlias = Literal["convolution", "resize", "other"]

aten = torch.ops.aten

OURS = {ops.forward: ops is not library.FAST for ops in (library.CHOSEN, library.FAST, library.TRITON)}
"""Upweave's operators, and whether they are to lose no digit."""

RESIZES = frozenset(
    getattr(aten, f"{name}{rank}d") for name in ("upsample_nearest", "_upsample_nearest_exact") for rank in (1, 2, 3)
)

MAKES_ONLY = frozenset((aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty, aten.new_empty_strided))
"""What takes memory and leaves it as it is."""

WRITES_ONLY = frozenset((aten.copy_, aten.fill_, aten.zero_))
"""What does not read the tensor that it changes."""

MULTIPLIES = {aten._scaled_dot_product_flash_attention_for_cpu: sdpa_flop}
"""What PyTorch's own counter leaves out."""


@dataclass
class Work:
    """What a run did.

    Attributes:
        parts: by (name, kind of operator); the name is that of a convolution's weight, or the path of the module that
            runs. Seconds are not counted.
        products: multiplications that are made, all together.
    """

    parts: dict[tuple[str, Kind], Price] = field(default_factory=dict)
    products: int = 0

    @property
    def total(self) -> Price:
        """Everything."""
        return sum(self.parts.values(), Price())

    def of(self, name: str, kind: Kind) -> Price:
        """What the operators of a kind did by a weight, or in a module."""
        return self.parts.get((name, kind), Price())


def work_of(model: nn.Module, call: Call) -> Work:
    """What one run of the model does, without gradients, after a run that derives what is kept."""
    with torch.no_grad():
        model(*call[0], **call[1])
        with stack_of_modules(model) as stack:
            counting = _Counting(model, stack)
            with counting:
                model(*call[0], **call[1])
    return counting.work


class _Counting(TorchDispatchMode):
    """Counts every operator that is dispatched."""

    def __init__(self, model: nn.Module, stack: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stack = stack
        self.work = Work()
        self.names = names_of_weights(model)
        self.read: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        y = func(*args, **kwargs)
        self._count(func, args, kwargs, y)
        return y

    def _count(self, func: Any, args: Any, kwargs: Any, y: Any) -> None:
        op = func.overloadpacket
        read, written = _tensors(func, args, kwargs)
        if op in MAKES_ONLY or op in WRITES_ONLY:
            read = [] if op in MAKES_ONLY else read[1:]
        memory = {memory_of(t) for t in (*read, *written)}
        outputs = [t for t in torch.utils._pytree.tree_leaves(y) if isinstance(t, Tensor)]
        made = [t for t in outputs if memory_of(t) not in memory]
        if outputs and not made and not written:
            return  # a view
        kind, path = self._where(func, op, args)
        multiplies = self._multiplies(func, op, args, kwargs, y)
        moved = 0 if op in MAKES_ONLY else sum(map(_bytes, (*read, *written, *made)))
        price = Price(0.0, multiplies, moved, self._weights(read))
        self.work.parts[path, kind] = self.work.of(path, kind) + price

    def _where(self, func: Any, op: Any, args: Any) -> tuple[Kind, str]:
        if func in OURS or op is aten.convolution:
            name = self._name(memory_of(args[1]))
            return "convolution", self.stack[-1] if name is None else name
        return "resize" if op in RESIZES else "other", self.stack[-1]

    def _name(self, memory: int) -> str | None:
        """The parameter or buffer that this is, or was derived of."""
        origins = DERIVED.origins()
        for _ in range(len(origins) + 1):
            if memory in self.names:
                return self.names[memory]
            if memory not in origins:
                break
            memory = origins[memory]
        return None

    def _weights(self, read: list[Tensor]) -> int:
        total = 0
        for t in read:
            memory = memory_of(t)
            if memory not in self.read and self._name(memory) is not None:
                self.read.add(memory)
                total += _bytes(t)
        return total

    def _multiplies(self, func: Any, op: Any, args: Any, kwargs: Any, y: Any) -> int:
        if func in OURS:
            count, products = _ours(OURS[func], *args)
            self.work.products += products
            return count
        formula = MULTIPLIES.get(op) or flop_registry.get(op)
        count = 0 if formula is None else int(formula(*args, **kwargs, out_val=y)) // 2
        self.work.products += count
        return count


def _tensors(func: Any, args: Any, kwargs: Any) -> tuple[list[Tensor], list[Tensor]]:
    """(what an operator reads, what it changes): what is changed in place is both, what is only written to is not."""
    read: dict[int, Tensor] = {}
    written: dict[int, Tensor] = {}
    for n, argument in enumerate(func._schema.arguments):
        value = args[n] if n < len(args) else kwargs.get(argument.name)
        changes = argument.alias_info is not None and argument.alias_info.is_write
        for t in torch.utils._pytree.tree_leaves(value):
            if isinstance(t, Tensor):
                if changes:
                    written[id(t)] = t
                if not argument.is_out:
                    read[id(t)] = t
    return list(read.values()), list(written.values())


def _bytes(t: Tensor) -> int:
    """Bytes of memory that a tensor covers: what is broadcast is there once."""
    if t.layout is not torch.strided:
        return t.numel() * t.element_size()
    return prod(n for n, s in zip(t.shape, t.stride(), strict=True) if s or n == 0) * t.element_size()


def _ours(precise: bool, x: Tensor, weight: Tensor, bias: Tensor | None, *numbers: Any) -> tuple[int, int]:
    """(multiplications by definition, products made) of a call of one of Upweave's operators."""
    stride, padding, output_padding, groups, dilation, *_ = numbers
    shape = None if bias is None else tuple(bias.shape)
    p = problem_of(
        tuple(x.shape), tuple(weight.shape), shape, tuple(stride), tuple(padding), tuple(output_padding), groups,
        tuple(dilation),
    )  # fmt: skip
    # Of stride 1 it is an ordinary convolution with a flipped kernel, and counted as one: at its outputs.
    count = x.shape[0] * prod(p.out) * weight.numel() if set(stride) == {1} else p.multiplies
    if not (x.is_cpu and x.dtype in DTYPES and native.available()):
        return count, count
    saved = native.saved(p, DTYPES[x.dtype], is_channels_last(x), precise)
    return count, count if saved == 1 else round(p.multiplies / saved)
