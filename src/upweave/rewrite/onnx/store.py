"""Writing an ONNX file: whole or not at all, nothing overwritten silently, large weights beside it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import onnx
from onnx import external_data_helper

from ...audit.render.files import check_destination
from ...errors import UpweaveError
from ...graph.onnx.reader import tensors

LARGEST = 2**31 - 2**20
"""Protobuf ends at 2 GiB; a margin for what is no weight."""

INLINE = 1024
"""Tensors up to so many bytes stay in the file itself."""


def destination(path: str | os.PathLike[str], source: str | os.PathLike[str], *, in_place: bool, force: bool) -> Path:
    """The path, if it may be written; raises `UpweaveError` with the reason if not.

    The source itself is overwritten with `in_place` alone, another file with `force`.
    """
    target = Path(path)
    same = target.exists() and os.path.samefile(target, source)
    if same and not in_place:
        raise UpweaveError(f"'{target}' is the model itself; pass --in-place to replace it, or another name")
    return check_destination(target, force=force or same)


def with_weights(model: onnx.ModelProto, folder: str) -> onnx.ModelProto:
    """The model with its external data read into memory, in place."""
    for tensor in tensors(model.graph):
        if external_data_helper.uses_external_data(tensor):
            external_data_helper.load_external_data_for_tensor(tensor, folder)
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
    return model


def save(model: onnx.ModelProto, path: Path, *, external: bool = False) -> Path:
    """Write a model whose weights are in memory; with `external`, or above 2 GiB, its large tensors go beside it.

    The data file is named after its content, so that it never replaces the one that an earlier model of the same name
    reads; it is complete before the model appears, and the model appears at once. Returns the path.
    """
    target = Path(os.path.realpath(path))
    size = sum(len(t.raw_data) for t in tensors(model.graph))
    if external or size > LARGEST:
        model = _spread(model, target)
    text = model.SerializeToString()
    _write(target, [text])
    return path


def _spread(model: onnx.ModelProto, target: Path) -> onnx.ModelProto:
    """A copy whose large tensors point into a file beside the model, which is written here."""
    large = [t for t in model.graph.initializer if len(t.raw_data) > INLINE]
    digest = hashlib.sha256()
    for t in large:
        digest.update(t.raw_data)
    name = f"{target.stem}.{digest.hexdigest()[:12]}.data"
    _write(target.parent / name, [t.raw_data for t in large])
    offset = 0
    for t in large:
        length = len(t.raw_data)
        external_data_helper.set_external_data(t, name, offset, length)
        t.ClearField("raw_data")
        t.data_location = onnx.TensorProto.EXTERNAL
        offset += length
    return model


def _write(target: Path, chunks: list[bytes]) -> None:
    """Bytes through a temporary file in the same folder, so that no reader ever sees half of them."""
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".tmp")
    except OSError as e:
        raise UpweaveError(f"cannot write '{target}': {e.strerror or e}") from e
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0o077)
        os.umask(mask)
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException as e:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(e, OSError):
            raise UpweaveError(f"cannot write '{target}': {e.strerror or e}") from e
        raise


def uses_external_data(model: onnx.ModelProto) -> bool:
    """Whether some tensor of the model lies outside its file."""
    return any(external_data_helper.uses_external_data(t) for t in tensors(model.graph))
