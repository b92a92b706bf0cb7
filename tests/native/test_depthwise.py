"""The depthwise stencil: every instruction set, dtype and number of channels against float64, and when it is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.memory import Guarded
from tests.native.problems import LIMITS, NUMPY, Operands, Run, value
from tests.ops.close import assert_close
from upweave.ops import native
from upweave.ops.activation import ACTIVATIONS
from upweave.ops.choice import choose
from upweave.ops.depthwise import Depthwise
from upweave.ops.problem import Problem, problem

pytestmark = pytest.mark.skipif(not native.available(), reason=native.why_not() or "the native core is here")

TARGETS = native.targets() or ("none",)


def kernel_of(p: Problem, dtype: str, isa: str, *, channels_last: bool = True, activation: str = "none") -> Any:
    """The core's stencil for a problem."""
    geometry = native._geometry(p, dtype, channels_last, native.FORWARD, activation, 0.2)
    return native._core().module.DepthwiseKernel(isa, geometry)


def outputs(
    p: Problem, dtype: str, isa: str, *, activation: str = "none", bias: bool = True, threads: int = 1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, float]:
    """(got, expected, norm before the activation); what lies around the output must stay as it was."""
    o = Operands(Run(p, dtype, True, isa), bias=bias, seed=seed)
    kernel = kernel_of(p, dtype, isa, activation=activation)
    packed = kernel.pack(o.weight.ctypes.data, threads)
    y = Guarded((p.batch, *p.out, p.c_out), NUMPY[dtype].__name__)
    at = (o.x.ctypes.data, 0, packed, o.bias.ctypes.data if bias else 0, y.array.ctypes.data)
    assert kernel.run(*at, threads)
    y.check()
    return np.moveaxis(value(y.array, dtype), -1, 1), o.expected(activation, 0.2), float(np.linalg.norm(o.expected()))


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Any depthwise problem: with gaps, dilation, more padding than stride, an empty batch."""
    rank = draw(st.integers(1, 3))
    stride, dilation = (tuple(draw(st.integers(1, n)) for _ in range(rank)) for n in (4, 3))
    kernel = tuple(draw(st.integers(1, 6)) for _ in range(rank))
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(draw(st.integers(0, span)) for span in spans)
    extra = tuple(draw(st.integers(0, s - 1)) for s in stride)
    size = tuple(draw(st.integers(1, {1: 600, 2: 24, 3: 8}[rank])) for _ in range(rank))
    out = [(n - 1) * s - 2 * p + k + e for n, s, p, k, e in zip(size, stride, padding, spans, extra, strict=True)]
    size = tuple(n + max(0, -(-(1 - o) // s)) for n, o, s in zip(size, out, stride, strict=True))
    channels = draw(st.sampled_from([1, 3, 4, 7, 8, 15, 16, 17, 33, 64]))
    p = problem(
        (draw(st.integers(0, 3)), channels, *size), (channels, 1, *kernel), stride=stride, padding=padding,
        output_padding=extra, groups=channels, dilation=dilation,
    )  # fmt: skip
    return {
        "p": p, "dtype": draw(st.sampled_from(sorted(LIMITS))), "isa": draw(st.sampled_from(TARGETS)),
        "activation": draw(st.sampled_from(sorted(ACTIVATIONS))), "bias": draw(st.booleans()),
        "threads": draw(st.integers(1, 3)), "seed": draw(st.integers(0, 9)),
    }  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(cases())
def test_any_problem(case: dict[str, Any]) -> None:
    got, want, norm = outputs(**case)
    assert_close(got, want, limit=LIMITS[case["dtype"]], scale=norm)


def test_an_output_that_is_too_large_for_the_caches() -> None:
    """Whole lines are then written past them."""
    p = problem((1, 64, 200, 200), (64, 1, 4, 4), stride=2, padding=1, groups=64)
    got, want, _ = outputs(p, "float32", native.isa(), threads=2)
    assert_close(got, want, limit=1e-6)


def test_numbers_that_are_not_finite_spoil_what_reads_them_and_nothing_else() -> None:
    p = problem((1, 16, 5, 5), (16, 1, 4, 4), stride=2, padding=1, groups=16)
    o = Operands(Run(p, "float32", True, native.isa()))
    o.x[0, 2, 2, 3], o.x[0, 0, 0, 5], o.weight[7, 0, 1, 2] = np.nan, np.inf, -np.inf
    y = np.empty((1, *p.out, 16), np.float32)
    assert native.forward(p, "float32", True, o.x.ctypes.data, o.weight.ctypes.data, o.bias.ctypes.data, y.ctypes.data)
    with np.errstate(all="ignore"):
        assert_close(np.moveaxis(y, -1, 1), o.expected(), limit=1e-6)
    assert np.isnan(y[..., 3]).sum() == 16
    assert np.isfinite(y).mean() > 0.8


def test_the_choice() -> None:
    p = problem((1, 32, 20, 20), (32, 1, 4, 4), stride=2, padding=1, groups=32)
    found = choose(p, channels_last=True)
    assert isinstance(found, Depthwise)
    assert (found.algorithm, found.saved) == ("depthwise", 1)
    assert native.chosen(p, "float64", True).layout.endswith("depthwise")
    for other, last in (
        (p, False),  # positions fill the vectors
        (problem((1, 32, 20, 20), (32, 2, 4, 4), stride=2, groups=32), True),
        (problem((1, 32, 20, 20), (32, 1, 4, 4), stride=2, groups=16), True),
    ):
        assert not isinstance(choose(other, channels_last=last), Depthwise)


@pytest.mark.parametrize(
    ("p", "last", "why"),
    [
        (problem((1, 4, 9), (4, 1, 3), groups=4), False, "channels last"),
        (problem((1, 4, 9), (4, 1, 3), groups=2), True, "one channel in"),
        (problem((1, 4, 9), (4, 2, 3), groups=4), True, "one out"),
    ],
)
def test_the_core_refuses_other_layers(p: Problem, last: bool, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        kernel_of(p, "float32", native.isa(), channels_last=last)
