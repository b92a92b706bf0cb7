"""Winograd's rows, for few output channels: every tile and instruction set against float64, and when it is chosen."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.memory import Guarded
from tests.native.problems import Operands, Run
from tests.ops.close import assert_close
from upweave.ops import native
from upweave.ops.activation import ACTIVATIONS
from upweave.ops.choice import choose
from upweave.ops.problem import Problem, problem
from upweave.ops.winograd_rows import WinogradRows, schedule

pytestmark = pytest.mark.skipif(not native.available(), reason=native.why_not() or "the native core is here")

TARGETS = native.targets()
PICTURE = problem((1, 96, 128, 192), (96, 3, 5, 5), stride=2, padding=2, output_padding=1)


def kernel_of(
    p: Problem, cells: tuple[int, int], blocks: tuple[int, int, int], isa: str, *, activation: str = "none",
    slope: float = 0.2, channels_last: bool = False,
) -> Any:  # fmt: skip
    """The core's kernel with tiles of so many cells along (depth, height), and (tiles, positions, channels) blocks."""
    geometry = native._geometry(p, "float32", channels_last, native.FORWARD, activation, slope)
    return native._core().module.WinogradRowKernel(isa, geometry, *cells, *blocks)


def outputs(
    p: Problem, cells: tuple[int, int], blocks: tuple[int, int, int], isa: str, *, activation: str = "none",
    threads: int = 1, seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, float]:  # fmt: skip
    """(got, expected, norm before the activation); what lies around the output must stay as it was."""
    o = Operands(Run(p, "float32", False, isa), seed=seed)
    kernel = kernel_of(p, cells, blocks, isa, activation=activation)
    packed = kernel.pack(o.weight.ctypes.data, threads)
    y = Guarded(p.output_shape, "float32")
    assert kernel.run(o.x.ctypes.data, 0, packed, o.bias.ctypes.data, y.array.ctypes.data, threads)
    y.check()
    norm = max(float(np.linalg.norm(o.expected())), y.array.size**0.5)
    return y.array.astype(np.float64), o.expected(activation, 0.2), norm


MOST = {1: 1, 2: 4, 3: 3, 4: 3}
"""Taps of a phase that tiles of so many cells take."""


@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize(("axis", "cells"), [*itertools.product((0, 1), (2, 3, 4))])
def test_every_scheme_along_depth_and_height(isa: str, axis: int, cells: int) -> None:
    for stride in (1, 2, 3):
        for k in range(stride, MOST[cells] * stride + 1):
            size, kernel, strides, tiles = [2, 3, 20], [1, 1, 4], [1, 1, 3], [1, 1]
            size[axis], kernel[axis], strides[axis], tiles[axis] = 11, k, stride, cells
            p = problem((2, 19, *size), (19, 3, *kernel), stride=tuple(strides))
            got, want, norm = outputs(p, (tiles[0], tiles[1]), (3, 9, 8), isa)
            assert_close(got, want, limit=1e-6, scale=norm)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Any problem that Winograd's rows take, in any blocks."""
    rank = draw(st.integers(2, 3))
    cells = (draw(st.sampled_from([1, 2, 3])) if rank == 3 else 1, draw(st.sampled_from([1, 2, 3, 4])))
    stride = (*(draw(st.integers(1, 3)) for _ in range(rank - 1)), draw(st.sampled_from([1, 2, 3, 4, 5, 8, 17])))
    dilation = (*(1,) * (rank - 1), draw(st.integers(1, 3)))
    kernel = (
        *(draw(st.integers(s, MOST[m] * s)) for m, s in zip(cells[3 - rank :], stride, strict=False)),
        draw(st.integers(1, 9)),
    )
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(draw(st.integers(0, span)) for span in spans)
    extra = tuple(draw(st.integers(0, s - 1)) for s in stride)
    size = tuple(draw(st.integers(1, {2: 24, 3: 7}[rank])) for _ in range(rank))
    out = [(n - 1) * s - 2 * p + k + e for n, s, p, k, e in zip(size, stride, padding, spans, extra, strict=True)]
    size = tuple(n + max(0, -(-(1 - o) // s)) for n, o, s in zip(size, out, stride, strict=True))
    groups = draw(st.sampled_from([1, 1, 2]))
    c_in, c_out = groups * draw(st.sampled_from([1, 3, 17, 40])), groups * draw(st.sampled_from([1, 2, 3, 5, 17]))
    p = problem(
        (draw(st.integers(1, 3)), c_in, *size), (c_in, c_out // groups, *kernel), stride=stride, padding=padding,
        output_padding=extra, groups=groups, dilation=dilation,
    )  # fmt: skip
    blocks = (draw(st.integers(1, 6)), draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    return {
        "p": p, "cells": cells, "blocks": blocks, "isa": draw(st.sampled_from(TARGETS or ("none",))),
        "activation": draw(st.sampled_from(sorted(ACTIVATIONS))), "threads": draw(st.integers(1, 3)),
        "seed": draw(st.integers(0, 9)),
    }  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(cases())
def test_any_problem_in_any_blocks(case: dict[str, Any]) -> None:
    got, want, norm = outputs(**case)
    both = min(case["cells"]) > 1  # more than four points along two axes lose half a digit twice
    assert_close(got, want, limit=5e-6 if both else 1e-6, scale=norm)


@pytest.mark.parametrize("isa", TARGETS)
def test_blocks_and_threads_change_no_bit(isa: str) -> None:
    one, *others = (
        outputs(PICTURE, (1, 3), blocks, isa, threads=threads)[0]
        for blocks, threads in (((1, 192, 96), 1), ((1, 192, 96), 2), ((4, 50, 96), 3))
    )
    assert all(np.array_equal(one, other) for other in others)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("where", ["input", "weight"])
def test_what_it_cannot_transform_goes_to_the_direct_loops(bad: float, where: str) -> None:
    p, o = PICTURE, Operands(Run(PICTURE, "float32", False, native.isa()))
    assert isinstance(choose(p, threads=2, tile=native.tile(native.isa(), "float32")), WinogradRows)
    (o.x if where == "input" else o.weight)[(0, 2, 1, 2)] = bad
    kernel = native.chosen(p, "float32", threads=2).kernel
    y = np.full(p.output_shape, 7, np.float32)
    assert not kernel.run(o.x.ctypes.data, 0, kernel.pack(o.weight.ctypes.data, 1), 0, y.ctypes.data, 1)
    with np.errstate(all="ignore"):
        assert native.forward(p, "float32", False, o.x.ctypes.data, o.weight.ctypes.data, 0, y.ctypes.data, threads=2)
        direct = np.full(p.output_shape, 7, np.float32)
        loops = native.compiled(p, "float32").kernel
        packed = loops.pack(o.weight.ctypes.data, 1)
        loops.run(o.x.ctypes.data, o.weight.ctypes.data, packed, 0, direct.ctypes.data, 1)
    # a weight that is not finite meets each product by itself, in an order of its own
    np.testing.assert_allclose(y, direct, rtol=1e-5, atol=1e-4)
    assert np.isfinite(y).any()


@pytest.mark.parametrize(
    ("p", "cells", "channels_last", "why"),
    [
        (problem((1, 8, 9, 9), (8, 3, 3, 3), dilation=2), (1, 2), False, "taps apart along tiles of the last axis"),
        (problem((1, 8, 9, 9), (8, 3, 2, 3), stride=3), (1, 2), False, "without taps"),
        (problem((1, 8, 9, 9), (8, 3, 5, 3)), (1, 2), False, "segments of whole tiles along the last axis"),
        (problem((1, 8, 9, 9, 9), (8, 3, 3, 3, 3)), (1, 2), False, "more taps in tiles"),
        (problem((1, 8, 9, 9), (8, 3, 3, 3)), (1, 5), False, "1 to 4 cells"),
        (problem((1, 8, 9, 9), (8, 3, 3, 3)), (1, 2), True, "channels first"),
    ],
)
def test_the_core_refuses_what_it_has_no_scheme_for(
    p: Problem, cells: tuple[int, int], channels_last: bool, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        kernel_of(p, cells, (1, 1, 1), native.isa(), channels_last=channels_last)


def test_the_choice() -> None:
    """Few output channels, more than one tap along depth or height, channels first."""
    found = choose(PICTURE, threads=2)
    assert isinstance(found, WinogradRows)
    assert found.saved == pytest.approx(5 * found.cells[1] / (2 * found.cells[1] + 3), rel=0.05)
    for other in (
        problem((1, 96, 128, 192), (96, 64, 5, 5), stride=2, padding=2),  # channels enough for a vector
        problem((1, 96, 128, 192), (96, 3, 2, 2), stride=2),  # one tap
        problem((1, 96, 128), (96, 3, 5), stride=2),  # a signal has no rows
    ):
        assert schedule(other) is None or not isinstance(choose(other), WinogradRows)
    assert not isinstance(choose(PICTURE, channels_last=True), WinogradRows)
    assert not isinstance(choose(PICTURE, dtype="float64"), WinogradRows)
