"""Source places, as findings carry them: "file.py:12"."""

from __future__ import annotations

import os


def split_where(where: str | None) -> tuple[str, int | None] | None:
    """("file.py", 12) of "file.py:12"; the line is None where the text names none, or one below 1."""
    if not where:
        return None
    path, colon, line = where.rpartition(":")
    if not colon or not line.isdecimal() or not path:
        return where, None
    return path, int(line) if int(line) >= 1 else None


def relative(path: str) -> str:
    """The path from the current folder if it lies below it, else as it is: what a repository's tools expect."""
    if not os.path.isabs(path):
        return path
    try:
        short = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return path if short.startswith(os.pardir) else short
