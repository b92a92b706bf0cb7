"""From the TARGET of a command line to what `upweave.audit` takes."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelError

FILES = (".onnx", ".pt2")


def load(target: str, args: Mapping[str, Any], device: str, *, show_traceback: bool = False) -> Any:
    """A path for a model file, or the module that the factory of `package.module:factory` makes.

    Raises `ModelError` if there is no such file or factory, if it raises, or if it makes something else.
    """
    module_name, colon, attribute = target.partition(":")
    looks_like_file = target.lower().endswith(FILES) or Path(target).exists()
    if looks_like_file or not colon:
        if args:
            raise ModelError(f"--arg is for factories; '{target}' is a file")
        return _file(target)
    dotted = (module_name.split("."), attribute.split("."))
    if not all(p.isidentifier() for part in dotted for p in part):
        raise ModelError(f"'{target}' is no 'package.module:factory'")
    with user_code(target, show_traceback):
        found = _find(module_name, attribute, target)
        return _build(found, target, args, device)


def _file(target: str) -> Path:
    path = Path(target)
    if path.is_dir():
        raise ModelError(f"'{target}' is a folder, not a model; name a .onnx or .pt2 file or package.module:factory")
    if path.suffix.lower() not in FILES:
        if path.exists():
            raise ModelError(f"'{target}' is not a model that Upweave reads; it reads .onnx, .pt2 and package.module:factory")
        if path.suffix or os.sep in target:
            raise ModelError(f"there is no file '{target}'")
        raise ModelError(f"'{target}' is neither a file nor a factory; write package.module:factory")
    if not path.exists():
        raise ModelError(f"there is no file '{target}'")
    if not path.is_file():
        raise ModelError(f"'{target}' is not a plain file")
    if not os.access(path, os.R_OK):
        raise ModelError(f"'{target}' cannot be read: permission denied")
    return path


def _find(module_name: str, attribute: str, target: str) -> Any:
    cwd = os.getcwd()
    if cwd not in sys.path and "" not in sys.path:
        sys.path.insert(0, cwd)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as e:
        if e.name and (module_name == e.name or module_name.startswith(f"{e.name}.")):
            raise ModelError(f"there is no module '{module_name}' here or on the Python path") from e
        raise
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ModelError(f"'{target}': {getattr(found, '__name__', module_name)} has no '{name}'")
        found = getattr(found, name)
    return found


def _build(found: Any, target: str, args: Mapping[str, Any], device: str) -> Any:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(found, torch.nn.Module):
        if args:
            raise ModelError(f"--arg is for factories; '{target}' is a module already")
        return found
    if not callable(found):
        raise ModelError(f"'{target}' is a {type(found).__name__}, not a factory or a torch.nn.Module")
    if torch is None and device != "cpu":
        torch = importlib.import_module("torch")
    with torch.device(device) if torch is not None and device != "cpu" else contextlib.nullcontext():
        model = found(**args)
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        raise ModelError(f"'{target}' returned a {type(model).__name__}, not a torch.nn.Module")
    return model.eval()


@contextlib.contextmanager
def user_code(target: str, show_traceback: bool) -> Iterator[None]:
    """Turns whatever other people's code raises into a `ModelError` of one line, and keeps its prints off our output."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (ModelError, KeyboardInterrupt):
        raise
    except BaseException as e:  # a factory may even call sys.exit
        if show_traceback:
            traceback.print_exc(file=sys.stderr)
        said = next((line.strip() for line in str(e).splitlines() if line.strip()), "")
        hint = "" if show_traceback else " (--traceback shows where)"
        raise ModelError(f"'{target}' raised {type(e).__name__}{': ' + said if said else ''}{hint}") from e
