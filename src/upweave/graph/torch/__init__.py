"""PyTorch front end: modules, factories and `.pt2` files as a `Graph`."""

from .trace import from_torch

__all__ = ["from_torch"]
