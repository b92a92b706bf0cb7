"""Example inputs from what the user gave: shapes become tensors on the model's own device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ...errors import ModelError

_SAY = 'give each input as a shape (1, 3, 64, 64), as ("int64", (1, 77)), or as a tensor'


def example_inputs(model: nn.Module, inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments for the model's forward.

    `inputs` is a tuple or list of specifications, a dict of them for keyword arguments, or a single one. A
    specification is a tensor, a shape (ints), a pair (dtype name, shape), or None, a bool, number or string that is
    passed as it is; lists and dicts of specifications nest. Shapes become zeros of the model's first floating dtype
    on its device. Raises `ModelError` for anything else.
    """
    device, dtype = _home(model)
    if isinstance(inputs, Mapping):
        return (), {str(k): _value(v, device, dtype) for k, v in inputs.items()}
    if isinstance(inputs, torch.Tensor) or _is_shape(inputs) or _is_typed(inputs):
        return (_value(inputs, device, dtype),), {}
    if not isinstance(inputs, (tuple, list)):
        raise ModelError(f"the inputs are {inputs!r}; {_SAY}")
    return tuple(_value(v, device, dtype) for v in inputs), {}


def _value(spec: Any, device: torch.device, dtype: torch.dtype) -> Any:
    if isinstance(spec, torch.Tensor) or spec is None or isinstance(spec, (bool, int, float, str)):
        return spec
    if _is_shape(spec):
        return _zeros(tuple(spec), device, dtype)
    if _is_typed(spec):
        named = getattr(torch, spec[0], None)
        if not isinstance(named, torch.dtype):
            raise ModelError(f"{spec[0]!r} is no dtype of torch; {_SAY}")
        return _zeros(tuple(spec[1]), device, named)
    if isinstance(spec, Mapping):
        return {k: _value(v, device, dtype) for k, v in spec.items()}
    if isinstance(spec, (list, tuple)) and len(spec):
        return type(spec)(_value(v, device, dtype) for v in spec)
    raise ModelError(f"an input is {spec!r}; {_SAY}")


def _zeros(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    if any(extent < 1 for extent in shape):
        raise ModelError(f"the input shape {shape} has an extent below 1; {_SAY}")
    return torch.zeros(shape, device=device, dtype=dtype)


def _is_shape(spec: Any) -> bool:
    return isinstance(spec, (tuple, list)) and len(spec) > 0 and all(type(v) is int for v in spec)


def _is_typed(spec: Any) -> bool:
    return isinstance(spec, (tuple, list)) and len(spec) == 2 and isinstance(spec[0], str) and _is_shape(spec[1])


def _home(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device of the model's first parameter or buffer, dtype of its first floating one."""
    tensors = [*model.parameters(), *model.buffers()]
    device = tensors[0].device if tensors else torch.device("cpu")
    dtype = next((t.dtype for t in tensors if t.is_floating_point() and t.element_size() > 1), torch.float32)
    return device, dtype
