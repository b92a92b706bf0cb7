"""Which calls need nothing of PyTorch's dispatcher: it costs more than a small convolution takes.

Between an operator and its kernel on the CPU stand autograd, modes that watch or rewrite every operator, transforms of
`torch.func`, the profiler, and tensors that are more than memory (fake, negated, subclasses). Where none of them is
there, the kernel is called directly.
"""

from __future__ import annotations

import torch
from torch._C import (
    DispatchKey,
    DispatchKeySet,
    _dispatch_keys,
    _dispatch_tls_local_include_set,
    _len_torch_function_stack,
)
from torch._C._autograd import _profiler_enabled


def _keys(*keys: DispatchKey) -> int:
    found = DispatchKeySet(keys[0])
    for key in keys[1:]:
        found = found | DispatchKeySet(key)
    return found.raw_repr()


_INFERENCE = _keys(DispatchKey.CPU, DispatchKey.AutocastCPU)
_ORDINARY = _INFERENCE | _keys(DispatchKey.ADInplaceOrView, DispatchKey.AutogradCPU)
_MEMORY = frozenset({_INFERENCE, _ORDINARY})
"""The keys of a tensor on the CPU that is its memory and nothing else, made in inference mode or outside of it."""

_QUIET = frozenset({_keys(DispatchKey.BackendSelect), _keys(DispatchKey.BackendSelect, DispatchKey.ADInplaceOrView)})
"""The keys that the thread adds to every call, in inference mode or outside of it, if no mode or transform does."""


def is_plain(*tensors: torch.Tensor | None) -> bool:
    """True if an operator on these tensors is its kernel and nothing else, but for autograd and autocast.

    Not for use while a graph is being compiled.
    """
    for tensor in tensors:
        if tensor is not None and _dispatch_keys(tensor).raw_repr() not in _MEMORY:
            return False
    return (
        _dispatch_tls_local_include_set().raw_repr() in _QUIET
        and not _len_torch_function_stack()
        and not _profiler_enabled()
        and torch._C._get_tracing_state() is None
    )
