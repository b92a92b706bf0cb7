"""Where in the user's model and in whose source file an operation stands."""

from __future__ import annotations

import inspect
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import fx, nn


class Places:
    """Module path and class location of traced nodes; `model` is None where the classes are not at hand (.pt2)."""

    def __init__(self, model: nn.Module | None) -> None:
        self._modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False)) if model else {}

    def path(self, node: fx.Node) -> str:
        """Dotted path of the innermost module that was running, "" for the model itself."""
        stack = node.meta.get("nn_module_stack") or {}
        return clean_path(next(reversed(stack.values()))[0]) if stack else ""

    def where(self, path: str) -> str | None:
        """ "file.py:line" of the innermost class around `path` that is not one of torch's own."""
        while True:
            module = self._modules.get(path)
            if module is not None and not type(module).__module__.startswith("torch.nn."):
                return class_location(type(module))  # type: ignore[arg-type]
            if not path:
                return None
            path = path.rpartition(".")[0]


def clean_path(path: str) -> str:
    """The dotted path as the user would write it: without "L['self']." and the marks of repeated calls."""
    path = re.sub(r"^L\['self'\]\.?|^L__self__\.?", "", path)
    path = re.sub(r"\._modules\[['\"]?(\w+)['\"]?\]", r".\1", path)
    return re.sub(r"@\d+", "", path)


@lru_cache(maxsize=4096)
def class_location(cls: type[Any]) -> str | None:
    """ "package/module.py:line" of a class, relative to the folder its package stands in; None if it has no source."""
    try:
        file = inspect.getsourcefile(cls)
        line = inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):
        return None
    if file is None:
        return None
    path = Path(file)
    parts = cls.__module__.split(".")
    depth = len(parts) if path.name != "__init__.py" else len(parts) + 1
    short = Path(*path.parts[-depth:]) if cls.__module__ != "__main__" else Path(path.name)
    return f"{short.as_posix()}:{line}"
