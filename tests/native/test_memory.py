"""The native core keeps inside its memory and computes what it should, on every instruction set.

No PyTorch here: `make sanitize` runs these tests on a core built with AddressSanitizer, which sees each byte that is
read or written out of bounds; without it, fences around the outputs see what is written.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import upweave
from tests.native import memory
from tests.native.memory import Guarded
from tests.ops.cases import Case, cases
from tests.ops.close import assert_close
from upweave.ops import native
from upweave.ops.activation import ACTIVATIONS
from upweave.ops.problem import Problem, problem

pytestmark = pytest.mark.skipif(not native.available(), reason=native.why_not() or "the native core is here")

TARGETS = native.targets()


def made(batch: int, channels: tuple[int, int], size: tuple[int, ...], kernel: Any, **keywords: Any) -> Problem:
    kernel = (kernel,) * len(size) if isinstance(kernel, int) else kernel
    c_in, c_out = channels
    return problem((batch, c_in, *size), (c_in, c_out // keywords.get("groups", 1), *kernel), **keywords)


PROBLEMS = {
    "one of everything": made(1, (1, 1), (1,), 1),
    "one pixel": made(1, (3, 5), (1, 1), 4, stride=2, padding=1),
    "one voxel": made(2, (2, 3), (1, 1, 1), 3, stride=2, padding=1, output_padding=1),
    "a long line": made(1, (2, 1), (1003,), 16, stride=8, padding=4),
    "kernel below stride": made(2, (3, 2), (13,), 2, stride=5),
    "stride 1": made(2, (5, 7), (9, 11), 3, padding=1),
    "stride 3": made(1, (4, 6), (7, 5), 5, stride=3, padding=2, output_padding=2),
    "stride 7": made(1, (2, 3), (9, 10), (8, 9), stride=7, padding=2),
    "stride 20": made(1, (2, 2), (37,), 41, stride=20, padding=10),
    "strides of their own": made(2, (3, 4), (5, 7), (3, 6), stride=(1, 4), padding=(1, 0), output_padding=(0, 3)),
    "dilated": made(1, (3, 4), (9, 8), 3, stride=2, padding=2, dilation=3, output_padding=1),
    "dilated by the stride": made(2, (3, 2), (17,), 4, stride=2, dilation=2),
    "padding beyond the stride": made(1, (2, 3), (12, 13), 8, stride=2, padding=7),
    "cropped to nothing but one": made(1, (2, 3), (3,), 3, stride=2, padding=3),
    "groups": made(2, (6, 9), (5, 6), 4, stride=2, padding=1, groups=3),
    "depthwise": made(2, (19, 19), (9, 10), 4, stride=2, padding=1, groups=19),
    "depthwise line": made(1, (5, 10), (65,), 5, stride=1, padding=2, groups=5),
    "volume": made(1, (3, 5), (3, 4, 5), 4, stride=2, padding=1),
    "flat volume": made(2, (2, 3), (1, 6, 7), (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
    "many channels": made(1, (70, 50), (6, 7), 4, stride=2, padding=1),
    "one output channel": made(1, (33, 1), (21, 19), 9, stride=2, padding=4, output_padding=1),
    "one input channel": made(1, (1, 33), (10, 9), 4, stride=4),
    "many images of few pixels": made(17, (9, 8), (2, 2), 4, stride=2, padding=1),
    "several tiles": made(2, (24, 20), (31, 33), 4, stride=2, padding=1),
    "no image": made(0, (3, 4), (5, 6), 3, stride=2),
}


def near(got: np.ndarray, want: np.ndarray, dtype: str) -> None:
    # where two outputs of a standard normal sum cancel, the norm of the others is what rounding is relative to
    assert_close(memory.widened(got), want, limit=memory.LIMITS[dtype], scale=math.sqrt(want.size) * 0.5)


@pytest.fixture(params=TARGETS)
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("channels_last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("dtype", native.DTYPES)
def test_forward_stays_inside(isa: str, dtype: str, channels_last: bool, name: str) -> None:
    p = PROBLEMS[name]
    o = memory.operands(p, dtype)
    activation = ACTIVATIONS[len(name) % len(ACTIVATIONS)]
    shape = (p.batch, *p.out, p.c_out) if channels_last else p.output_shape
    want = memory.laid_out(memory.expected_output(p, o, activation, 0.1), channels_last)
    keywords = {"channels_last": channels_last, "activation": activation, "slope": 0.1, "isa": isa}
    exact = np.full(shape, 77, o.x.dtype)
    memory.run_forward(p, o, dtype, exact, **keywords)
    near(exact, want, dtype)
    for early, threads in ((0, 1), (o.x.itemsize, 1), (20 * o.x.itemsize, 5)):
        y = Guarded(shape, dtype, early)
        memory.run_forward(p, o, dtype, y.array, **keywords, threads=threads)
        y.check()
        near(y.array, want, dtype)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("dtype", native.DTYPES)
def test_gradients_stay_inside(isa: str, dtype: str, name: str) -> None:
    p = PROBLEMS[name]
    o = memory.operands(p, dtype)
    gx, gw = memory.expected_gradients(p, o)
    for run, want in ((memory.run_grad_input, gx), (memory.run_grad_weight, gw)):
        exact = np.full(want.shape, 77, o.x.dtype)
        run(p, o, dtype, exact, isa=isa)
        near(exact, want, dtype)
        for threads in (1, 5):
            got = Guarded(want.shape, dtype, o.x.itemsize)
            run(p, o, dtype, got.array, threads=threads, isa=isa)
            got.check()
            near(got.array, want, dtype)


@pytest.mark.parametrize("dtype", native.DTYPES)
@pytest.mark.parametrize("bad", [np.inf, np.nan], ids=str)
def test_weights_that_are_not_finite_stay_inside(isa: str, dtype: str, bad: float) -> None:
    """Their products with padding must not be made, so another loop runs them."""
    p = PROBLEMS["groups"]
    weight = np.random.default_rng(3).standard_normal(p.weight_shape)
    weight[1, 2, 0, 3] = bad
    o = memory.operands(p, dtype)
    o = memory.Operands(o.x, memory.rounded(weight, dtype), o.bias, o.gy)
    y = Guarded(p.output_shape, dtype)
    memory.run_forward(p, o, dtype, y.array, isa=isa, threads=2)
    y.check()
    want = memory.expected_output(p, o, "none", 0.0)
    assert 0 < np.count_nonzero(~np.isfinite(want)) < want.size
    near(y.array, want, dtype)


@settings(max_examples=150)
@given(case=cases(), dtype=st.sampled_from(native.DTYPES), last=st.booleans(), threads=st.sampled_from([1, 2, 16]))
@pytest.mark.parametrize("target", TARGETS)
def test_random_problems_stay_inside(target: str, case: Case, dtype: str, last: bool, threads: int) -> None:
    p = case.p
    o = memory.operands(p, dtype)
    y = Guarded((p.batch, *p.out, p.c_out) if last else p.output_shape, dtype, o.x.itemsize)
    memory.run_forward(p, o, dtype, y.array, channels_last=last, threads=threads, isa=target)
    y.check()
    near(y.array, memory.laid_out(memory.expected_output(p, o, "none", 0.0), last), dtype)
    gx, gw = memory.expected_gradients(p, o)
    for run, want in ((memory.run_grad_input, gx), (memory.run_grad_weight, gw)):
        got = Guarded(want.shape, dtype, o.x.itemsize)
        run(p, o, dtype, got.array, threads=threads, isa=target)
        got.check()
        near(got.array, want, dtype)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_public_function_stays_inside(dtype: str, name: str) -> None:
    p = PROBLEMS[name]
    o = memory.operands(p, dtype)
    out = Guarded(p.output_shape, dtype, 8)
    keywords = {
        "stride": p.stride, "padding": p.padding, "output_padding": p.output_padding, "groups": p.groups,
        "dilation": p.dilation, "backend": "native",
    }  # fmt: skip
    assert upweave.conv_transpose(o.x, o.weight, o.bias, **keywords, out=out.array) is out.array
    out.check()
    near(out.array, memory.expected_output(p, o, "none", 0.0), dtype)
    last = np.moveaxis(memory.laid_out(o.x, True), -1, 1)
    near(upweave.conv_transpose(last, o.weight, o.bias, **keywords), memory.expected_output(p, o, "none", 0.0), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradients_of_the_bridge(dtype: str) -> None:
    p = PROBLEMS["several tiles"]
    o = memory.operands(p, dtype)
    gx, gw = memory.expected_gradients(p, o)
    got_gx, got_gw = np.empty(gx.shape, dtype), np.empty(gw.shape, dtype)
    native.grad_input(p, dtype, o.gy.ctypes.data, o.weight.ctypes.data, got_gx.ctypes.data)
    native.grad_weight(p, dtype, o.x.ctypes.data, o.gy.ctypes.data, got_gw.ctypes.data)
    near(got_gx, gx, dtype)
    near(got_gw, gw, dtype)


def test_weights_packed_for_another_kernel_are_refused(isa: str) -> None:
    p, other = PROBLEMS["volume"], PROBLEMS["many channels"]
    o, wrong = memory.operands(p, "float32"), memory.operands(other, "float32")
    packed = native.compiled(other, "float32", isa=isa).kernel.pack(wrong.weight.ctypes.data, 1)
    y = Guarded(p.output_shape, "float32")
    with pytest.raises(ValueError, match="packed for another kernel"):
        native.compiled(p, "float32", isa=isa).kernel.run(o.x.ctypes.data, 0, packed, 0, y.array.ctypes.data, 1)
    assert (y.room == 0xA5).all()


def test_a_fence_that_was_crossed_is_seen() -> None:
    for at in (-1, 0):
        guarded = Guarded((3, 5), "float32", 4)
        guarded.array[...] = 0
        guarded.check()
        guarded.room[guarded.first - 1 if at else guarded.last] = 0
        with pytest.raises(AssertionError, match="1 bytes written outside"):
            guarded.check()
