"""`upweave accelerate` and `upweave fix`: files, exit codes, reports, and what they refuse."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import external_data_helper

from tests.cli.conftest import Upweave, write_onnx
from tests.rewrite.onnx.files import fold_model

QUICK = ("--target", "generic")


@pytest.fixture
def foldable(folder: Path) -> Path:
    path = folder / "in.onnx"
    path.write_bytes(fold_model("n").SerializeToString())
    return path


def test_accelerate_writes_a_certified_model(upweave: Upweave, foldable: Path, folder: Path) -> None:
    before = foldable.read_bytes()
    found = upweave("accelerate", foldable, "-o", "out.onnx", *QUICK, "--report", "out.html")
    assert found.code == 0, found.err
    assert "1 rewrite" in found.out
    assert "conv: fold-nearest-resize, with the resize up" in found.out
    assert "certificate: same outputs in" in found.out
    assert "Written to out.onnx." in found.err
    assert foldable.read_bytes() == before
    assert [n.op_type for n in onnx.load(folder / "out.onnx").graph.node] == ["Relu", "ConvTranspose", "Sigmoid"]
    page = (folder / "out.html").read_text()
    assert "fold-nearest-resize" in page
    assert "same outputs" in page
    assert "<script" not in page
    mode = (folder / "out.onnx").stat().st_mode
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(mode) == 0o666 & ~mask


def test_the_report_as_json(upweave: Upweave, foldable: Path) -> None:
    found = upweave("accelerate", foldable, "-o", "out.onnx", *QUICK, "--format", "json", "--report", "r.json")
    report = json.loads(found.out)
    assert json.loads(Path("r.json").read_text()) == report
    (applied,) = report["applied"]
    assert applied["identity"] == "fold-nearest-resize"
    assert applied["before"]["multiplies"] == 2.25 * applied["after"]["multiplies"]
    assert applied["certificate"]["passed"]
    assert report["certificate"]["passed"]
    assert report["target"] == "generic"
    assert not report["prices_measured"]
    assert report["timing"] is None


def test_timing_is_part_of_the_report_where_the_target_is_installed(upweave: Upweave, folder: Path) -> None:
    pytest.importorskip("onnxruntime")
    (folder / "in.onnx").write_bytes(fold_model(64).SerializeToString())
    found = upweave("accelerate", "in.onnx", "-o", "out.onnx", "--format", "json", "--select", "fold-nearest-resize")
    report = json.loads(found.out)
    if report["applied"]:
        assert report["timing"]["runtime"] == "onnxruntime"
        assert report["timing"]["seconds_after"] <= 1.02 * report["timing"]["seconds_before"]
    else:
        assert report["refused"] or report["warnings"]


def test_nothing_is_overwritten_silently(upweave: Upweave, foldable: Path, folder: Path) -> None:
    before = foldable.read_bytes()
    (folder / "there.onnx").write_text("precious")
    assert "exists" in upweave("accelerate", foldable, "-o", "there.onnx", *QUICK).error
    assert (folder / "there.onnx").read_text() == "precious"
    assert "--in-place" in upweave("accelerate", foldable, "-o", foldable, *QUICK).error
    assert "--in-place" in upweave("accelerate", foldable, "-o", foldable, "--force", *QUICK).error
    assert "say where" in upweave("accelerate", foldable, *QUICK).error
    assert "two places" in upweave("accelerate", foldable, "-o", "b.onnx", "--in-place", *QUICK).error
    (folder / "r.html").write_text("precious")
    assert "exists" in upweave("accelerate", foldable, "-o", "out.onnx", "--report", "r.html", *QUICK).error
    assert not (folder / "out.onnx").exists()
    assert foldable.read_bytes() == before
    assert upweave("accelerate", foldable, "-o", "there.onnx", "--force", *QUICK).code == 0
    onnx.checker.check_model(str(folder / "there.onnx"))


def test_in_place_and_again(upweave: Upweave, foldable: Path) -> None:
    foldable.chmod(0o640)
    assert upweave("accelerate", foldable, "--in-place", *QUICK).code == 0
    assert len(onnx.load(foldable).graph.node) == 3
    assert stat.S_IMODE(foldable.stat().st_mode) == 0o640
    once = foldable.read_bytes()
    again = upweave("accelerate", foldable, "--in-place", *QUICK)
    assert again.code == 0
    assert "nothing" in again.out
    assert "nothing written" in again.err
    assert foldable.read_bytes() == once
    copy = upweave("accelerate", foldable, "-o", "copy.onnx", *QUICK)
    assert "is a copy" in copy.err
    assert onnx.load("copy.onnx") == onnx.load(foldable)


def test_a_failure_leaves_nothing_behind(
    upweave: Upweave, foldable: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in upweave("accelerate", foldable, "-o", "out.onnx", *QUICK).error
    assert sorted(p.name for p in folder.iterdir() if "onnx" in p.name) == ["in.onnx"]


def test_external_data_stays_external(upweave: Upweave, folder: Path) -> None:
    (folder / "old").mkdir()
    onnx.save(
        fold_model("n"), folder / "old" / "in.onnx", save_as_external_data=True, location="in.data", size_threshold=0
    )
    found = upweave("accelerate", "old/in.onnx", "-o", "out.onnx", *QUICK)
    assert found.code == 0, found.err
    (data,) = folder.glob("out.*.data")
    bare = onnx.load(folder / "out.onnx", load_external_data=False)
    large = [t for t in bare.graph.initializer if external_data_helper.uses_external_data(t)]
    assert [t.name for t in large] == ["w:folded"]
    assert data.stat().st_size == 16 * 16 * 16 * 4
    onnx.checker.check_model(str(folder / "out.onnx"), full_check=True)
    assert np.isfinite(onnx.numpy_helper.to_array(onnx.load(folder / "out.onnx").graph.initializer[0])).all()
    again = upweave("accelerate", "old/in.onnx", "--in-place", *QUICK)
    assert again.code == 0
    assert (folder / "old" / "in.data").exists()  # who else reads it is not known
    onnx.checker.check_model(str(folder / "old" / "in.onnx"), full_check=True)


def test_inputs_of_the_users_own(upweave: Upweave, foldable: Path, folder: Path) -> None:
    x = np.ones((1, 16, 9, 9), np.float32)
    np.savez(folder / "x.npz", x=x)
    np.save(folder / "x.npy", x)
    for name in ("x.npz", "x.npy"):
        found = upweave(
            "accelerate", foldable, "-o", "out.onnx", "--inputs", name, "--format", "json", "--force", *QUICK
        )
        assert json.loads(found.out)["certificate"]["trials"][0]["inputs"].startswith("the given inputs")
    np.savez(folder / "other.npz", z=x)
    assert "the model wants x" in upweave("accelerate", foldable, "-o", "b.onnx", "--inputs", "other.npz", *QUICK).error
    np.save(folder / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    error = upweave("accelerate", foldable, "-o", "b.onnx", "--inputs", "pickled.npy", *QUICK).error
    assert "plain arrays" in error
    assert "no file" in upweave("accelerate", foldable, "-o", "b.onnx", "--inputs", "no.npz", *QUICK).error


def test_what_is_no_model(upweave: Upweave, folder: Path) -> None:
    (folder / "junk.onnx").write_bytes(b"this is no protobuf at all")
    (folder / "model.pt2").write_bytes(b"PK")
    assert "junk.onnx" in upweave("accelerate", "junk.onnx", "-o", "out.onnx").error
    assert "no .onnx file" in upweave("accelerate", "model.pt2", "-o", "out.onnx").error
    assert "no file" in upweave("fix", "missing.onnx", "-o", "out.onnx").error
    assert not (folder / "out.onnx").exists()


def test_names_that_do_not_exist(upweave: Upweave, foldable: Path) -> None:
    error = upweave("accelerate", foldable, "-o", "out.onnx", "--select", "fold-nearest").error
    assert "did you mean fold-nearest-resize" in error
    assert "no rewrite answers UW999" in upweave("fix", foldable, "-o", "out.onnx", "--select", "UW999").error
    assert "upweave fix --unsafe" in upweave("accelerate", foldable, "-o", "o.onnx", "--select", "reinitialise").error
    assert "--report" in upweave("accelerate", foldable, "-o", "out.onnx", "--report", "r.pdf").error


def test_ignored_rewrites_are_not_applied(upweave: Upweave, foldable: Path) -> None:
    found = upweave("accelerate", foldable, "-o", "out.onnx", "--ignore", "fold-nearest-resize", *QUICK)
    assert found.code == 0
    assert "nothing to rewrite" in found.out


def test_fix_makes_a_file_portable(upweave: Upweave, uneven: Path) -> None:
    found = upweave("fix", uneven, "-o", "out.onnx")
    assert found.code == 0, found.err
    assert "absorb-output-padding" in found.out
    assert not any(a.name == "output_padding" for a in onnx.load("out.onnx").graph.node[0].attribute)
    assert upweave("audit", "out.onnx", "--select", "UW602").code == 0


@pytest.mark.parametrize("code", ["UW401", "equal-phase-gain"])
def test_repairs_that_change_outputs_need_their_name_and_a_word(upweave: Upweave, folder: Path, code: str) -> None:
    path = write_onnx(folder / "even.onnx", kernel=4, output_padding=0, size=32)
    made = onnx.load(path)
    weight = np.ones((3, 4, 4, 4), np.float32)
    weight[:, :, ::2, ::2] = 3  # one phase three times as strong, in all channels
    made.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weight, "w"))
    onnx.save(made, path)
    assert "--unsafe" in upweave("fix", path, "-o", "out.onnx", "--select", code).error
    np.save("bright.npy", 1 + 0.1 * np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype(np.float32))
    found = upweave("fix", path, "-o", "out.onnx", "--select", code, "--unsafe", "--inputs", "bright.npy")
    assert found.code == 0, found.err
    assert "equal-phase-gain (unsafe)" in found.out
    assert "change of the outputs (relative norm)" in found.out
    before, after = map(float, re.findall(r"pattern all over y, share of the variance: (\S+) → (\S+)", found.out)[0])
    assert before > 0.1
    assert abs(after) < 0.05
    assert upweave("audit", path, "--select", "UW401", "--fail-level", "note").code == 1
    assert upweave("audit", "out.onnx", "--select", "UW401", "--fail-level", "note").code == 0
    again = upweave("fix", "out.onnx", "-o", "again.onnx", "--select", code, "--unsafe")
    assert "nothing to rewrite" in again.out


def test_a_repair_that_cannot_be_made_exits_with_1(upweave: Upweave, folder: Path) -> None:
    path = write_onnx(folder / "holes.onnx", kernel=1, output_padding=0, size=8)
    onnx_model = onnx.load(path)
    onnx_model.graph.node[0].attribute[1].ints[:] = [0] * 4  # no padding
    onnx.save(onnx_model, path)
    found = upweave("fix", path, "-o", "out.onnx", "--select", "equal-phase-gain", "--unsafe")
    assert found.code == 1
    assert "some phases have no taps" in found.out


def test_help_names_both(upweave: Upweave) -> None:
    text = upweave("--help").out
    assert "accelerate" in text
    assert "fix" in text
