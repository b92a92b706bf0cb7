"""Writing a result file: checked before the work starts, and written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from ...errors import UpweaveError


def check_destination(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """The path, if a file can be written there; raises `UpweaveError` with the reason if not.

    An existing file is left alone unless `force`; what is no plain file (a folder, a device) is refused even then.
    """
    target = Path(path)
    if target.is_dir():
        raise UpweaveError(f"'{target}' is a folder; name a file in it")
    folder = target.parent
    if not folder.is_dir():
        raise UpweaveError(f"the folder '{folder}' does not exist; create it first")
    if target.exists() and not target.is_file():
        raise UpweaveError(f"'{target}' is not a plain file")
    if target.exists() and not force:
        raise UpweaveError(f"'{target}' exists; pass --force (in Python: force=True) to overwrite it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UpweaveError(f"the folder '{folder}' is not writable")
    return target


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text through a temporary file in the same folder, so that no reader ever sees half of it.

    A symbolic link is followed, so that the link stays; an existing file keeps its permissions.
    """
    target = Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".tmp")
    except OSError as e:
        raise UpweaveError(f"cannot write '{path}': {e.strerror or e}") from e
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException as e:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(e, OSError):
            raise UpweaveError(f"cannot write '{path}': {e.strerror or e}") from e
        raise


def _umask() -> int:
    """The process's umask; reading it means setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
