"""The score of periodic artifacts in signals, pictures and volumes; each name loads its module at first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .attribute import Attribution as Attribution
    from .attribute import LayerShare as LayerShare
    from .attribute import attribution as attribution
    from .files import FileError as FileError
    from .files import score_file as score_file
    from .measure import artifact_energy as artifact_energy
    from .measure import score as score
    from .result import ArtifactScore as ArtifactScore

_EXPORTS: dict[str, str] = {
    name: module
    for module, names in {
        ".measure": "score artifact_energy",
        ".result": "ArtifactScore",
        ".attribute": "attribution Attribution LayerShare",
        ".files": "score_file FileError",
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
