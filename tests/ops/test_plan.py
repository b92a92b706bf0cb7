"""Every branch of the choice by its name, and what a plan says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import upweave
from upweave.ops import native
from upweave.ops.plan import BACKENDS, INTERPRETER, PREFERENCE, Plan, choose, itemsize
from upweave.ops.problem import problem
from upweave.ops.schedule import schedule

P = problem((2, 8, 16, 16), (8, 4, 4, 4), stride=2, padding=1)
DEPTHWISE = problem((2, 8, 16), (8, 1, 4), stride=2, padding=1, groups=8)
NO_CORE = {"native": "no compiler was found"}


def test_arrays_take_the_native_core_first() -> None:
    found = upweave.plan(P, dtype="float64", threads=2)
    core = schedule(P, dtype="float64", channels_last=False, threads=2)
    assert (found.backend, found.algorithm) == ("native", core.algorithm)
    assert found.reason == f"the native core comes first, and can run this; {core.algorithm}: {core.why}"


def test_arrays_without_the_core_take_numpy() -> None:
    found = upweave.plan(P, missing=NO_CORE)
    assert (found.backend, found.algorithm) == ("numpy", "tap_gemm")
    assert found.reason == "native core not available: no compiler was found; numpy runs instead"
    assert upweave.plan(DEPTHWISE, missing=NO_CORE).algorithm == "tap_scale"


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_tensors_take_the_native_core_first(dtype: str) -> None:
    assert upweave.plan(P, kind="torch", dtype=dtype).backend == "native"


@pytest.mark.parametrize(
    ("dtype", "device", "missing", "reason"),
    [
        ("float32", "cpu", NO_CORE, "native core not available: no compiler was found; torch runs instead"),
        ("float16", "cpu", {}, "the native core takes float32, bfloat16, float64, not float16; torch runs instead"),
        ("int64", "cpu", {}, "the native core takes float32, bfloat16, float64, not int64; torch runs instead"),
        ("float64", "cuda", {}, "Triton takes float32, bfloat16, float16, not float64; torch runs instead"),
        (
            "float32",
            "cuda",
            {"triton": "PyTorch sees no GPU"},
            "Triton not available: PyTorch sees no GPU; torch runs instead",
        ),
        ("float32", "meta", {}, "the native core runs on the CPU, and the tensors are on meta; torch runs instead"),
    ],
)
def test_tensors_that_take_torch(dtype: str, device: str, missing: dict[str, str], reason: str) -> None:
    found = upweave.plan(P, kind="torch", dtype=dtype, device=device, missing=missing)
    assert (found.backend, found.algorithm, found.reason) == ("torch", "aten", reason)


WIDE = problem((2, 8, 16, 16), (8, 64, 4, 4), stride=2, padding=1)
ON_GPU: dict[str, Any] = {"kind": "torch", "dtype": "bfloat16", "device": "cuda"}


@pytest.mark.parametrize(
    ("p", "more", "backend", "algorithm", "reason"),
    [
        (WIDE, {}, "torch", "aten", "cuDNN is expected to be faster than Triton here, unless measured otherwise"),
        (problem((1, 64, 100), (64, 32, 4), stride=2), {}, "triton", "phase_gemm", "cuDNN is weak in 1-D"),
        (problem((1, 64, 9, 9, 9), (64, 32, 2, 2, 2), stride=2), {}, "triton", "shuffle_gemm", "cuDNN is weak in 3-D"),
        (problem((1, 64, 9, 9), (64, 32, 2, 2), stride=2), {}, "triton", "shuffle_gemm", "k = s is one matrix product"),
        (
            problem((1, 64, 9, 9), (64, 3, 4, 4), stride=2, padding=1),
            {},
            "triton",
            "few_outputs",
            "cuDNN is weak with 3",
        ),
        (DEPTHWISE, {}, "triton", "stencil", "depthwise, or groups too narrow"),
        (DEPTHWISE, {"dtype": "float32", "tf32": False}, "triton", "stencil", "depthwise, or groups too narrow"),
        (problem((1, 64, 9, 9), (64, 64, 4, 4), stride=2, groups=2), {}, "triton", "phase_gemm", "weak in grouped"),
        (problem((1, 64, 100), (64, 32, 4), stride=2), {"dtype": "float32", "tf32": False}, "torch", "aten", "cuDNN"),
        (problem((1, 64, 100), (64, 32, 512), stride=256), {}, "triton", "long_kernel", "cuDNN is weak in 1-D"),
    ],
)
def test_tensors_on_a_gpu(p: Any, more: Any, backend: str, algorithm: str, reason: str) -> None:
    found = upweave.plan(p, **{**ON_GPU, **more})
    assert (found.backend, found.algorithm) == (backend, algorithm)
    assert reason in found.reason
    by_name = upweave.plan(p, **{**ON_GPU, **more}, backend="triton")
    assert by_name.backend == "triton"
    assert by_name.reason.startswith("asked for by name; ")


def test_many_groups_of_phases_are_left_to_torch() -> None:
    dilated = problem((1, 8, 20, 20), (8, 8, 30, 30), stride=23, dilation=9)
    found = upweave.plan(dilated, **ON_GPU)
    assert found.backend == "torch"
    assert "groups of phases, the kernels know 64; torch runs instead" in found.reason
    with pytest.raises(upweave.BackendError, match=r"backend 'triton' cannot run this: .* groups of phases"):
        upweave.plan(dilated, **ON_GPU, backend="triton")


def test_a_plan_for_a_gpu_names_it() -> None:
    found = upweave.plan(P, **ON_GPU)
    assert found.seconds == pytest.approx(found.bytes / 3.35e12)
    assert str(found).endswith("ms on a nominal GPU, H100 SXM")


def test_the_reference_is_never_automatic() -> None:
    assert not any("reference" in names for names in PREFERENCE.values())
    found = upweave.plan(P, backend="reference")
    assert (found.backend, found.algorithm, found.reason) == ("reference", "loops", "asked for by name")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_asked_for_by_name(backend: str, kind: Any) -> None:
    if backend == "triton":
        pytest.skip("it runs on no CPU")
    assert choose(kind, "float32", "cpu", backend, {}) == (backend, "asked for by name")


@pytest.mark.parametrize("device", ["cuda", INTERPRETER])
def test_triton_by_name(device: str) -> None:
    assert choose("torch", "float16", device, "triton", {}) == ("triton", "asked for by name")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (
            ("numpy", "float32", "cpu", "native", NO_CORE),
            "'native' cannot run this: native core not available: no c",
        ),
        (("torch", "float32", "cuda", "native", {}), "native core runs on the CPU, and the tensors are on cuda"),
        (("torch", "float16", "cpu", "native", {}), "takes float32, bfloat16, float64, not float16"),
        (("torch", "bfloat16", "cpu", "numpy", {}), "NumPy backend takes float32, float64, not bfloat16"),
        (("torch", "int64", "cpu", "reference", {}), "reference takes .* not int64"),
        (("numpy", "float32", "cpu", "torch", {"torch": "not installed"}), "torch not available: not installed"),
        (
            ("numpy", "float32", "cpu", "abacus", {}),
            "no backend is called 'abacus'; there are native, triton, numpy, torch",
        ),
        (("numpy", "float32", "cpu", "triton", {}), "Triton runs tensors on a GPU, not arrays"),
        (("torch", "float32", "cpu", "triton", {}), "Triton runs on a GPU, and the tensors are on cpu"),
        (("torch", "float64", "cuda", "triton", {}), "Triton takes float32, bfloat16, float16, not float64"),
        (("torch", "float32", "cuda", "triton", {"triton": "no driver"}), "Triton not available: no driver"),
        (("numpy", "int32", "cpu", "auto", {}), "no backend can run this: the native core takes .*; the NumPy backend"),
    ],
)
def test_what_cannot_run_raises(arguments: Any, match: str) -> None:
    with pytest.raises(upweave.BackendError, match=match) as error:
        choose(*arguments)
    assert isinstance(error.value, upweave.UpweaveError)


def test_cost() -> None:
    found = upweave.plan(P, threads=2, peak=1e9, bandwidth=1e30)
    assert found.multiplies == 2 * 8 * 4 * 16 * 16 * 16
    assert found.seconds == pytest.approx(2 * found.multiplies / 2e9)
    assert upweave.plan(P, threads=2, peak=1e9, bandwidth=1e30, dtype="float64").seconds == 2 * found.seconds
    moved = upweave.plan(P, peak=1e30, bandwidth=1e6)
    assert moved.bytes == 4 * (2 * 8 * 256 + 8 * 4 * 16 + 2 * 4 * 1024)
    assert moved.seconds == pytest.approx(moved.bytes / 1e6)
    assert 2 * upweave.plan(P, kind="torch", dtype="bfloat16").bytes == moved.bytes


@pytest.mark.parametrize(
    ("dtype", "size"), [("float16", 2), ("bfloat16", 2), ("complex64", 8), ("int8", 1), ("bool", 1)]
)
def test_itemsize(dtype: str, size: int) -> None:
    assert itemsize(dtype) == size


def test_a_plan_prints_all_of_itself() -> None:
    text = str(upweave.plan(problem((1, 8, 5), (8, 1, 4), stride=3, groups=8), threads=2, missing=NO_CORE))
    assert text.splitlines() == [
        "numpy: tap_scale",
        "  why         native core not available: no compiler was found; numpy runs instead",
        "  input       (1, 8, 5), arrays of float32 on cpu",
        "  weight      (8, 1, 4), stride 3, groups 8",
        "  output      (1, 8, 16)",
        "  multiplies  160",
        "  bytes       800",
        "  at least    5e-05 ms on a nominal machine with 2 threads",
    ]
    uneven = problem((1, 1, 5, 5), (1, 1, 3, 3), stride=(2, 1), padding=(1, 0))
    assert "stride (2, 1), padding (1, 0)" in str(upweave.plan(uneven))
    assert "tensors of bfloat16 on cpu, channels last" in str(
        upweave.plan(P, kind="torch", dtype="bfloat16", channels_last=True)
    )


class TestExplain:
    """The same plan, with this machine's circumstances."""

    X, W = np.zeros((2, 8, 16, 16), np.float32), np.zeros((8, 4, 4, 4), np.float32)

    def test_arrays(self) -> None:
        found = upweave.explain_plan(self.X, self.W, np.zeros(4, np.float32), stride=2, padding=1)
        assert isinstance(found, Plan)
        assert (found.problem, found.kind, found.dtype, found.device) == (P, "numpy", "float32", "cpu")
        assert found.threads >= 1
        assert found.backend == ("native" if native.available() else "numpy")

    def test_it_says_why_the_core_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(native, "why_not", lambda: "turned off by UPWEAVE_NATIVE=0")
        found = upweave.explain_plan(self.X, self.W, stride=2)
        assert found.reason == "native core not available: turned off by UPWEAVE_NATIVE=0; numpy runs instead"
        with pytest.raises(upweave.BackendError, match="turned off by UPWEAVE_NATIVE=0"):
            upweave.explain_plan(self.X, self.W, stride=2, backend="native")

    def test_it_says_when_the_core_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(native, "why_not", lambda: "")
        assert upweave.explain_plan(self.X, self.W, stride=2).backend == "native"

    def test_shapes(self) -> None:
        found = upweave.explain_plan((8, 16, 16), (8, 4, 4, 4), (4,), stride=2, padding=1, dtype="float64")
        assert (found.problem.input_shape, found.dtype) == ((1, 8, 16, 16), "float64")
        assert upweave.explain_plan([1, 8, 5], [8, 4, 4]).dtype == "float32"

    def test_layout(self) -> None:
        x = np.moveaxis(np.zeros((2, 16, 16, 8), np.float32), -1, 1)
        assert upweave.explain_plan(x, self.W, stride=2).channels_last
        assert upweave.explain_plan(x[0], self.W, stride=2).channels_last
        assert not upweave.explain_plan(self.X, self.W, stride=2).channels_last

    def test_tensors(self) -> None:
        torch = pytest.importorskip("torch")
        x, weight = torch.zeros(2, 8, 16, 16), torch.zeros(8, 4, 4, 4)
        found = upweave.explain_plan(x, weight, stride=2, padding=1)
        assert (found.kind, found.dtype, found.threads) == ("torch", "float32", torch.get_num_threads())
        last = x.to(memory_format=torch.channels_last)
        assert upweave.explain_plan(last, weight).channels_last
        assert upweave.explain_plan(x.half(), weight.half()).backend == "torch"
        assert upweave.explain_plan(x.to("meta"), weight.to("meta")).backend == "torch"
        found = upweave.explain_plan((1, 8, 4), (8, 4, 3), dtype=torch.bfloat16, device="cuda")
        assert (found.kind, found.dtype, found.device, found.backend) == ("torch", "bfloat16", "cuda", "torch")

    @pytest.mark.parametrize(
        ("arguments", "more", "match"),
        [
            (((1, 8, 4), (8, 4)), {}, r"weight of shape \(8, 4\) has 2 axes"),
            (((1, 8, 4), (9, 4, 3)), {}, "8 channels"),
            ((3, (8, 4, 3)), {}, "x must be an array, a tensor or a shape, got 3"),
            ((("a", 8, 4), (8, 4, 3)), {}, "x must be an array, a tensor or a shape"),
            (((1, 8, 4), (8, 4, 3)), {"dtype": "int32"}, "dtype is int32; arrays must be float32 or float64"),
            (
                ((1, 8, 4), (8, 4, 3)),
                {"dtype": "half a float"},
                "'half a float' is no dtype of NumPy; for tensors",
            ),
            ((np.zeros((1, 8, 4), int), np.zeros((8, 4, 3), int)), {}, "x is int64"),
        ],
    )
    def test_bad_input(self, arguments: Any, more: Any, match: str) -> None:
        with pytest.raises(upweave.SpecError, match=match):
            upweave.explain_plan(*arguments, **more)
