"""PyTorch front end: modules, factories and `.pt2` files as a `Graph`. The only part of graph/ that imports torch."""

from .pt2 import from_pt2
from .target import parse_args, resolve_target
from .trace import from_torch

__all__ = ["from_pt2", "from_torch", "parse_args", "resolve_target"]
