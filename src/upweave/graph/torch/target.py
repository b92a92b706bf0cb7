"""`package.module:factory` to a module."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from ...errors import ModelError
from .export import quiet
from .record import first_line


def resolve_target(
    target: str, args: Mapping[str, Any] | None = None, device: Literal["cpu", "meta"] = "cpu"
) -> nn.Module:
    """Import `package.module`, call `factory(**args)`, and return the module it builds.

    The module is looked for in the current folder first, then on sys.path; `factory` may be dotted, and may be a
    module that is already built. On "meta" the model is built without numbers: fast, but rules about weights are
    silent. Raises `ModelError`, in one line, if anything on the way fails.
    """
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        raise ModelError(f"{target!r} is no model; write package.module:factory, model.onnx or model.pt2")
    found: Any = _import(module_name)
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ModelError(f"{module_name} has no {attribute!r}; {_offer(found)}")
        found = getattr(found, name)
    model = found if isinstance(found, nn.Module) else _build(target, found, dict(args or {}), device)
    if not isinstance(model, nn.Module):
        raise ModelError(f"{target} gives a {type(model).__name__}, not a torch.nn.Module")
    return model


def parse_args(items: list[str]) -> dict[str, Any]:
    """["channels=64", "mode=fast"] as {"channels": 64, "mode": "fast"}: Python literals, else strings."""
    parsed: dict[str, Any] = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals or not name.isidentifier():
            raise ModelError(f"--arg {item!r} is not of the form name=value")
        try:
            parsed[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            parsed[name] = text
    return parsed


def _import(name: str) -> Any:
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(missing + "."):
            raise ModelError(f"there is no module {missing!r} in this folder or on the Python path") from None
        raise ModelError(f"{name} needs the module {missing!r}, which is not installed") from None
    except BaseException as error:  # an import may run anything, sys.exit included
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ModelError(f"importing {name} failed: {first_line(error)}") from error
    finally:
        if added:
            sys.path.remove(here)


def _build(target: str, factory: Any, args: dict[str, Any], device: str) -> Any:
    if not callable(factory):
        raise ModelError(f"{target} is a {type(factory).__name__}; give a function or class that builds the model")
    try:
        with torch.device(device), quiet():
            return factory(**args)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        called = ", ".join(f"{k}={v!r}" for k, v in args.items())
        raise ModelError(f"{target.partition(':')[2]}({called}) raised {first_line(error)}") from error


def _offer(found: Any) -> str:
    names = (
        [n for n, v in vars(found).items() if isinstance(v, type) and issubclass(v, nn.Module)]
        if hasattr(found, "__dict__")
        else []
    )
    return f"it has {', '.join(sorted(names)[:6])}" if names else "check the spelling"
