"""Every backend that is here, against the loops in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import upweave
from tests.ops.cases import LAYOUTS, Case, cases, laid_out
from tests.ops.close import assert_close
from upweave.ops.backends import REGISTRY, available_backends
from upweave.ops.plan import BACKENDS
from upweave.ops.problem import problem

FAST = [name for name in REGISTRY if name not in ("reference", "triton")]  # Triton takes no arrays
DTYPES = ("float32", "float64")


def here(name: str) -> str:
    why_not = available_backends()[name]
    if why_not:
        pytest.skip(f"backend {name}: {why_not}")
    return name


def test_the_registry_is_the_plan_s() -> None:
    assert tuple(REGISTRY) == BACKENDS
    assert all(b.name == name for name, b in REGISTRY.items())
    found = upweave.available_backends()
    assert list(found) == list(BACKENDS)
    assert found["numpy"] == found["reference"] == ""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FAST)
@settings(max_examples=200)
@given(case=cases(), layout=st.sampled_from(LAYOUTS))
def test_agrees_with_the_loops(name: str, dtype: str, case: Case, layout: str) -> None:
    got = upweave.conv_transpose(*case.operands(dtype, layout), **case.keywords, backend=here(name))
    want, scale = case.expected(dtype)
    assert got.dtype == dtype
    assert_close(got, want, scale=scale)


@pytest.mark.parametrize("name", FAST)
@settings(max_examples=40)
@given(case=cases())
def test_unbatched_and_out(name: str, case: Case) -> None:
    here(name)
    x, weight, bias = case.operands("float32")
    for sample in x:
        got = upweave.conv_transpose(sample, weight, bias, **case.keywords, backend=name)
        out = np.full(got.shape, np.nan, np.float32)
        assert upweave.conv_transpose(sample, weight, bias, **case.keywords, backend=name, out=out) is out
        np.testing.assert_array_equal(out, got)
        both = upweave.conv_transpose(sample[None], weight, bias, **case.keywords, backend=name)
        assert both.shape == (1, *got.shape)
        np.testing.assert_array_equal(both[0], got)


@settings(max_examples=60)
@given(case=cases())
def test_the_reference_is_itself(case: Case) -> None:
    got = upweave.conv_transpose(*case.operands("float32"), **case.keywords, backend="reference")
    assert got.dtype == np.float32
    assert_close(got, case.expected("float32")[0])


@pytest.mark.parametrize("name", ["native", "numpy"])
def test_long_sums_stay_accurate(name: str) -> None:
    """2048 equal products onto one output: one float32 chain, as PyTorch has it, is off by 2e-5."""
    x, weight = np.full((1, 1, 2048), 0.1, np.float32), np.full((1, 1, 4096), 0.1, np.float32)
    got = upweave.conv_transpose(x, weight, backend=here(name))
    want = np.convolve(x[0, 0].astype(float), weight[0, 0].astype(float))
    assert_close(got[0, 0], want)


@pytest.mark.parametrize("name", FAST)
def test_many_channels(name: str) -> None:
    rng = np.random.default_rng(1)
    p = problem((2, 96, 5, 7), (96, 40, 4, 4), stride=2, padding=1, groups=2)
    case = Case(p, rng.standard_normal(p.input_shape), rng.standard_normal(p.weight_shape), None, None)
    # the loops would take minutes; a dot product with ones of each output's matrix row is their sum
    x, weight, _ = case.operands("float32")
    got = upweave.conv_transpose(x, weight, stride=2, padding=1, groups=2, backend=here(name))
    spec = upweave.ConvTranspose((4, 4), (2, 2), (1, 1), groups=2)
    matrix = upweave.matrix(spec, (5, 7), weight.astype(float))
    for image, y in zip(x, got, strict=True):
        assert_close(y, (matrix @ image.reshape(-1).astype(float)).reshape(y.shape))


@pytest.mark.parametrize("name", FAST)
@settings(max_examples=60)
@given(case=cases(), data=st.data())
def test_not_a_number_and_infinity_go_where_pytorch_sends_them(name: str, case: Case, data: Any) -> None:
    torch = pytest.importorskip("torch")
    from tests.ops.peer import by_torch

    x, weight, bias = case.operands("float32")
    for array in (x, weight):
        if array.size and data.draw(st.booleans()):
            at = data.draw(st.integers(0, array.size - 1))
            array.reshape(-1)[at] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    got = upweave.conv_transpose(x, weight, bias, **case.keywords, backend=here(name))
    slope = case.activation[1] if isinstance(case.activation, tuple) else 0.01
    named = case.activation[0] if isinstance(case.activation, tuple) else case.activation or "none"
    tensors = [None if a is None else torch.from_numpy(a) for a in (x, weight, bias)]
    if name != "torch":  # in float32 it has NaN of the weight also in output padding that no tap meets
        tensors = [None if t is None else t.double() for t in tensors]
    want = by_torch(*tensors, case.p, named, slope).numpy()
    assert_close(got, want, limit=1e-5, scale=case.expected("float32")[1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_what_they_say(layout: str) -> None:
    a = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    b = laid_out(a, layout)
    np.testing.assert_array_equal(a, b)
    assert b.flags.c_contiguous == (layout in ("plain", "offset"))
    assert b.flags.aligned == (layout != "unaligned")


def test_empty_batch_has_the_output_s_shape() -> None:
    x, weight = np.zeros((0, 2, 3, 3), np.float32), np.zeros((2, 4, 3, 3), np.float32)
    for name in (*FAST, "reference"):
        if not available_backends()[name]:
            assert upweave.conv_transpose(x, weight, stride=2, backend=name).shape == (0, 4, 7, 7)


def test_numpy_holds_no_column_buffer() -> None:
    """The most that the NumPy backend allocates beside the output: a tap's product, and the weight reordered."""
    import tracemalloc

    x, weight = np.ones((1, 8, 64, 64), np.float32), np.ones((8, 8, 8, 8), np.float32)
    tracemalloc.start()
    y = upweave.conv_transpose(x, weight, stride=2, padding=3, backend="numpy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    columns = 4 * math.prod((8, 8, 8, 64, 64))
    assert peak < y.nbytes + x.nbytes + 2 * weight.nbytes + 1_000_000 < columns
