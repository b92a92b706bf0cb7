"""`upweave.nn` is there without an import of its own, and loads torch only when something of it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import upweave


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("name", sorted(upweave.nn._EXPORTS))
def test_every_listed_name_is_there(name):
    assert getattr(upweave.nn, name).__name__ in (name, "triangular_")  # bilinear_ is another name for that
    assert name in dir(upweave.nn)


def test_torch_is_loaded_at_first_use():
    code = (
        "import sys, upweave; upweave.nn; print('torch' in sys.modules); "
        "print(upweave.nn.init.he_normal_.__name__, 'torch' in sys.modules)"
    )
    assert _run(code).split() == ["False", "he_normal_", "True"]


def test_unknown_names_raise():
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(upweave.nn, "nonsense")  # noqa: B009
