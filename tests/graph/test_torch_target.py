"""`package.module:factory`: what is found, and the one line for what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from upweave.errors import ModelError  # noqa: E402
from upweave.graph.torch import parse_args, resolve_target  # noqa: E402

SOURCE = """
import sys
from torch import nn

class Up(nn.Module):
    def __init__(self, channels=3, mode="slow"):
        super().__init__()
        print("building")
        self.up = nn.ConvTranspose2d(channels, 4, 4, 2, 1)
        self.mode = mode

class Zoo:
    up = Up

ready = nn.Conv2d(3, 3, 3)
number = 3

def raises():
    raise ValueError("no such size\\nsecond line")

def exits():
    sys.exit(3)

def gives_a_list():
    return [1]
"""


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uw_zoo.py").write_text(SOURCE)
    (tmp_path / "uw_broken.py").write_text("import uw_not_installed")
    (tmp_path / "uw_syntax.py").write_text("def f(:")
    (tmp_path / "uw_exits.py").write_text("import sys; sys.exit(0)")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("zoo")
def test_factories_classes_and_modules(capfd: pytest.CaptureFixture[str]) -> None:
    model = resolve_target("uw_zoo:Up", {"channels": 5, "mode": "fast"})
    assert model.up.in_channels == 5
    assert model.mode == "fast"
    assert isinstance(resolve_target("uw_zoo:ready"), nn.Conv2d)
    assert next(resolve_target("uw_zoo:Zoo.up", device="meta").parameters()).is_meta
    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("uw_zoo", "write package.module:factory"),
        ("uw_zoo:", "write package.module:factory"),
        ("uw_nowhere:f", "there is no module 'uw_nowhere'"),
        ("uw_nowhere.sub:f", "there is no module 'uw_nowhere'"),
        ("uw_broken:f", "needs the module 'uw_not_installed'"),
        ("uw_syntax:f", "importing uw_syntax failed: SyntaxError"),
        ("uw_exits:f", "importing uw_exits failed: SystemExit"),
        ("uw_zoo:Down", "it has Up"),
        ("uw_zoo:number", "is a int; give a function or class"),
        ("uw_zoo:raises", "raises() raised ValueError: no such size"),
        ("uw_zoo:exits", "exits() raised SystemExit"),
        ("uw_zoo:gives_a_list", "gives a list, not a torch.nn.Module"),
    ],
)
def test_one_line_for_each_failure(target: str, words: str) -> None:
    with pytest.raises(ModelError) as raised:
        resolve_target(target)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("zoo")
def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ModelError, match=r"Up\(depth=3\) raised TypeError: .*depth"):
        resolve_target("uw_zoo:Up", {"depth": 3})


def test_arguments_are_python_literals_or_strings() -> None:
    assert parse_args(["a=1", "b=(1, 2)", "c=fast", "d=", "e=x=y", "f=None"]) == {
        "a": 1, "b": (1, 2), "c": "fast", "d": "", "e": "x=y", "f": None}  # fmt: skip
    with pytest.raises(ModelError, match="name=value"):
        parse_args(["a"])
