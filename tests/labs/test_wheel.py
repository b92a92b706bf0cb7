"""What is installed has all that the labs need: a wheel is built, unpacked, and its labs are saved from there alone."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("marimo")
pytest.importorskip("scikit_build_core", reason="what builds the wheel; the Makefile installs it")

from tests.labs.conftest import SOURCE
from upweave.labs import LABS

BUILD = "import sys; from scikit_build_core.build import build_wheel; print(build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a wheel, built from this source tree without its native core, which the labs do not need."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        cwd=SOURCE.parent,
        env=os.environ | {"UPWEAVE_NATIVE": "0"},
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_every_file_of_the_package_is_in_the_wheel(unpacked: Path) -> None:
    def files(root: Path) -> set[str]:
        every = (p for p in (root / "upweave").rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        return {p.relative_to(root).as_posix() for p in every if p.suffix not in (".so", ".pyd", ".dylib")}

    assert files(unpacked) == files(SOURCE)
    assert "upweave/labs/kit/static/figure.js" in files(unpacked)


def test_labs_are_saved_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    """From another folder, with nothing of the source tree in reach."""
    env = os.environ | {"PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-P", "-c", RUN, "lab", "--export", "site"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[0]).is_relative_to(unpacked)
    for lab in LABS:
        assert (tmp_path / "site" / lab.name / "index.html").stat().st_size > 20_000


RUN = """
import runpy, sys
# an editable installation finds the source tree first, whatever the path says
sys.meta_path = [f for f in sys.meta_path if type(f).__name__ != "ScikitBuildRedirectingFinder"]
import upweave
print(upweave.__file__, flush=True)
sys.argv[0] = "upweave"
runpy.run_module("upweave", run_name="__main__", alter_sys=True)
"""
