"""The reference covers what is public: each exported name belongs to a module or an object that a page documents."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import Any

import pytest

import upweave
import upweave.nn

from .pages import ROOT

DOCUMENTED = {
    name
    for page in ROOT.glob("docs/api/*.md")
    for name in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)
}


def home(value: Any) -> str:
    """The full name of a public object, by the module that defines it."""
    return f"{value.__module__}.{value.__qualname__}"


def documented(name: str) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:n]) in DOCUMENTED for n in range(1, len(parts) + 1))


def public(module: ModuleType) -> dict[str, Any]:
    found = {name: getattr(module, name) for name in module.__all__ if not name.startswith("_")}
    return {n: v for n, v in found.items() if not inspect.ismodule(v) and hasattr(v, "__qualname__")}


@pytest.mark.parametrize("module", [upweave, upweave.nn], ids=lambda m: m.__name__)
def test_every_public_name_is_documented(module: ModuleType) -> None:
    names = public(module)
    assert len(names) > 20
    missing = {name: home(value) for name, value in names.items() if not documented(home(value))}
    assert not missing, missing


def test_directives_name_what_exists() -> None:
    for name in sorted(DOCUMENTED):
        module, _, attribute = name.rpartition(".")
        try:
            __import__(name)
        except ModuleNotFoundError:
            assert hasattr(__import__(module, fromlist=[attribute]), attribute), name


def test_what_is_not_documented_is_noticed() -> None:
    assert documented("upweave.theory.sizes.output_size")
    assert not documented("upweave.audit.plain.anything")
