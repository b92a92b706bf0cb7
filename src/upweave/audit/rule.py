"""What a rule is, and the registry that all of them enter.

A rule is a class in a module of its own under `audit/rules/`. Its docstring is its manual, with the headings
"What it finds", "Why it is bad", "Example", "Use instead", "Fix safety" and "References"; `upweave explain` and the
site print it. Its `check` is a generator over one audited model.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from .context import Context
from .finding import Finding, Fix, Level

RULES: dict[str, type[Rule]] = {}


class Rule(ABC):
    """Base of all rules. Subclasses set `code`, `name`, `level`, `summary` and write `check`."""

    code: ClassVar[str]
    name: ClassVar[str]
    level: ClassVar[Level] = Level.WARNING
    summary: ClassVar[str]
    needs_weights: ClassVar[bool] = False
    needs_topology: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.code in RULES:
            raise TypeError(f"{cls.__name__} and {RULES[cls.code].__name__} are both {cls.code}")
        RULES[cls.code] = cls

    @abstractmethod
    def check(self, context: Context) -> Iterator[Finding]:
        """The findings of this rule in one model."""

    def finding(
        self,
        layer: str,
        message: str,
        *,
        evidence: dict[str, Any] | None = None,
        fix: Fix | None = None,
        level: Level | None = None,
        where: str | None = None,
        node: str = "",
    ) -> Finding:
        """A finding of this rule."""
        return Finding(
            self.code,
            self.name,
            self.level if level is None else level,
            layer,
            message,
            evidence or {},
            fix,
            where,
            node,
        )


def all_rules() -> dict[str, type[Rule]]:
    """Every rule by code, in order of code; importing the modules of `audit/rules/` registers them."""
    from . import rules

    for module in pkgutil.iter_modules(rules.__path__):
        importlib.import_module(f"{rules.__name__}.{module.name}")
    return dict(sorted(RULES.items()))
