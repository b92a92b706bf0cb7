"""`upweave audit`: exit codes, formats, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Upweave

STRUCTURE = ("--select", "UW1,UW2")


def test_exit_codes(upweave: Upweave, uneven: Path, clean: Path) -> None:
    assert upweave("audit", clean, *STRUCTURE).code == 0
    assert upweave("audit", uneven, *STRUCTURE).code == 1
    assert upweave("audit", uneven, *STRUCTURE, "--fail-level", "error").code == 0
    assert upweave("audit", uneven, *STRUCTURE, "--fail-level", "none").code == 0
    assert upweave("audit", uneven, "--select", "UW602").code == 0
    assert upweave("audit", uneven, "--select", "UW602", "--fail-level", "note").code == 1
    assert upweave("audit", "missing.onnx").code == 2


def test_select_and_ignore(upweave: Upweave, uneven: Path) -> None:
    def codes(*options: str) -> set[str]:
        return {f["code"] for f in json.loads(upweave("audit", uneven, "--format", "json", *options).out)["findings"]}

    assert "UW101" in codes()
    assert codes("--select", "uneven-coverage") == {"UW101"}
    assert "UW101" not in codes("--ignore", "UW101")
    assert codes("--select", "UW101", "--select", "UW602") == {"UW101", "UW602"}
    assert codes("--select", "UW1", "--ignore", "uneven-coverage") == set()


def test_text_names_the_layer_and_the_fix(upweave: Upweave, uneven: Path) -> None:
    found = upweave("audit", uneven, "--select", "UW101")
    assert "UW101 uneven-coverage  warning" in found.out
    assert "16×16 → 32×32" in found.out
    assert found.out.splitlines()[-1] == "Found 1 finding (1 warning) in 1 resampling layer."
    assert "\x1b" not in found.out
    assert "taps" in upweave("audit", uneven, *STRUCTURE, "--layers").out


@pytest.mark.parametrize("fmt", ["json", "sarif"])
def test_json_is_all_there_is_on_stdout(upweave: Upweave, fmt: str) -> None:
    found = upweave("audit", "factories_for_cli:uneven", "--input", "1x3x8x8", "--format", fmt)
    log = json.loads(found.out)
    if fmt == "json":
        assert log["target"] == "factories_for_cli:uneven"


def test_github(upweave: Upweave, uneven: Path) -> None:
    assert upweave("audit", uneven, *STRUCTURE, "--format", "github").out.startswith("::warning ")


@pytest.mark.parametrize(("name", "start"), [("r.json", "{"), ("r.sarif", "{"), ("r.html", "<!doctype"), ("r.txt", "")])
def test_output_file_takes_the_format_of_its_suffix(upweave: Upweave, uneven: Path, name: str, start: str) -> None:
    found = upweave("audit", uneven, "-o", name)
    assert found.code == 1
    assert found.out == ""
    assert Path(name).read_text(encoding="utf-8").startswith(start)
    assert sorted(os.listdir()) == sorted([name, "uneven.onnx", "factories_for_cli.py"])


def test_factories(upweave: Upweave) -> None:
    target = "factories_for_cli:uneven"
    assert upweave("audit", target, "--input", "1,3,8,8", *STRUCTURE).code == 1
    assert upweave("audit", target, "--input", "1x3x8x8", "--arg", "kernel=4", *STRUCTURE).code == 0
    assert upweave("audit", target, "--input", "1x3x8x8", "--device", "meta", *STRUCTURE).code == 1
    assert upweave("audit", "factories_for_cli:ready", "--input", "1x3x8x8", *STRUCTURE).code == 0
    assert upweave("audit", "factories_for_cli:unet", "--input", "image=1x3x8x8", *STRUCTURE).code == 0


def test_prints_of_a_factory_stay_off_stdout(upweave: Upweave) -> None:
    found = upweave("audit", "factories_for_cli:uneven", "--input", "1x3x8x8", "--format", "json")
    assert found.out.startswith("{")
    assert "built" not in found.out


def test_configuration(upweave: Upweave, uneven: Path, folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.upweave]\nselect = ["UW1"]\nignore = ["uneven-coverage"]\n')
    assert upweave("audit", uneven).code == 0
    assert upweave("audit", uneven, "--ignore", "UW602").code == 1
    other = folder / "other.toml"
    other.write_text('[tool.upweave]\nselect = ["UW602"]\nfail-level = "note"\n')
    assert upweave("audit", uneven, "--config", other).code == 1
    assert upweave("audit", uneven, "--config", other, "--fail-level", "warning").code == 0


def test_silences_speak_of_the_target_as_typed(upweave: Upweave, uneven: Path, folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        '[tool.upweave]\nselect = ["UW1"]\n[[tool.upweave.silence]]\nrule = "UW101"\nmodel = "uneven.onnx"\n'
    )
    found = upweave("audit", "uneven.onnx")
    assert found.code == 0
    assert "1 finding silenced" in found.out


def test_dynamic_axes_with_input(upweave: Upweave, folder: Path) -> None:
    from tests.cli.conftest import write_onnx

    write_onnx(folder / "dynamic.onnx", size="n")
    assert upweave("audit", "dynamic.onnx", "--input", "1x3x16x16", *STRUCTURE).code == 1
    assert upweave("audit", "dynamic.onnx", "--input", "x=1x3x16x16:float32", *STRUCTURE).code == 1


def spawn(*args: str, cwd: Path, **kw: object) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    return subprocess.run(
        [sys.executable, "-m", "upweave", *args], cwd=cwd, env=env, capture_output=True, text=True, **kw
    )


def test_runs_as_a_module_and_imports_little(folder: Path, uneven: Path) -> None:
    heavy = {"torch", "jinja2", "scipy", "matplotlib"}
    code = f"import sys; from upweave.cli import run; run(sys.argv[1:]); print(sorted({heavy} & set(sys.modules)))"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    found = subprocess.run(
        [sys.executable, "-c", code, "audit", "uneven.onnx"], cwd=folder, env=env, capture_output=True, text=True
    )
    assert found.stdout.splitlines()[-1] == "[]", found.stdout + found.stderr
    assert spawn("audit", "uneven.onnx", cwd=folder).returncode == 1


def test_a_small_file_takes_less_than_two_seconds(folder: Path, uneven: Path) -> None:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        spawn("audit", "uneven.onnx", cwd=folder)
        times.append(time.perf_counter() - start)
    assert min(times) < 2, times


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_goes_away(folder: Path, uneven: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    command = f"{sys.executable} -m upweave audit uneven.onnx --format json | true; echo ${{PIPESTATUS[0]}}"
    found = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True)
    assert found.stderr == ""
    assert found.stdout.strip() in ("0", "1")
