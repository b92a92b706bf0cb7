"""Bad input: one clear line, exit 2, nothing half-written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Upweave, write_onnx

SHAPE = ("--input", "1x3x8x8")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("missing.onnx", "no file 'missing.onnx'"),
        ("missing.pt2", "no file 'missing.pt2'"),
        ("folder/model.bin", "no file"),
        ("nothing", "neither a file nor package.module:factory"),
        ("a b:c", "neither a file nor"),
        (".", "is a folder"),
        ("factories_for_cli:absent", "absent"),
        ("no_such_module:factory", "no module 'no_such_module'"),
        ("factories_for_cli:raises", "ValueError"),
        ("factories_for_cli:exits", "SystemExit"),
        ("factories_for_cli:number", "int"),
        ("factories_for_cli:text", "str"),
        ("factories_for_cli:Breaks", "KeyError"),
    ],
)
def test_targets(upweave: Upweave, target: str, says: str) -> None:
    options = SHAPE if ":" in target else ()
    assert says in upweave("audit", target, *options).error


def test_not_a_model(upweave: Upweave, folder: Path) -> None:
    (folder / "junk.onnx").write_bytes(b"this is no protobuf at all")
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "notes.md").write_text("# notes")
    (folder / "weights.pth").write_bytes(b"\x80\x04.")
    for name in ("junk.onnx", "empty.onnx", "notes.md"):
        assert name in upweave("audit", name).error
    assert "pickle" in upweave("audit", "weights.pth").error


def test_truncated_onnx(upweave: Upweave, uneven: Path) -> None:
    whole = uneven.read_bytes()
    for part in (0.2, 0.5, 0.9):
        uneven.write_bytes(whole[: int(len(whole) * part)])
        assert "uneven.onnx" in upweave("audit", uneven).error


def test_truncated_pt2(upweave: Upweave, folder: Path) -> None:
    (folder / "model.pt2").write_bytes(b"PK\x03\x04 and then nothing")
    assert "model.pt2" in upweave("audit", "model.pt2").error


def test_dynamic_axes_need_a_shape(upweave: Upweave, folder: Path) -> None:
    write_onnx(folder / "dynamic.onnx", size="n")
    assert "--input" in upweave("audit", "dynamic.onnx").error


@pytest.mark.parametrize("shape", ["1x3x8", "1x5x8x8", "y=1x3x16x16"])
def test_shapes_that_do_not_fit_a_file(upweave: Upweave, uneven: Path, shape: str) -> None:
    assert upweave("audit", uneven, "--input", shape).error


def test_shapes_that_do_not_fit_a_module(upweave: Upweave) -> None:
    assert "--input" in upweave("audit", "factories_for_cli:clean").error
    assert upweave("audit", "factories_for_cli:clean", "--input", "1x5x8x8").error
    assert upweave("audit", "factories_for_cli:clean", "--input", "nothere=1x3x8x8").error


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ("1x3xhx8", "is no shape"),
        ("", "is no shape"),
        ("1x3x0x8", "at least 1"),
        ("1x-3x8x8", "is no shape"),
        ("1x3,8x8", "is no shape"),
        ("1x3x8x8:quaternion", "no dtype"),
        ("=1x3x8x8", "name"),
    ],
)
def test_shapes_that_are_none(upweave: Upweave, uneven: Path, shape: str, says: str) -> None:
    assert says in upweave("audit", uneven, "--input", shape).error


def test_names_and_positions_do_not_mix(upweave: Upweave, uneven: Path) -> None:
    assert "give every --input a name" in upweave("audit", uneven, "--input", "x=1x3x8x8", "--input", "1x3x8x8").error
    assert "twice" in upweave("audit", uneven, "--input", "x=1x3x8x8", "--input", "x=1x3x8x8").error


def test_rules_that_do_not_exist(upweave: Upweave, uneven: Path) -> None:
    assert "did you mean 'uneven-coverage'" in upweave("audit", uneven, "--select", "uneven-coverag").error
    assert "ZZ9" in upweave("audit", uneven, "--ignore", "ZZ9").error
    assert "did you mean" in upweave("explain", "UW1O1").error
    assert "no rule" in upweave("explain", "zebra").error


def test_factory_arguments(upweave: Upweave, uneven: Path) -> None:
    assert "unexpected keyword" in upweave("audit", "factories_for_cli:uneven", *SHAPE, "--arg", "wrong=1").error
    assert "name=value" in upweave("audit", "factories_for_cli:uneven", *SHAPE, "--arg", "wrong").error
    assert "for factories" in upweave("audit", uneven, "--arg", "kernel=3").error


def test_output_is_refused_before_the_work(upweave: Upweave, folder: Path, uneven: Path) -> None:
    (folder / "old.json").write_text("mine")
    (folder / "dir.json").mkdir()
    assert "exists" in upweave("audit", "factories_for_cli:raises", *SHAPE, "-o", "old.json").error
    assert "does not exist" in upweave("audit", "factories_for_cli:raises", *SHAPE, "-o", "no/new.json").error
    assert "is a folder" in upweave("audit", uneven, "-o", "dir.json", "--force").error
    assert "suffix" in upweave("audit", uneven, "-o", "report.pdf").error
    assert (folder / "old.json").read_text() == "mine"
    assert upweave("audit", uneven, "-o", "old.json", "--force").code == 1
    assert (folder / "old.json").read_text().startswith("{")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_folder(upweave: Upweave, folder: Path, uneven: Path) -> None:
    locked = folder / "locked"
    locked.mkdir(mode=0o500)
    assert "not writable" in upweave("audit", uneven, "-o", "locked/r.json").error


def test_nothing_is_written_when_the_audit_fails(upweave: Upweave, folder: Path) -> None:
    before = sorted(os.listdir())
    upweave("audit", "missing.onnx", "-o", "r.html")
    upweave("audit", "factories_for_cli:raises", *SHAPE, "-o", "r.html")
    assert [n for n in sorted(os.listdir()) if n != "__pycache__"] == before


@pytest.mark.parametrize("text", ["[tool.upweave]\nselct = []\n", "[tool.upweave]\nselect = 3\n", "not toml ["])
def test_broken_configuration(upweave: Upweave, folder: Path, uneven: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text)
    assert "pyproject.toml" in upweave("audit", uneven).error


def test_configuration_file(upweave: Upweave, folder: Path, uneven: Path) -> None:
    assert "absent.toml: No such file" in upweave("audit", uneven, "--config", "absent.toml").error
    (folder / "other.toml").write_text("[tool.black]\n")
    assert "no [tool.upweave]" in upweave("audit", uneven, "--config", "other.toml").error


@pytest.mark.parametrize(
    "args", [("audit",), ("frobnicate",), ("audit", "--nope"), ("audit", "x.onnx", "--format", "xml")]
)
def test_usage(upweave: Upweave, args: tuple[str, ...]) -> None:
    assert "--help" in upweave(*args).error


def test_errors_in_one_line_whatever_they_hold(upweave: Upweave) -> None:
    found = upweave("audit", "evil\nname\x1b[31m.onnx")
    assert len(found.err.splitlines()) == 1
    assert "\x1b" not in found.err


def test_traceback_on_request(upweave: Upweave) -> None:
    found = upweave("audit", "factories_for_cli:raises", *SHAPE, "--traceback")
    assert found.code == 2
    assert 'raise ValueError("first line' in found.err


def test_bugs_are_one_line_too(upweave: Upweave, uneven: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import upweave.audit.run as module

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr(module, "audit_graph", broken)
    assert "internal error: RuntimeError: oops" in upweave("audit", uneven).error


def test_an_empty_target(upweave: Upweave) -> None:
    assert "is empty" in upweave("audit", "").error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk(uneven: Path) -> None:
    import subprocess
    import sys

    source = Path(__file__).resolve().parents[2] / "src"
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            [sys.executable, "-m", "upweave", "audit", uneven.name],
            cwd=uneven.parent,
            env={**os.environ, "PYTHONPATH": str(source)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert found.stderr.startswith("error: cannot write to the standard output")
