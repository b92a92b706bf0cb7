"""Reading an ONNX file: everything that is no sound model raises one clear `ModelError`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from ...errors import ModelError
from .tensors import check_tensor

NAMES = {"": "", "ai.onnx": ""}
"""The two spellings of ONNX's own domain."""


@dataclass(frozen=True)
class Model:
    """A parsed file: the protobuf message, the folder that its external data must stay in, and its opsets."""

    proto: onnx.ModelProto
    folder: str
    opsets: dict[str, int]
    target: str

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return self.opsets.get("", 1)


def read_model(path: str | os.PathLike[str]) -> Model:
    """Parse a file, verify its initialisers (nothing is decoded), and inline its local functions.

    Raises `ModelError` for a file that is missing, empty, truncated, not ONNX, or whose external data is missing,
    too short or outside the model's folder.
    """
    file = Path(path)
    if file.is_dir():
        raise ModelError(f"{path} is a directory, not an ONNX file")
    try:
        # A name like "model.json" must not pick another parser: the format is always protobuf.
        proto = onnx.load(file, format="protobuf", load_external_data=False)
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist") from None
    except DecodeError:
        raise ModelError(f"{path} is not an ONNX model, or it is truncated: it does not parse as protobuf") from None
    except OSError as e:
        raise ModelError(f"{path} cannot be read: {e.strerror or e}") from None
    if not file.stat().st_size:
        raise ModelError(f"{path} is empty")
    if not proto.ir_version or not proto.HasField("graph") or not proto.graph.output:
        raise ModelError(f"{path} is not an ONNX model, or it is truncated: it has no graph with outputs")
    if not proto.opset_import:
        raise ModelError(f"{path} is not a whole ONNX model: it names no operator set")
    opsets = {NAMES.get(o.domain, o.domain): int(o.version) for o in proto.opset_import}
    newest = onnx.defs.onnx_opset_version()
    if opsets.get("", 1) > newest:
        raise ModelError(f"{path} uses opset {opsets['']}, but the installed onnx package knows opsets up to {newest}")
    model = Model(_inlined(proto, path), os.path.realpath(file.parent), opsets, str(path))
    _check_text(model.proto.graph, path)
    for tensor in tensors(model.proto.graph):
        check_tensor(tensor, model.folder)
    return model


def _check_text(graph: onnx.GraphProto, path: str | os.PathLike[str]) -> None:
    """Protobuf hands over text that is not UTF-8 as bytes, which no later code expects."""
    todo = [graph]
    while todo:
        g = todo.pop()
        names: list[object] = [v.name for v in (*g.input, *g.output, *g.value_info)]
        for t in g.initializer:
            names += [t.name, *(x for e in t.external_data for x in (e.key, e.value))]
        for node in g.node:
            names += [node.name, node.op_type, node.domain, *node.input, *node.output]
            for a in node.attribute:
                names.append(a.name)
                names += [x for e in a.t.external_data for x in (e.key, e.value)]
                todo.extend(subgraphs(a))
        if not all(isinstance(n, str) for n in names):
            raise ModelError(f"{path} is damaged: a name in its graph is no text")


def _inlined(proto: onnx.ModelProto, path: str | os.PathLike[str]) -> onnx.ModelProto:
    if not proto.functions:
        return proto
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(proto)
    except Exception as e:
        raise ModelError(f"{path}: its local functions cannot be inlined: {first_line(e)}") from None


def tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every dense tensor stored in a graph and its subgraphs: initialisers and tensor attributes."""
    todo = [graph]
    while todo:
        g = todo.pop()
        yield from g.initializer
        for node in g.node:
            for a in node.attribute:
                if a.type == onnx.AttributeProto.TENSOR:
                    yield a.t
                todo.extend(subgraphs(a))


def subgraphs(attribute: onnx.AttributeProto) -> list[onnx.GraphProto]:
    """The graphs that an attribute holds."""
    if attribute.type == onnx.AttributeProto.GRAPH:
        return [attribute.g]
    return list(attribute.graphs)


def first_line(error: BaseException) -> str:
    """The first line that says something, without a trailing full stop."""
    text = str(error).strip()
    return text.splitlines()[0].strip().rstrip(".") if text else type(error).__name__


def one_line(text: str, longest: int = 300) -> str:
    """A message on one line, whatever names the file put into it."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
