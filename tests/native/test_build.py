"""The native core is there where it must be, and is chosen and turned off by its variables."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from native.check_symbols import leaks, main
from tests.conftest import IN_CI
from upweave.ops import native

CALL = """
import numpy as np, upweave
from upweave.ops import native
x, weight = np.ones((1, 2, 3), np.float32), np.ones((2, 3, 4), np.float32)
def outcome(backend):
    try:
        return upweave.conv_transpose(x, weight, stride=2, padding=1, backend=backend).sum()
    except upweave.BackendError as error:
        return f"BackendError: {error}"
plan = upweave.explain_plan(x, weight, stride=2, padding=1)
print(native.isa(), native.why_not(), outcome("native"), outcome("auto"), plan.backend, plan.reason, sep="|")
"""


def run(**variables: str) -> list[str]:
    """[isa, why not, outcome of backend="native", of "auto", backend of the plan, its reason], in a fresh process."""
    kept = {name: value for name, value in os.environ.items() if name not in ("UPWEAVE_NATIVE", "UPWEAVE_ISA")}
    path = os.pathsep.join(p for p in sys.path if p)
    ran = subprocess.run(
        [sys.executable, "-c", CALL], env={**kept, "PYTHONPATH": path, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip().split("|")


def needs_core() -> None:
    if not native.available():
        pytest.skip(native.why_not())


def test_ci_has_built_it() -> None:
    """Without a compiler the package installs as pure Python; that a broken build does too must not go unseen."""
    if not IN_CI:
        needs_core()
    assert native.why_not() == ""
    assert native.targets()[-1] == "baseline"
    assert native.isa() in native.targets()


@pytest.mark.parametrize("isa", ["", *native.targets()])
def test_each_instruction_set_can_be_chosen(isa: str) -> None:
    needs_core()
    used, why_not, by_name, by_itself, backend, _ = run(UPWEAVE_ISA=isa)
    assert used == (isa or native.targets()[0])
    assert (why_not, backend) == ("", "native")
    # taps 0 … 3 of three inputs make 12 products, of which the padding crops two: 10 · C_in · C_out
    assert float(by_name) == float(by_itself) == 60


def test_an_unknown_instruction_set_is_an_error_by_name_and_a_reason_otherwise() -> None:
    needs_core()
    used, why_not, by_name, by_itself, backend, why = run(UPWEAVE_ISA="altivec")
    assert used == ""
    assert why_not == f"UPWEAVE_ISA=altivec is not among this build's and processor's: {', '.join(native.targets())}"
    assert by_name.startswith("BackendError: ")
    assert why_not in by_name
    assert (float(by_itself), backend) == (60, "numpy")
    assert why_not in why


def test_it_can_be_turned_off() -> None:
    used, why_not, by_name, by_itself, backend, why = run(UPWEAVE_NATIVE="0")
    assert used == ""
    assert "UPWEAVE_NATIVE=0" in why_not
    assert by_name.startswith("BackendError: ")
    assert why_not in by_name
    assert (float(by_itself), backend) == (60, "numpy")
    assert why_not in why


def test_symbols_of_one_instruction_set_keep_to_its_namespace() -> None:
    own = "0000000000000000 W _ZN7upweave4avx24copyIffEEvPT_PKT0_ll\n0000000000000400 D _ZN7upweave11target_avx2E\n"
    local = "0000000000000000 t _ZNSt6vectorIiSaIiEE9push_backEOi\n                 U memcpy\n"
    shared = "0000000000000000 V DW.ref.__gxx_personality_v0\n"
    assert leaks(own + local + shared, "avx2") == []
    assert leaks(own, "avx512") == ["_ZN7upweave4avx24copyIffEEvPT_PKT0_ll"]
    assert leaks("0000000000000000 W _ZNSt6vectorIiE5clearEv", "avx2") == ["_ZNSt6vectorIiE5clearEv"]
    assert leaks("0000000000000000 t _GLOBAL__sub_I_target.cpp", "avx2") == ["_GLOBAL__sub_I_target.cpp"]


@pytest.mark.skipif(not (shutil.which("g++") and shutil.which("nm")), reason="no g++ and nm to compile with")
def test_a_leak_is_seen_in_an_object(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bodies = {"clean": "return 2 * x;", "leaky": "std::vector<int> v; v.push_back(x); return v[0];"}
    for name, body in bodies.items():
        source, made = tmp_path / f"{name}.cpp", tmp_path / f"{name}.o"
        source.write_text(f"#include <vector>\nnamespace upweave::avx2 {{ int f(int x) {{ {body} }} }}")
        subprocess.run(["g++", "-O0", "-c", str(source), "-o", str(made)], check=True)
        assert main("nm", f"avx2={made}") == (name == "leaky")
        assert ("push_back" in capfd.readouterr().err) == (name == "leaky")
