"""Rewrites of PyTorch modules: resizes deferred until a convolution consumes them, and what else makes them faster.

`torch.compile(model, backend="upweave")` is found by its entry point, without an import.
"""

from .accelerate import accelerate
from .fix import fix

__all__ = ["accelerate", "fix"]
