"""The operator's edge: kinds, dtypes, `out`, backends by name, and the way to the native core's memory."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import upweave
from tests.ops.cases import LAYOUTS, Case, cases
from tests.ops.close import assert_close
from upweave.ops import native
from upweave.ops.activation import activate
from upweave.ops.problem import Problem
from upweave.ops.vectorised import vectorised

F32 = np.float32
X, W, B = np.ones((2, 4, 5, 6), F32), np.ones((4, 3, 4, 4), F32), np.ones(3, F32)


def test_the_article_s_example() -> None:
    """N = 5, k = 3, s = 2, p = 1, w = (2, −1, 3)."""
    y = upweave.conv_transpose(np.eye(3)[:, None], np.array([[[2.0, -1.0, 3.0]]]), stride=2, padding=1)
    np.testing.assert_array_equal(y[:, 0], upweave.matrix(upweave.ConvTranspose(3, 2, 1), 3, [2.0, -1, 3]).toarray().T)


def test_arrays_need_no_torch() -> None:
    code = (
        "import sys, numpy as np, upweave as u; x = np.ones((1, 2, 5)); w = np.ones((2, 3, 4));"
        "y = u.conv_transpose(x, w, stride=2); u.explain_plan(x, w); u.available_backends();"
        "u.upsample(x, u.phase_bank(u.ConvTranspose(4, 2, 1), w));"
        "print(y.shape, sorted({'torch', 'scipy', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 3, 12) []"


@pytest.mark.parametrize(
    ("arguments", "more", "match"),
    [
        (([[1.0]], W), {}, "x must be a NumPy array or a torch tensor, got list"),
        ((None, W), {}, "got NoneType"),
        ((X, W.tolist()), {}, "x is a NumPy array and weight is a list; all must be of one kind"),
        ((X, W, [1, 1, 1]), {}, "bias is a list"),
        ((X, W), {"out": [0]}, "out is a list"),
        ((X.astype(np.int64), W), {}, "x is int64; arrays must be float32 or float64"),
        ((X.astype(np.float16), W.astype(np.float16)), {}, "x is float16; arrays"),
        ((X.astype(np.complex64), W), {}, "x is complex64; arrays"),
        ((X.astype(">f4"), W), {}, "x is >f4; arrays must be float32 or float64 in native byte order"),
        ((X, W.astype(np.float64)), {}, "x is float32 and weight is float64; all must have one dtype"),
        ((X, W, B.astype(np.int32)), {}, "x is float32 and bias is int32"),
        ((X, W), {"out": np.ones((2, 3, 8, 9))}, "x is float32 and out is float64"),
        ((X, W[0, 0]), {}, r"weight of shape \(4, 4\) has 2 axes; it needs 3, 4 or 5"),
        ((X, np.ones((1,) * 6, F32)), {}, "has 6 axes"),
        ((X[0, 0], W), {}, r"a weight of shape \(4, 3, 4, 4\) does not fit an input of shape \(5, 6\)|0 spatial axes"),
        ((X, W[:3]), {}, "input has 4 channels, the weight of shape"),
        ((X, W, B[:2]), {}, r"bias of shape \(2,\) does not fit 3 output channels"),
        ((X, W), {"stride": -1}, "stride must be at least 1"),
        ((X, W), {"stride": 2.0}, "stride must be an int or a tuple of ints, got 2.0"),
        ((X, W), {"stride": 2**40}, "stride .* is more than"),
        ((X, W), {"activation": "gelu"}, "activation must be"),
        ((np.ma.masked_array(X), W), {}, "x is a masked array"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(arguments: Any, more: Any, match: str) -> None:
    with pytest.raises(upweave.SpecError, match=match) as error:
        upweave.conv_transpose(*arguments, **more)
    assert "\n" not in str(error.value)


def test_mixed_kinds() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(upweave.SpecError, match="x is a NumPy array and weight is a torch tensor; all must be of one"):
        upweave.conv_transpose(X, torch.ones(4, 3, 4, 4))
    with pytest.raises(upweave.SpecError, match="x is a torch tensor and weight is a NumPy array"):
        upweave.conv_transpose(torch.ones(2, 4, 5, 6), W)
    with pytest.raises(upweave.SpecError, match="x is a torch tensor and bias is a list"):
        upweave.conv_transpose(torch.ones(2, 4, 5, 6), torch.ones(4, 3, 4, 4), [1.0])


@pytest.mark.parametrize(
    ("backend", "match"),
    [
        ("gpu", "no backend is called 'gpu'; there are native, triton, numpy, torch, reference, and auto"),
        (None, "called None"),
    ],
)
def test_unknown_backends(backend: Any, match: str) -> None:
    with pytest.raises(upweave.BackendError, match=match):
        upweave.conv_transpose(X, W, backend=backend)


def test_a_backend_that_is_not_here_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "why_not", lambda: "turned off by UPWEAVE_NATIVE=0")
    with pytest.raises(upweave.BackendError, match="native core not available: turned off by UPWEAVE_NATIVE=0"):
        upweave.conv_transpose(X, W, backend="native")
    assert upweave.conv_transpose(X, W).shape == (2, 3, 8, 9)


class TestOut:
    """Where the output goes, and what is refused before anything is written."""

    SHAPE = (2, 3, 8, 9)
    UNALIGNED = np.zeros(4 * 432 + 1, np.uint8)[1:].view(F32).reshape(SHAPE)

    def test_it_is_written_and_returned(self) -> None:
        out = np.full(self.SHAPE, np.nan, F32)
        assert upweave.conv_transpose(X, W, B, out=out) is out
        np.testing.assert_array_equal(out, upweave.conv_transpose(X, W, B))

    @pytest.mark.parametrize(
        ("out", "match"),
        [
            (np.ones((2, 3, 8, 8), F32), r"out has shape \(2, 3, 8, 8\), the output has \(2, 3, 8, 9\)"),
            (np.ones((2, 3, 9, 8), F32).swapaxes(2, 3), "must be C-contiguous, aligned and writeable"),
            (UNALIGNED, "must be C-contiguous, aligned and writeable"),
            (np.broadcast_to(np.ones((), F32), SHAPE), "must be C-contiguous, aligned and writeable"),
        ],
    )
    def test_misfits(self, out: np.ndarray, match: str) -> None:
        with pytest.raises(upweave.SpecError, match=match):
            upweave.conv_transpose(X, W, out=out)

    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_overlap(self, which: int) -> None:
        room = np.ones(2000, F32)
        operands = [X, W, B]
        shape = operands[which].shape
        operands[which] = room[100 : 100 + operands[which].size].reshape(shape)
        out = room[: np.prod(self.SHAPE)].reshape(self.SHAPE)
        with pytest.raises(upweave.SpecError, match="out overlaps the memory of x, weight or bias"):
            upweave.conv_transpose(*operands, out=out)


@pytest.fixture(scope="class")
def stand_in() -> Any:
    """The native core's contract kept by a stand-in: it is given addresses of contiguous memory and nothing else."""

    def forward(
        p: Problem, dtype: str, channels_last: bool, x: int, weight: int, bias: int, y: int,
        activation: str = "none", slope: float = 0.01, threads: int = 0, packed: object | None = None,
    ) -> None:  # fmt: skip
        assert p.batch > 0

        def at(address: int, shape: tuple[int, ...]) -> np.ndarray:
            kind = {"float32": ctypes.c_float, "float64": ctypes.c_double}[dtype]
            return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(kind)), shape)

        def image(address: int, shape: tuple[int, ...]) -> np.ndarray:
            n, c, *size = shape
            return np.moveaxis(at(address, (n, *size, c)), -1, 1) if channels_last else at(address, shape)

        made = vectorised(
            image(x, p.input_shape), at(weight, p.weight_shape), at(bias, (p.c_out,)) if bias else None, p
        )
        activate(made, activation, slope)
        image(y, p.output_shape)[...] = made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "why_not", lambda: "")
        patch.setattr(native, "available", lambda: True)
        patch.setattr(native, "forward", forward)
        yield


@pytest.mark.usefixtures("stand_in")
class TestBridge:
    """Arrays reach the native core as the memory that it expects, whatever they look like."""

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @settings(max_examples=150)
    @given(case=cases(), layouts=st.tuples(*(st.sampled_from(LAYOUTS),) * 2))
    def test_layouts(self, dtype: str, case: Case, layouts: tuple[str, str]) -> None:
        x, weight = case.operands(dtype, layouts[0])[0], case.operands(dtype, layouts[1])[1]
        bias = None if case.bias is None else np.repeat(case.bias.astype(dtype), 2)[::2]
        got = upweave.conv_transpose(x, weight, bias, **case.keywords, backend="native")
        want, scale = case.expected(dtype)
        assert_close(got, want, scale=scale)
        if case.p.batch:
            sample = upweave.conv_transpose(x[0], weight, bias, **case.keywords)
            assert_close(sample, want[0], scale=scale)
            out = np.full(got.shape, np.nan, dtype)
            assert upweave.conv_transpose(x, weight, bias, **case.keywords, out=out) is out
            assert_close(out, want, scale=scale)

    def test_channels_last_stays_so_without_a_copy(self) -> None:
        x = np.moveaxis(np.random.default_rng(0).random((2, 5, 6, 4)), -1, 1)
        y = upweave.conv_transpose(x, W.astype(float), stride=2)
        assert np.moveaxis(y, 1, -1).flags.c_contiguous
        np.testing.assert_allclose(y, upweave.conv_transpose(x, W.astype(float), stride=2, backend="numpy"))

    def test_it_is_the_automatic_choice(self) -> None:
        assert upweave.explain_plan(X, W).backend == "native"
        assert upweave.available_backends()["native"] == ""
