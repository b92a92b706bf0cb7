"""Rewrites of PyTorch modules: resizes deferred until a convolution consumes them, and what else makes them faster.

Importing this package makes `torch.compile(model, backend="upweave")` known; an installed Upweave is found without.
"""

from .accelerate import accelerate
from .backend import register
from .fix import fix

register()

__all__ = ["accelerate", "fix"]
