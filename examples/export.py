"""Write every example as an ONNX file: `python -m examples.export [FOLDER]`."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, cast

from . import MODELS, Example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


def bake(model: nn.Module) -> nn.Module:
    """Replace parametrised weights (weight normalisation) by their values, as models are shipped; in place."""
    from torch.nn.utils import parametrize

    for module in model.modules():
        if parametrize.is_parametrized(module):
            for name in list(cast("nn.ModuleDict", module.parametrizations)):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    return model


def export(example: Example, model: nn.Module, folder: Path) -> Path:
    """Write `folder/<name>.onnx`, weights inside, and return its path."""
    import torch

    path = folder / f"{example.name}.onnx"
    with quiet():
        torch.onnx.export(
            bake(model), (torch.zeros(example.input),), path, dynamo=True, external_data=False, verbose=False
        )
    return path


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The exporter prints its progress and warns about its own future; neither is for our readers."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def main() -> None:
    """Export all to the folder named on the command line (default `demo`)."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    for example in MODELS.values():
        if example.exported:
            path = export(example, example.build(), folder)
            print(f"{path}  {path.stat().st_size / 2**20:.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
