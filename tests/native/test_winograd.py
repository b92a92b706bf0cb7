"""Winograd's way: every tile on every instruction set against float64, where it gives up, and when it is chosen."""

from __future__ import annotations

import itertools
import math
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
from upweave.ops.choice import choose, one_sample
from upweave.ops.problem import Problem, problem
from upweave.ops.schedule import Schedule
from upweave.ops.winograd import Winograd, schedule

pytestmark = pytest.mark.skipif(not native.available(), reason=native.why_not() or "the native core is here")

TARGETS = native.targets()
UPSAMPLER = problem((1, 64, 47, 47), (64, 32, 4, 4), stride=2, padding=1)
PLAIN = problem((1, 64, 24, 24), (64, 32, 3, 3), stride=1, padding=1)


def kernel_of(
    p: Problem, cells: tuple[int, ...], blocks: tuple[int, int, int], isa: str, *, channels_last: bool = False,
    activation: str = "none", slope: float = 0.01, strassen: bool = False,
) -> Any:  # fmt: skip
    """The core's kernel with these tiles, in blocks of (rows of tiles, tiles, shares)."""
    geometry = native._geometry(p, "float32", channels_last, native.FORWARD, activation, slope)
    three = (1,) * (3 - p.rank) + cells
    return native._core().module.WinogradKernel(isa, geometry, three, *blocks, strassen)


def outputs(
    p: Problem, cells: tuple[int, ...], blocks: tuple[int, int, int], isa: str, *, channels_last: bool = False,
    activation: str = "none", threads: int = 1, seed: int = 0, strassen: bool = False,
) -> tuple[np.ndarray, np.ndarray, float]:  # fmt: skip
    """(got, expected, norm before the activation); what lies around the output must stay as it was."""
    o = Operands(Run(p, "float32", channels_last, isa), seed=seed)
    kernel = kernel_of(
        p, cells, blocks, isa, channels_last=channels_last, activation=activation, slope=0.2, strassen=strassen
    )  # fmt: skip
    packed = kernel.pack(o.weight.ctypes.data, threads)
    y = Guarded((p.batch, *p.out, p.c_out) if channels_last else p.output_shape, "float32")
    assert kernel.run(o.x.ctypes.data, 0, packed, o.bias.ctypes.data, y.array.ctypes.data, threads)
    y.check()
    got = np.moveaxis(y.array, -1, 1) if channels_last else y.array
    # The error is one of the tile; a few outputs may all come out small, by chance or at a border.
    norm = max(float(np.linalg.norm(o.expected())), expected_norm(p))
    return got.astype(np.float64), o.expected(activation, 0.2), norm


def expected_norm(p: Problem) -> float:
    """Of the outputs of normal samples and weights, had all phases as many taps as the first, all of them inside."""
    taps = math.prod(-(-k // s) for k, s in zip(p.kernel, p.stride, strict=True))
    count = math.prod(p.output_shape)
    return math.sqrt(count * p.c_in // p.groups * taps) * (1 + 2 / math.sqrt(count))  # few errors do not average out


def kernels_of(cells: int, stride: int, last: bool) -> list[int]:
    """Kernel sizes that this tile takes: of one tap to as many as a scheme has, and along the last axis of several."""
    most = {1: 6, 2: 13 if last else 4, 3: 10 if last else 3, 4: 3}[cells]
    return list(range(stride, most * stride + 1))


@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize("cells", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_every_scheme_along_each_axis(isa: str, cells: int, stride: int) -> None:
    for axis in range(3):
        for k, dilation, aligned in itertools.product(kernels_of(cells, stride, axis == 2), (1, 3), (False, True)):
            if (k, stride) == (1, 1) or (aligned and not k % stride):
                continue
            if dilation > 1 and (axis < 2 or stride > 1 or cells == 1):
                continue
            size, kernel, strides, tiles, apart = [2, 3, 2], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]
            size[axis], kernel[axis], strides[axis], tiles[axis], apart[axis] = 11, k, stride, cells, dilation
            padding = tuple(k % stride if aligned and a == axis else 0 for a in range(3))
            p = problem(
                (2, 19, *size), (19, 18, *kernel), stride=tuple(strides), padding=padding, dilation=tuple(apart)
            )  # fmt: skip
            got, want, norm = outputs(p, tuple(tiles), (2, 3, 1), isa)
            assert_close(got, want, limit=1e-6, scale=norm)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Any problem that Winograd's way takes, in any blocks."""
    rank = draw(st.integers(1, 3))
    cells = tuple(draw(st.sampled_from([1, 2, 3])) for _ in range(rank))
    stride = tuple(draw(st.integers(1, 4 if rank == 1 else 3)) for _ in range(rank))
    if draw(st.booleans()):  # phases that fill vectors
        stride = (*stride[:-1], draw(st.sampled_from([8, 16, 32])))
    kernel = tuple(
        draw(st.sampled_from(kernels_of(m, s, a == rank - 1)))
        for a, (m, s) in enumerate(zip(cells, stride, strict=True))
    )
    spreads = stride[-1] == 1 and cells[-1] > 1 and kernel[-1] > 1
    dilation = (*(1,) * (rank - 1), draw(st.integers(1, 5)) if spreads else 1)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(draw(st.integers(0, span)) for span in spans)
    extra = tuple(draw(st.integers(0, s - 1)) for s in stride)
    size = tuple(draw(st.integers(1, {1: 70, 2: 24, 3: 7}[rank])) for _ in range(rank))
    out = [(n - 1) * s - 2 * p + k + e for n, s, p, k, e in zip(size, stride, padding, spans, extra, strict=True)]
    size = tuple(n + max(0, -(-(1 - o) // s)) for n, o, s in zip(size, out, stride, strict=True))
    groups = draw(st.sampled_from([1, 1, 2]))
    alone = dilation[-1] == 1 and (cells[-1] == 1 or kernel[-1] <= stride[-1] * {2: 4, 3: 3}[cells[-1]])
    strassen = alone and draw(st.booleans())
    channels = [32, 64, 96] if strassen else [1, 3, 16, 17, 33, 129]
    c_in, c_out = (groups * draw(st.sampled_from(channels)) for _ in range(2))
    p = problem(
        (draw(st.integers(1, 3)), c_in, *size), (c_in, c_out // groups, *kernel), stride=stride, padding=padding,
        output_padding=extra, groups=groups, dilation=dilation,
    )  # fmt: skip
    blocks = (draw(st.integers(1, 6)), draw(st.integers(1, 20)), draw(st.integers(1, 3)))
    return {
        "p": p, "cells": cells, "blocks": blocks, "isa": draw(st.sampled_from(TARGETS or ("none",))),
        "channels_last": draw(st.booleans()), "activation": draw(st.sampled_from(sorted(ACTIVATIONS))),
        "threads": draw(st.integers(1, 3)), "seed": draw(st.integers(0, 9)), "strassen": strassen,
    }  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(cases())
def test_any_problem_in_any_blocks(case: dict[str, Any]) -> None:
    got, want, norm = outputs(**case)
    # five points along a second axis lose a digit, as four cells do: see below
    wide = sum(m > 1 and m + min(-(-k // s), 4) > 5 for m, k, s in zip(
        case["cells"], case["p"].kernel, case["p"].stride, strict=True))  # fmt: skip
    limit = (1e-6 if wide < 2 else 5e-6) * (2 if case["strassen"] else 1)
    assert_close(got, want, limit=limit, scale=norm)


@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize(
    ("p", "cells"),
    [
        (problem((2, 64, 5, 9), (64, 96, 2, 2), stride=2), (1, 1)),  # an odd number of positions
        (problem((1, 1024, 3, 16), (1024, 64, 2, 2), stride=2), (1, 1)),
        (problem((1, 320, 33), (320, 64, 3), padding=1), (2,)),  # half the channels begin within a slice of 128
        (problem((1, 512, 4, 34), (512, 64, 4, 4), stride=2, padding=1), (3, 3)),
        (problem((2, 128, 3, 4, 5), (128, 32, 3, 3, 3), stride=2, padding=1, output_padding=1, groups=2), (2, 2, 2)),
    ],
    ids=str,
)
def test_products_of_strassens(p: Problem, cells: tuple[int, ...], isa: str) -> None:
    """Seven for eight, and as accurate as fp32 is asked to be; what is paired does not depend on the blocks."""
    one, *others = (
        outputs(p, cells, blocks, isa, threads=threads, channels_last=last, strassen=True)
        for blocks, threads, last in (((1, 2, 1), 1, False), ((2, 6, 1), 2, False), ((9, 9, 2), 1, True))
    )
    assert_close(one[0], one[1], limit=1e-6, scale=one[2])
    assert all(np.array_equal(one[0], other) for other, *_ in others)
    layouts = {kernel_of(p, cells, (1, 2, 1), isa, strassen=way).layout for way in (False, True)}
    assert len(layouts) == 2


@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize("c_out", [1, 3, 17])
def test_phases_fill_the_lanes_that_few_channels_leave(isa: str, c_out: int) -> None:
    for (stride, taps), cells in itertools.product([(32, 1), (32, 2), (16, 4), (32, 6)], (1, 2, 3)):
        if taps > 1 and cells == 1:
            continue
        p = problem((2, 40, 23), (40, c_out, taps * stride), stride=stride, padding=stride // 2, output_padding=5)
        got, want, norm = outputs(p, (cells,), (2, 3, 1), isa, activation="silu")
        assert_close(got, want, limit=1e-6, scale=norm)
        assert "phases" in kernel_of(p, (cells,), (2, 3, 1), isa).layout


@pytest.mark.parametrize("p", [UPSAMPLER, PLAIN], ids=["upsampler", "convolution"])
@pytest.mark.parametrize("cells", [(2, 2), (4, 4), (4, 2)])
@pytest.mark.parametrize("isa", TARGETS)
def test_tiles_of_four_lose_less_than_a_digit(p: Problem, cells: tuple[int, int], isa: str) -> None:
    got, want, norm = outputs(p, cells, (2, 3, 1), isa)
    assert_close(got, want, limit=5e-6, scale=norm)


@pytest.mark.parametrize("isa", TARGETS)
def test_blocks_and_threads_change_no_bit(isa: str) -> None:
    one, *others = (
        outputs(UPSAMPLER, (3, 3), blocks, isa, threads=threads)[0]
        for blocks, threads in (((1, 1, 1), 1), ((1, 1, 1), 2), ((2, 4, 1), 1), ((5, 9, 2), 3))
    )
    assert all(np.array_equal(one, other) for other in others)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("where", ["input", "weight"])
def test_what_it_cannot_transform_goes_to_the_direct_loops(bad: float, where: str) -> None:
    """A NaN spoils the outputs that read it and no other; so does what is so large that a sum of two overflows."""
    p, o = UPSAMPLER, Operands(Run(UPSAMPLER, "float32", False, native.isa()))
    assert isinstance(choose(p, tile=native.tile(native.isa(), "float32")), Winograd)
    (o.x if where == "input" else o.weight)[(0, 5, 1, 2)] = bad
    kernel = native.chosen(p, "float32").kernel
    packed = native.pack(p, "float32", False, o.weight.ctypes.data)
    y = np.full(p.output_shape, 7, np.float32)
    unread = (p, "float32", False, o.x.ctypes.data, 0, 0, y.ctypes.data)
    read = (p, "float32", False, o.x.ctypes.data, o.weight.ctypes.data, 0, y.ctypes.data)
    assert not kernel.run(o.x.ctypes.data, 0, packed, 0, y.ctypes.data, 1)
    assert not native.forward(*unread, packed=packed)  # and it says so, where there is no weight to read
    for arguments in ({"packed": packed}, {}):
        y[...] = 7
        assert native.forward(*read, **arguments)
        with np.errstate(all="ignore"):
            direct = np.full(p.output_shape, 7, np.float32)
            loops = native.compiled(p, "float32").kernel
            loops.run(
                o.x.ctypes.data, o.weight.ctypes.data, loops.pack(o.weight.ctypes.data, 1), 0, direct.ctypes.data, 1
            )
        np.testing.assert_array_equal(y, direct)
    assert np.isfinite(y).any()


def test_weights_of_another_kernel_are_refused() -> None:
    o = Operands(Run(UPSAMPLER, "float32", False, native.isa()))
    two, three = (kernel_of(UPSAMPLER, cells, (1, 4, 1), native.isa()) for cells in ((2, 2), (3, 3)))
    y = np.zeros(UPSAMPLER.output_shape, np.float32)
    with pytest.raises(ValueError, match="packed for another kernel"):
        three.run(o.x.ctypes.data, 0, two.pack(o.weight.ctypes.data, 1), 0, y.ctypes.data, 1)
    assert two.layout != three.layout


@pytest.mark.parametrize(
    ("p", "cells", "why"),
    [
        (problem((1, 8, 9), (8, 4, 3), stride=2, dilation=2), (2,), "of stride 1"),
        (problem((1, 8, 9), (8, 4, 3), dilation=2), (1,), "tiles of the last axis"),
        (problem((1, 8, 9, 9), (8, 4, 3, 3), dilation=(2, 1)), (2, 2), "tiles of the last axis"),
        (problem((1, 8, 9), (8, 4, 2), stride=3), (2,), "without taps"),
        (problem((1, 8, 9), (8, 4, 4)), (4,), "segments of whole tiles"),
        (problem((1, 8, 9, 9), (8, 4, 5, 1)), (2, 1), "segments of whole tiles along the last axis"),
        (problem((1, 8, 9), (8, 4, 65)), (2,), "at most 64 taps"),
        (problem((1, 8, 9), (8, 4, 3)), (5,), "1 to 4 cells"),
    ],
)
def test_the_core_refuses_what_it_has_no_scheme_for(p: Problem, cells: tuple[int, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        kernel_of(p, cells, (1, 1, 1), native.isa())


@pytest.mark.parametrize(
    ("p", "cells", "why"),
    [
        (problem((1, 33, 9), (33, 64, 2), stride=2), (1,), "whole vectors of half the channels"),
        (problem((1, 64, 9), (64, 33, 2), stride=2), (1,), "whole vectors of half the channels"),
        (problem((1, 64, 9), (64, 64, 7)), (3,), "no segments"),
        (problem((1, 64, 9), (64, 64, 3), dilation=2), (2,), "no taps apart"),
    ],
)
def test_the_core_refuses_what_strassens_way_does_not_take(p: Problem, cells: tuple[int, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        kernel_of(p, cells, (1, 1, 1), native.isa(), strassen=True)


def test_the_choice() -> None:
    """By the number of products that are saved, unless the transforms or the empty lanes cost more."""
    found = choose(UPSAMPLER)
    assert isinstance(found, Winograd)
    assert (found.cells, found.algorithm) == ((1, 3, 3), "winograd")
    assert found.saved == pytest.approx(UPSAMPLER.multiplies / (16 * 16 * 16 * 4 * 64 * 32))
    assert isinstance(choose(PLAIN), Winograd)
    for direct in (
        problem((1, 64, 24, 24), (64, 32, 2, 2), stride=2),  # one tap a phase
        problem((1, 64, 24, 24), (64, 2, 4, 4), stride=2, padding=1),  # two channels in a vector of sixteen
        problem((1, 64, 24, 24), (64, 32, 3, 3), dilation=(2, 1)),
        problem((1, 64, 2, 2), (64, 32, 4, 4), stride=2, padding=1),
        problem((1, 64, 24, 24), (64, 1, 4, 4), stride=2, groups=64),
    ):
        assert isinstance(choose(direct), Schedule)
    assert isinstance(choose(UPSAMPLER, dtype="float64"), Schedule)


def test_cells_begin_at_the_first_output_where_they_can() -> None:
    """Six positions of a kernel of three with stride two are six cells: of 6 + 12 products an axis, tiles leave 14."""
    found = schedule(problem((1, 256, 6), (256, 256, 3), stride=2, padding=1, output_padding=1), cells=(1, 1, 3))
    assert found is not None
    assert found.saved == pytest.approx(18 / 14)
    volume = choose(problem((1, 384, 6, 6, 6), (384, 64, 3, 3, 3), stride=2, padding=1, output_padding=1))
    assert isinstance(volume, Winograd)
    assert volume.saved > 1.8


def test_signals_of_like_lengths_share_one_decision() -> None:
    found = {choose(problem((1, 128, n), (128, 64, 4), stride=2, padding=1)) for n in range(16001, 16385, 7)}
    assert len(found) == 1


def test_one_tap_a_phase_leaves_strassens_products() -> None:
    """Where there are enough channels; with more taps they go together with tiles of up to four points."""
    found = choose(problem((1, 1024, 40, 60), (1024, 512, 2, 2), stride=2))
    assert isinstance(found, Winograd)
    assert (found.algorithm, found.cells, found.saved) == ("strassen", (1, 1, 1), pytest.approx(8 / 7))
    frequency = choose(problem((1, 192, 32, 336), (192, 96, 8, 1), stride=(4, 1)))
    assert isinstance(frequency, Winograd)
    assert (frequency.algorithm, frequency.cells, frequency.strassen) == ("winograd", (1, 3, 1), True)
    signal = problem((1, 512, 4000), (512, 512, 3), padding=1)
    assert schedule(signal, cells=(1, 1, 4), strassen=True) is None
    assert schedule(signal, cells=(1, 1, 4), strassen=True, precise=False) is not None


def test_few_positions_and_many_phases() -> None:
    """Where the direct loops would leave lanes empty, or make all of the products of a short-time transform."""
    for first in (problem((1, 100, 1, 1), (100, 1024, 4, 4)), problem((1, 100, 1), (100, 1024, 16))):
        generator = choose(one_sample(first))
        assert isinstance(generator, Winograd)
        assert (generator.cells, generator.saved) == ((1, 1, 1), 1)
    inverse = choose(problem((1, 1026, 862), (1026, 1, 1024), stride=256))
    assert isinstance(inverse, Winograd)
    assert inverse.cells == (1, 1, 2)


def test_precise_tiles_have_more_than_four_points_along_no_second_axis() -> None:
    signal = problem((1, 64, 4000), (64, 64, 3), padding=1)
    assert max(schedule(PLAIN).cells) < 4 <= max(schedule(PLAIN, precise=False).cells)  # type: ignore[union-attr]
    assert schedule(signal).cells == (1, 1, 4)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kernel", "dilation", "cells", "saved"),
    [(4, 1, 2, 8 / 5), (7, 1, 3, 21 / 15), (11, 1, 3, 33 / 20), (11, 5, 3, 33 / 20), (3, 3, 4, 2)],
)
def test_signals_take_more_taps_in_segments_and_apart(kernel: int, dilation: int, cells: int, saved: float) -> None:
    """As many products as the schemes say: the length is a whole number of blocks."""
    p = problem((1, 64, 3840), (64, 64, kernel), padding=dilation * (kernel - 1) // 2, dilation=dilation)
    found = schedule(p, cells=(1, 1, cells))
    assert found is not None
    assert found.saved == pytest.approx(saved, rel=0.02)
    assert isinstance(choose(p), Winograd)


def test_what_is_computed_does_not_depend_on_the_threads() -> None:
    for p in (
        UPSAMPLER, PLAIN, problem((1, 32, 40), (32, 16, 4), stride=2), problem((3, 8, 5, 6), (8, 8, 3, 3)),
        problem((1, 256, 64, 64), (256, 128, 2, 2), stride=2),
    ):  # fmt: skip
        every = [choose(p, threads=n) for n in (1, 2, 3, 8, 64)]
        assert len({type(found) for found in every}) == 1
        assert len({(found.cells, found.strassen) for found in every if isinstance(found, Winograd)}) <= 1
