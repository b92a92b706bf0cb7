"""The TARGET of a command line, and what may go wrong while it is read."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from ..errors import ModelError

FILES = (".onnx", ".pt2")


def check(target: str) -> None:
    """Raise `ModelError` where the name alone shows that there is nothing to read."""
    if not target:
        raise ModelError("the target is empty; name a .onnx or .pt2 file, or package.module:factory")
    module, colon, attribute = target.partition(":")
    path = Path(target)
    if path.suffix.lower() not in FILES and not path.exists():
        if colon and all(p.isidentifier() for p in (*module.split("."), *attribute.split("."))):
            return
        if colon or not (path.suffix or os.sep in target):
            raise ModelError(f"'{target}' is neither a file nor package.module:factory")
    if path.is_dir():
        raise ModelError(f"'{target}' is a folder; name a .onnx or .pt2 file, or package.module:factory")
    if not path.exists():
        raise ModelError(f"there is no file '{target}'")
    if not path.is_file():
        raise ModelError(f"'{target}' is not a plain file")
    if not os.access(path, os.R_OK):
        raise ModelError(f"'{target}' cannot be read: permission denied")


def is_file(target: str) -> bool:
    """True for a model file, False for a factory."""
    return Path(target).suffix.lower() in FILES or Path(target).exists()


@contextlib.contextmanager
def reading(target: str, *, show_traceback: bool = False) -> Iterator[None]:
    """Turn whatever other people's code raises into a `ModelError` of one line, and keep its prints off our output."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except KeyboardInterrupt:
        raise
    except ModelError as e:
        if show_traceback and (e.__cause__ or e.__context__) is not None:
            traceback.print_exc(file=sys.stderr)
        raise
    except BaseException as e:  # even sys.exit and MemoryError end in one line
        if show_traceback:
            traceback.print_exc(file=sys.stderr)
        said = next((line.strip() for line in str(e).splitlines() if line.strip()), "")
        hint = "" if show_traceback else " (--traceback shows where)"
        raise ModelError(f"reading '{target}' failed: {type(e).__name__}{': ' + said if said else ''}{hint}") from e
