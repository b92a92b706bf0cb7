"""The example inputs of a model, others like them, and its outputs as named arrays."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ...errors import ModelError

Call: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
"""(args, kwargs) of a model's forward."""


def as_call(example_inputs: Any) -> Call:
    """A tensor is the only argument, a tuple or list the positional ones, a dict those by name."""
    if isinstance(example_inputs, dict):
        return (), dict(example_inputs)
    if isinstance(example_inputs, (tuple, list)):
        return tuple(example_inputs), {}
    return (example_inputs,), {}


def mapped(call: Call, f: Any) -> Call:
    """The call with `f` applied to its floating-point tensors."""
    args, kwargs = torch.utils._pytree.tree_map_only(
        Tensor, lambda t: f(t) if t.is_floating_point() else t, (call[0], call[1])
    )
    return args, kwargs


def random_like(call: Call, seed: int, size: Any = None) -> Call:
    """Numbers of the same mean and spread from another seed; `size` maps the extents behind batch and channels.

    Integers stay: they may be indices.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(t: Tensor) -> Tensor:
        shape = list(t.shape)
        if size is not None and t.dim() > 2:
            shape[2:] = [size(n) for n in shape[2:]]
        wide = t.detach().double()
        spread = float(wide.std()) if t.numel() > 1 else 1.0
        centre = float(wide.mean()) if t.numel() else 0.0
        numbers = torch.randn(shape, generator=generator, dtype=torch.float64) * spread + centre
        return numbers.to(t.dtype).to(t.device)

    return mapped(call, draw)


def is_resizable(call: Call) -> bool:
    """True if some floating-point tensor has more than batch and channels."""
    leaves = torch.utils._pytree.tree_leaves(call)
    return any(isinstance(t, Tensor) and t.is_floating_point() and t.dim() > 2 for t in leaves)


def run(model: nn.Module, call: Call) -> dict[str, Any]:
    """The outputs by name, as arrays, without gradients."""
    with torch.no_grad():
        y = model(*call[0], **call[1])
    found: dict[str, Any] = {}
    _name(y, "output", found)
    if not found:
        raise ModelError(f"the model returned a {type(y).__name__} without tensors in it")
    return found


def _name(value: Any, name: str, found: dict[str, Any]) -> None:
    if isinstance(value, Tensor):
        t = value.detach().cpu()
        found[name] = (t.float() if t.dtype is torch.bfloat16 else t).numpy()
    elif isinstance(value, dict):
        for key, v in value.items():
            _name(v, f"{name}[{key!r}]", found)
    elif isinstance(value, (tuple, list)):
        for n, v in enumerate(value):
            _name(v, f"{name}[{n}]", found)
    elif is_dataclass(value) and not isinstance(value, type):
        for f in fields(value):
            _name(getattr(value, f.name), f"{name}.{f.name}", found)


def dtype_of(model: nn.Module, call: Call) -> str:
    """The dtype that the model computes in: of its first floating-point parameter, else input."""
    tensors = [*model.parameters(), *torch.utils._pytree.tree_leaves(call)]
    for t in tensors:
        if isinstance(t, Tensor) and t.is_floating_point():
            return str(t.dtype).removeprefix("torch.")
    return "float32"
