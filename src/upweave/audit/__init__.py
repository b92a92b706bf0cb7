"""The auditor: rules over a model's grids and layers. The module itself is the call: `upweave.audit(model, inputs)`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .config import Config, Silence, load_config
from .finding import Finding, Fix, Level
from .layer import Layer
from .report import Report
from .rule import Rule, all_rules
from .run import audit, audit_graph

__all__ = [
    "Config",
    "Finding",
    "Fix",
    "Layer",
    "Level",
    "Report",
    "Rule",
    "Silence",
    "all_rules",
    "audit",
    "audit_graph",
    "load_config",
]


class _CallableModule(ModuleType):
    """Lets `upweave.audit(...)` be a call while `upweave.audit.rules` stays a package."""

    def __call__(self, *args: Any, **kwargs: Any) -> Report:
        """The same as `upweave.audit.run.audit`."""
        return audit(*args, **kwargs)


_CallableModule.__call__.__wrapped__ = audit  # type: ignore[attr-defined]  # help() and signature() show the real one
sys.modules[__name__].__class__ = _CallableModule
