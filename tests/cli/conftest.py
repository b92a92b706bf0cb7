"""A folder with models to audit, and a way to run the command in it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upweave.cli import run

FACTORIES = '''
"""Models for the tests of the command."""
import sys
import torch
from torch import nn

print("imported")

def uneven(channels=4, kernel=3):
    print("built")
    return nn.Sequential(nn.ConvTranspose2d(3, channels, kernel, stride=2, padding=1, output_padding=kernel % 2))

def clean():
    return nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1)

def unet():
    class Unet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down, self.up = nn.MaxPool2d(2), nn.ConvTranspose2d(3, 3, 2, stride=2)
        def forward(self, image):
            return image + self.up(self.down(image))
    return Unet()

def raises(): raise ValueError("first line\\nsecond line")
def exits(): sys.exit(0)
def number(): return 3

class Breaks(nn.Module):
    def forward(self, x): raise KeyError("inside")

ready = nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1)
text = "no factory"
'''


@dataclass
class Result:
    """What a run of the command left behind."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an input error; fails if there is anything else."""
        lines = self.err.splitlines()
        assert self.code == 2, (self.code, self.out, self.err)
        assert self.out == ""
        assert len([line for line in lines if line.startswith("error: ")]) == 1, self.err
        assert "Traceback" not in self.err
        return lines[-1]


Upweave = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a module of factories."""
    (tmp_path / "factories_for_cli.py").write_text(textwrap.dedent(FACTORIES))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


@pytest.fixture
def upweave(folder: Path, capsys: pytest.CaptureFixture[str]) -> Upweave:
    """Run the command in `folder`."""

    def call(*args: Any) -> Result:
        capsys.readouterr()
        code = run([str(a) for a in args])
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return call


def write_onnx(path: Path, *, kernel: int = 3, size: Any = 16, output_padding: int = 1) -> Path:
    """A file with one ConvTranspose of stride 2; `size` may be a name, which makes the axes dynamic."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).normal(size=(3, 4, kernel, kernel)).astype(np.float32)
    node = helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2], pads=[1] * 4, output_padding=[output_padding] * 2
    )
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def uneven(folder: Path) -> Path:
    """An ONNX file with an uneven layer."""
    return write_onnx(folder / "uneven.onnx")


@pytest.fixture
def clean(folder: Path) -> Path:
    """An ONNX file without a structural fault."""
    return write_onnx(folder / "clean.onnx", kernel=4, output_padding=0)
