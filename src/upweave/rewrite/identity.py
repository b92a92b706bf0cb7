"""What an identity is, what it proposes, and the registry that all of them enter.

An identity is a class in a module of its own under `rewrite/identities/`. Its docstring is its manual, with the
headings "What it matches", "Precondition", "New weights", "Cost", "Safety" and "References". It looks at a `View` of a
graph and proposes `Replacement`s, or says with a `Refusal` why what looks like its pattern is left alone. Whether a
replacement pays is decided elsewhere (`cost.py`, `engine.py`).
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from ..errors import ConfigError
from ..graph.ir import Node, Shape
from .view import View

Safety: TypeAlias = Literal["safe", "unsafe"]
Purpose: TypeAlias = Literal["speed", "portability", "training", "repair"]

IDENTITIES: dict[str, type[Identity]] = {}


@dataclass(frozen=True)
class Replacement:
    """A piece of a graph and what takes its place.

    Attributes:
        identity: the name of the identity.
        path: the layer that it is about, as the user knows it.
        removed: names of the nodes that go. What only they read goes with them.
        added: the nodes that come, in topological order; they write every value that the rest of the graph still reads.
            A node of the old name and kind with other inputs or outputs is the old one, moved.
        shapes: the shapes of values that are new.
        reason: what was done, in words.
        safety: "safe" if the outputs stay the same up to rounding.
    """

    identity: str
    path: str
    removed: tuple[str, ...]
    added: tuple[Node, ...]
    shapes: Mapping[str, Shape] = field(compare=False)
    reason: str = ""
    safety: Safety = "safe"


@dataclass(frozen=True)
class Refusal:
    """A place that an identity matches and leaves alone, with the reason."""

    identity: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.identity} not applied: {self.reason}"


Proposal: TypeAlias = "Replacement | Refusal"


class Identity(ABC):
    """Base of all identities. Subclasses set `name`, `summary`, and write `find`.

    `purpose` says what it is for: "speed" is applied where the cost model says that it pays, "portability" where it
    matches, "training" and "repair" when it is asked for by name. `answers` are the audit's codes that it repairs.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    purpose: ClassVar[Purpose] = "speed"
    safety: ClassVar[Safety] = "safe"
    answers: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.name in IDENTITIES:
            raise TypeError(f"{cls.__name__} and {IDENTITIES[cls.name].__name__} are both {cls.name}")
        IDENTITIES[cls.name] = cls

    @abstractmethod
    def find(self, view: View) -> Iterator[Proposal]:
        """What this identity can do in one graph."""

    def replacement(
        self, path: str, removed: Iterable[Node], added: Iterable[Node], shapes: Mapping[str, Shape], reason: str
    ) -> Replacement:
        """A replacement by this identity."""
        return Replacement(
            self.name, path, tuple(n.name for n in removed), tuple(added), dict(shapes), reason, self.safety
        )

    def refusal(self, path: str, reason: str) -> Refusal:
        """A refusal by this identity."""
        return Refusal(self.name, path, reason)


def all_identities() -> dict[str, type[Identity]]:
    """Every identity by name; importing the modules of `rewrite/identities/` registers them."""
    from . import identities

    for module in pkgutil.iter_modules(identities.__path__):
        importlib.import_module(f"{identities.__name__}.{module.name}")
    return dict(sorted(IDENTITIES.items()))


def choose(select: Iterable[str] | None, ignore: Iterable[str] = (), *, purposes: Iterable[Purpose]) -> tuple[str, ...]:
    """The names of the identities to try.

    `select` and `ignore` are names, audit codes or prefixes of such codes; without `select`, the safe identities of the
    given purposes. Raises `ConfigError` for what names nothing.
    """
    known = all_identities()
    if select is None:
        wanted = set(purposes)
        chosen = [n for n, i in known.items() if i.purpose in wanted and i.safety == "safe"]
    else:
        chosen = [n for s in select for n in _named(s, known)]
    left_out = {n for s in ignore for n in _named(s, known)}
    return tuple(n for n in dict.fromkeys(chosen) if n not in left_out)


def _named(text: str, known: Mapping[str, type[Identity]]) -> list[str]:
    if text.lower() in known:
        return [text.lower()]
    if text.upper().startswith("UW"):
        found = [n for n, i in known.items() if any(c.startswith(text.upper()) for c in i.answers)]
        if found:
            return found
        raise ConfigError(f"no rewrite answers {text.upper()}; there are {', '.join(known)}")
    near = difflib.get_close_matches(text.lower(), known, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    raise ConfigError(f"no rewrite is called '{text}'; {hint}")
