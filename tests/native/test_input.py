"""What the core must never see is refused in Python, in one line that names the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import upweave
from upweave.ops import native
from upweave.ops.problem import problem

F32 = np.float32
X, W, B = np.ones((2, 4, 5, 6), F32), np.ones((4, 3, 4, 4), F32), np.ones(3, F32)
LONG = np.lib.stride_tricks.as_strided(np.ones(1, F32), (1, 1, 2**31), (0, 0, 0))  # 8 GiB to whoever believes it
WIDE = np.lib.stride_tricks.as_strided(np.ones(1, F32), (1, 1, 2**20, 2**20), (0,) * 4)


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core's functions, gone: whoever gets that far fails with another error."""
    for name in ("forward", "compiled", "pack", "pack_key"):
        monkeypatch.setattr(native, name, None)


@pytest.mark.parametrize(("x", "weight", "bias", "more", "match"), [
    (X, W, None, {"stride": 10**9}, r"output would have shape \(2, 3, 4000000004, 5000000004\), which is more than"),
    (X, W, None, {"stride": 10**10}, r"stride \(10000000000, 10000000000\) is more than"),
    (X, W, None, {"stride": 10**30}, "stride .* is more than"),
    (X, W, None, {"dilation": 10**9}, "output would have shape .* which is more than can be addressed"),
    (X, W, None, {"padding": 10**9}, "gives an output of size"),
    (X, W, None, {"padding": 2**40}, "padding .* is more than"),
    (LONG, np.ones((1, 1, 1), F32), None, {}, r"input would have shape \(1, 1, 2147483648\)"),
    (WIDE, np.ones((1, 1, 1, 1), F32), None, {"stride": 2**11}, "is more than can be addressed"),
    (X, W, None, {"stride": 0}, r"stride must be at least 1, got \(0, 0\)"),
    (X, W, None, {"stride": -2}, r"stride must be at least 1, got \(-2, -2\)"),
    (X, W, None, {"padding": -1}, "padding .* -1"),
    (X, W, None, {"output_padding": -1}, "output_padding .* -1"),
    (X, W, None, {"dilation": 0}, r"dilation must be at least 1, got \(0, 0\)"),
    (X, W, None, {"groups": 0}, "groups must be at least 1, got 0"),
    (X, W, None, {"groups": 3}, "4 input channels do not split into 3 groups"),
    (X, W, None, {"stride": (2, 2, 2)}, r"stride \(2, 2, 2\) has 3 entries; the input has 2 spatial axes"),
    (X, W, None, {"stride": 1.5}, "stride must be an int"),
    (X, W[:3], None, {}, "input has 4 channels"),
    (X, W, np.ones(4, F32), {}, r"bias of shape \(4,\) does not fit 3 output channels"),
    (X, W, np.ones((3, 1), F32), {}, r"bias of shape \(3, 1\)"),
    (X[:, :, :0], W, None, {}, "is empty; only the batch may be 0"),
    (X, W[..., :0], None, {}, "weight of shape .* is empty"),
    (X, W.astype(np.float64), None, {}, "x is float32 and weight is float64"),
    (X.astype(np.int32), W.astype(np.int32), None, {}, "x is int32"),
    (X.astype(np.float16), W.astype(np.float16), None, {}, "x is float16"),
    (X.astype(np.complex64), W, None, {}, "x is complex64"),
    (X.astype(object), W, None, {}, "x is object"),
])  # fmt: skip
@pytest.mark.usefixtures("unreachable")
def test_refused_before_the_core(x: Any, weight: Any, bias: Any, more: Any, match: str) -> None:
    with pytest.raises(upweave.SpecError, match=match) as error:
        upweave.conv_transpose(x, weight, bias, **more, backend="native")
    assert "\n" not in str(error.value)


def test_an_output_too_large_for_memory_is_a_memory_error() -> None:
    x, weight = np.ones((1, 1, 2), F32), np.ones((1, 2**16, 1), F32)
    with pytest.raises(MemoryError):
        upweave.conv_transpose(x, weight, stride=2**31 - 3, backend="native")


def test_strides_that_fit_are_run() -> None:
    """A stride of a million between two inputs: two taps a phase, everything else is bias."""
    x, weight = np.float32([[[2, 3]]]), np.float32([[[5, 7]]])
    y = upweave.conv_transpose(x, weight, np.float32([1]), stride=10**6, backend="native")[0, 0]
    assert y.shape == (10**6 + 2,)
    assert y[[0, 1, 10**6, 10**6 + 1]].tolist() == [11, 15, 16, 22]
    assert (np.delete(y, [0, 1, 10**6, 10**6 + 1]) == 1).all()


def test_the_core_checks_what_python_must_not_get_wrong() -> None:
    p, other = problem((1, 4, 5), (4, 3, 4)), problem((1, 4, 5), (4, 3, 6))
    kernel, weight = native.compiled(other, "float32").kernel, np.ones((4, 3, 4), F32)
    packed = native.pack(p, "float32", False, weight.ctypes.data)
    with pytest.raises(ValueError, match="packed for another kernel"):
        kernel.run(X.ctypes.data, 0, packed, 0, X.ctypes.data, 1)
    with pytest.raises(ValueError, match="no target 'abacus'"):
        native.compiled(p, "float32", isa="abacus")
