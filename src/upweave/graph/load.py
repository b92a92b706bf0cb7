"""Whatever names a model, read as a graph: a module, a file, or the name of a factory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..errors import ModelError
from .ir import Graph

Device: TypeAlias = Literal["cpu", "meta"]
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")


def load(
    target: Any, inputs: Any = None, *, args: Mapping[str, Any] | None = None, device: Device = "cpu"
) -> tuple[Graph, Any]:
    """The graph of a model, and the module behind it if there is one.

    Arguments:
        target: a `torch.nn.Module`, the path of an `.onnx` or `.pt2` file, "package.module:factory", or a `Graph`.
        inputs: shapes or tensors for PyTorch, shapes for the dynamic axes of ONNX.
        args, device: what a factory is called with, and where it builds its parameters.

    Raises `ModelError` if the target is no model or cannot be read. No pickle is ever loaded.
    """
    if isinstance(target, Graph):
        return target, None
    if isinstance(target, (str, Path)):
        return _named(str(target), inputs, args, device)
    from .torch import from_torch

    return from_torch(target, inputs), target


def _named(text: str, inputs: Any, args: Mapping[str, Any] | None, device: Device) -> tuple[Graph, Any]:
    suffix = Path(text).suffix.lower()
    if suffix == ".onnx":
        from .onnx import from_onnx

        return from_onnx(text, inputs), None
    if suffix == ".pt2":
        from .torch import from_pt2

        return from_pt2(text), None
    if suffix in PICKLES:
        raise ModelError(
            f"{text}: a pickle can run any code when it is loaded, so Upweave never loads one; "
            "give package.module:factory, or save the model with torch.export.save as .pt2 or as .onnx"
        )
    if ":" in text:
        from .torch import from_torch, resolve_target

        module = resolve_target(text, args, device=device)
        return replace(from_torch(module, inputs), target=text), module
    raise ModelError(f"{text}: not a model; give an .onnx or .pt2 file, or package.module:factory")
