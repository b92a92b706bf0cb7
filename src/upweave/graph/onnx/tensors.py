"""Initialisers as `Weight`s: name, shape and dtype at once, numbers when `load()` is called.

External data is opened only then, and only inside the folder of the model: a location that is absolute, or that
leads out of the folder through `..` or a symbolic link, raises `ModelError` when the model is read.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper

from ...errors import ModelError
from ..ir import Shape, Weight

_BITS = {
    **dict.fromkeys(("FLOAT", "INT32", "UINT32"), 32),
    **dict.fromkeys(("DOUBLE", "INT64", "UINT64", "COMPLEX64"), 64),
    **dict.fromkeys(("FLOAT16", "BFLOAT16", "INT16", "UINT16"), 16),
    **dict.fromkeys(("INT8", "UINT8", "BOOL"), 8),
    **dict.fromkeys(("INT4", "UINT4", "FLOAT4E2M1"), 4),
    **dict.fromkeys(("INT2", "UINT2"), 2),
    "COMPLEX128": 128,
}
_DTYPES = {"FLOAT": "float32", "DOUBLE": "float64", "STRING": "str"}
_WORDS = {
    "FLOAT": "float_data",
    "DOUBLE": "double_data",
    "INT64": "int64_data",
    "UINT64": "uint64_data",
    "UINT32": "uint64_data",
    "STRING": "string_data",
}
MOST_ELEMENTS = 2**48
"""No value of a real model has more elements; a larger one is a broken or hostile file."""


def dtype_name(elem: int) -> str:
    """ONNX's element type under NumPy's name ("float32", "bfloat16", "int4" …)."""
    try:
        name = str(TensorProto.DataType.Name(elem))
    except ValueError:
        return f"type{elem}"
    return _DTYPES.get(name, name.lower())


def checked_shape(shape: Shape, what: str) -> Shape:
    """The shape, if it has no negative dimension and fewer than 2⁴⁸ elements; raises `ModelError` otherwise."""
    if any(d < 0 for d in shape):
        raise ModelError(f"{what} has the shape {'x'.join(map(str, shape))}, with a negative dimension")
    if math.prod(shape) > MOST_ELEMENTS:
        raise ModelError(f"{what} has the absurd shape {'x'.join(map(str, shape))}, more than 2^48 elements")
    return shape


def check_tensor(tensor: onnx.TensorProto, folder: str) -> None:
    """Raise `ModelError` if the tensor's bytes are missing, too few, or stored outside `folder`."""
    what = f"initialiser '{tensor.name}'"
    shape = checked_shape(tuple(tensor.dims), what)
    elements = math.prod(shape)
    try:
        kind = TensorProto.DataType.Name(tensor.data_type)
    except ValueError:
        raise ModelError(f"{what} has the unknown element type {tensor.data_type}") from None
    bits = _BITS.get(kind, 8)
    need = (elements * bits + 7) // 8
    if tensor.data_location == TensorProto.EXTERNAL:
        path, offset, length = _external(tensor, folder, need)
        size = os.path.getsize(path)
        if offset + length > size:
            raise ModelError(
                f"{what} needs bytes {offset} to {offset + length} of its external data, "
                f"but {os.path.basename(path)} has {size}"
            )
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != need and kind != "STRING":
            raise ModelError(
                f"{what} of shape {list(shape)} and type {kind} needs {need} bytes, "
                f"the file holds {len(tensor.raw_data)}"
            )
    else:
        words = len(getattr(tensor, _WORDS.get(kind, "int32_data")))
        if kind.startswith("COMPLEX"):
            words = elements
        want = elements if bits >= 8 else -(-elements * bits // 8)
        if words != want:
            raise ModelError(f"{what} of shape {list(shape)} needs {want} numbers, the file holds {words}")


def _external(tensor: onnx.TensorProto, folder: str, need: int) -> tuple[str, int, int]:
    """Path, offset and length of external data; raises `ModelError` unless they are safe and plausible."""
    what = f"initialiser '{tensor.name}'"
    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    if not location or "\0" in location:
        raise ModelError(f"{what} is stored outside the file, but names no file for its data")
    root = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(root, location))
    absolute = os.path.isabs(location) or location.startswith(("/", "\\")) or location[1:2] == ":"
    if absolute or os.path.commonpath([root, path]) != root:
        raise ModelError(f"{what}: its external data '{location}' lies outside the model's folder")
    if not os.path.isfile(path):
        raise ModelError(f"{what}: its external data '{location}' is missing from the model's folder")
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries.get("length", str(need)))
    except ValueError:
        raise ModelError(f"{what}: offset or length of its external data is no number") from None
    if offset < 0 or length != need:
        raise ModelError(f"{what} needs {need} bytes, but its external data says offset {offset}, length {length}")
    return path, offset, length


def weight_of(tensor: onnx.TensorProto, folder: str) -> Weight:
    """A checked tensor as a `Weight`."""

    def load() -> npt.NDArray[Any]:
        return decode(tensor, folder)

    return Weight(tensor.name, tuple(tensor.dims), dtype_name(tensor.data_type), load)


def sparse_weight(sparse: onnx.SparseTensorProto, folder: str) -> Weight:
    """A sparse initialiser as a dense `Weight`."""
    shape = checked_shape(tuple(sparse.dims), f"initialiser '{sparse.values.name}'")

    def load() -> npt.NDArray[Any]:
        values, at = decode(sparse.values, folder), decode(sparse.indices, folder)
        dense = np.zeros(shape, values.dtype)
        dense[np.unravel_index(at, shape) if at.ndim == 1 else tuple(at.T)] = values
        return dense

    return Weight(sparse.values.name, shape, dtype_name(sparse.values.data_type), load)


def decode(tensor: onnx.TensorProto, folder: str) -> npt.NDArray[Any]:
    """The tensor's numbers; types that NumPy lacks (bfloat16, float8, int4) come as float32 or int8.

    Raises `ModelError` if the external data cannot be read.
    """
    if tensor.data_location == TensorProto.EXTERNAL:
        check_tensor(tensor, folder)  # the file may have changed since the model was read
        bits = _BITS.get(TensorProto.DataType.Name(tensor.data_type), 8)
        path, offset, length = _external(tensor, folder, (math.prod(tensor.dims) * bits + 7) // 8)
        try:
            with open(path, "rb") as file:
                file.seek(offset)
                raw = file.read(length)
        except OSError as e:
            raise ModelError(f"initialiser '{tensor.name}': {e.strerror or e}") from None
        tensor = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, raw_data=raw)
    return plain(numpy_helper.to_array(tensor))


def plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers in a dtype of NumPy's own."""
    if array.dtype.kind in "biufcSUO":
        return array
    return array.astype(np.int8 if "int" in array.dtype.name else np.float32)
