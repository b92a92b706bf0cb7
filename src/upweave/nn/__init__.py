"""Layers for PyTorch: transposed convolutions with Upweave's operator behind them.

Each name is imported from its module at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .conv_transpose import ConvTranspose1d as ConvTranspose1d
    from .conv_transpose import ConvTranspose2d as ConvTranspose2d
    from .conv_transpose import ConvTranspose3d as ConvTranspose3d
    from .lazy import LazyConvTranspose1d as LazyConvTranspose1d
    from .lazy import LazyConvTranspose2d as LazyConvTranspose2d
    from .lazy import LazyConvTranspose3d as LazyConvTranspose3d
    from .replace import Replacement as Replacement
    from .replace import replace_layers as replace_layers
    from .replace import replacements as replacements

_EXPORTS: dict[str, str] = {
    name: module
    for module, names in {
        ".conv_transpose": "ConvTranspose1d ConvTranspose2d ConvTranspose3d",
        ".lazy": "LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d",
        ".replace": "Replacement replace_layers replacements",
    }.items()
    for name in names.split()
}

__all__ = [*_EXPORTS]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_EXPORTS[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
