"""Reading a `.pt2` archive as data: a zip of JSON and raw tensor bytes.

    model/archive_format                         "pt2"
    model/models/model.json                      the graph
    model/data/weights/model_weights_config.json what each file of raw bytes holds
    model/data/weights/weight_0 …                raw bytes
    model/data/constants/…                       the same for constants
    model/data/sample_inputs/model.pt            a pickle: never opened

`torch.export.load` is not used: it unpickles the sample inputs, and whatever the file asks for.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ...errors import ModelError

_LARGEST_GRAPH = 1 << 29
DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}
"""The numbers that the format gives to dtypes."""


class Archive:
    """One opened `.pt2` file: its graph as plain JSON, and a loader for every tensor in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as file:
                names = file.namelist()
                if any(n.split("/")[-1] in ("data.pkl", "constants.pkl") for n in names):
                    raise ModelError(f"{path.name} is a pickled PyTorch file, which Upweave never opens; {INSTEAD}")
                graphs = [n for n in names if n.count("/") == 2 and n.split("/")[1] == "models" and n.endswith(".json")]
                if len(graphs) != 1 or len(set(names)) != len(names):
                    raise ModelError(f"{path.name} is no .pt2 archive with one model; {INSTEAD}")
                self._root, name = graphs[0].split("/")[0], graphs[0].split("/")[2].removesuffix(".json")
                self.program: dict[str, Any] = _json(file, graphs[0])
                self.tensors = {**self._tensors(file, "weights", name), **self._tensors(file, "constants", name)}
        except FileNotFoundError:
            raise ModelError(f"there is no file {path}") from None
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
            raise ModelError(f"{path.name} cannot be read as a .pt2 archive ({error}); {INSTEAD}") from None

    def _tensors(self, file: zipfile.ZipFile, kind: str, model: str) -> dict[str, Callable[[], Any]]:
        folder = f"{self._root}/data/{kind}"
        if f"{folder}/{model}.pt" in file.namelist():
            raise ModelError(f"{self.path.name} holds its {kind} as a pickle, which Upweave never opens; {AGAIN}")
        config = f"{folder}/{model}_{kind}_config.json"
        if config not in file.namelist():
            raise ModelError(f"{self.path.name} lacks {config}; {AGAIN}")
        loaders: dict[str, Callable[[], Any]] = {}
        for name, entry in _json(file, config)["config"].items():
            where = entry["path_name"]
            raw = entry.get("tensor_meta") is not None and where.startswith(("weight_", "tensor_"))
            if entry.get("use_pickle") or not raw:
                raise ModelError(f"{self.path.name} holds {name!r} as a pickle, which Upweave never opens; {AGAIN}")
            record = file.getinfo(f"{folder}/{where}") if f"{folder}/{where}" in file.namelist() else None
            loaders[name] = self._loader(record, entry["tensor_meta"])
        return loaders

    def _loader(self, record: zipfile.ZipInfo | None, meta: Any) -> Callable[[], Any]:
        def load() -> Any:
            if record is None or record.compress_type != zipfile.ZIP_STORED:
                return None
            with zipfile.ZipFile(self.path) as file:
                data = bytearray(file.read(record))
            dtype = dtype_of(meta["dtype"])
            flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
            sizes, strides = ([size_of(s) for s in meta[f]] for f in ("sizes", "strides"))
            return flat.as_strided(sizes, strides, size_of(meta["storage_offset"]))

        return load


def _json(file: zipfile.ZipFile, name: str) -> Any:
    if file.getinfo(name).file_size > _LARGEST_GRAPH:
        raise ModelError(f"{name} is larger than {_LARGEST_GRAPH >> 20} MiB and is not read")
    try:
        return json.loads(file.read(name))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name} in the archive is no JSON ({error}); {AGAIN}") from None


def dtype_of(number: int) -> torch.dtype:
    """The dtype behind a number of the format."""
    dtype: torch.dtype = getattr(torch, DTYPES[number])
    return dtype


def size_of(size: Any) -> int:
    """A size of the format as an int: a symbolic one gives the example that the file was exported with."""
    if "as_int" in size:
        return int(size["as_int"])
    hint = size["as_expr"].get("hint")
    if not hint:
        raise ModelError("a size in the file depends on data; export the model with fixed shapes")
    return int(hint["as_int"])


INSTEAD = "give a .pt2 file from torch.export.save, an .onnx file, or package.module:factory"
AGAIN = "export the model again with torch.export.save of torch 2.9 or later"
