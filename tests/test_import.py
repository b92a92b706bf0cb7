"""Importing Upweave costs next to nothing and loads nothing that is not needed."""

import subprocess
import sys

import pytest

import upweave


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_loads_no_heavy_package():
    code = "import sys, upweave; print(sorted({'torch', 'onnx', 'scipy', 'matplotlib'} & set(sys.modules)))"
    assert _run(code) == "[]"


def test_the_calculus_needs_numpy_alone():
    code = (
        "import sys, upweave as u; s = u.ConvTranspose(3, 2, 1); u.coverage(s); u.alignment(s); u.design(8, 16); "
        "u.image_rejection(s); u.output_size(s, 4); "
        "print(sorted({'torch', 'onnx', 'scipy'} & set(sys.modules)))"
    )
    assert _run(code) == "[]"


def test_import_takes_less_than_a_fifth_of_a_second():
    code = "import time; t = time.perf_counter(); import upweave, upweave.spec; print(time.perf_counter() - t)"
    assert min(float(_run(code)) for _ in range(3)) < 0.2


@pytest.mark.parametrize("name", sorted(set(upweave._EXPORTS) - {"Report", "valid_sizes"}))
def test_every_listed_name_is_there(name):
    assert getattr(upweave, name) is not None
    assert name in dir(upweave)


def test_layers_and_operators_do_not_load_the_compiler():
    """torch.compile's half of PyTorch takes more than a second and 140 MiB."""
    code = (
        "import sys, torch, upweave as u; layer = u.nn.ConvTranspose2d(4, 4, 4, stride=2); "
        "u.replace_layers(torch.nn.Sequential(layer))(torch.zeros(1, 4, 8, 8)).sum().backward(); "
        "print(sorted({'torch._dynamo', 'sympy', 'triton', 'onnx'} & set(sys.modules)))"
    )
    assert _run(code) == "[]"


def test_modules_are_there_without_an_import_of_their_own():
    assert _run("import upweave; print(upweave.testing.dot_test.__name__)") == "dot_test"


def test_unknown_names_raise():
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(upweave, "nonsense")  # noqa: B009
