"""A user's model, lent for a while and given back as it was."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from torch import nn

_TABLES = ("_parameters", "_buffers", "_modules")


@contextmanager
def evaluation(model: nn.Module) -> Generator[None]:
    """Every module in evaluation mode inside, and with its own mode and attributes again afterwards.

    Models keep tensors in attributes while they run (caches of positions and masks); the fake ones of a traced run must
    not stay behind.
    """
    saved = [(m, dict(m.__dict__), {t: dict(m.__dict__[t]) for t in _TABLES}) for m in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, attributes, tables in saved:
            module.__dict__.clear()
            module.__dict__.update(attributes)
            for name, table in tables.items():
                module.__dict__[name].clear()
                module.__dict__[name].update(table)
