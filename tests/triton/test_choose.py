"""Every kernel by its name, and that its blocks and its price make sense."""

from __future__ import annotations

import dataclasses
import math

import pytest

from tests.triton.problems import CHOSEN
from upweave.ops.problem import problem
from upweave.ops.triton.choice import ALGORITHMS, DIRECTIONS, DTYPES, Choice, Direction
from upweave.ops.triton.choose import candidates, choose, expected_of, refusal
from upweave.ops.triton.cost import moved, priced, steps
from upweave.ops.triton.machine import H100
from upweave.ops.triton.tables import power, tiles


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", CHOSEN)
def test_every_branch_of_the_choice(name: str, direction: Direction) -> None:
    p, kernels = CHOSEN[name]
    for last in (False, True):
        found = choose(p, direction, dtype="bfloat16", channels_last=last and p.rank > 1)
        assert found.algorithm == kernels[direction]
        assert found.why


def test_every_kernel_is_chosen_for_something() -> None:
    for direction in DIRECTIONS:
        assert {kernels[direction] for _, kernels in CHOSEN.values()} == set(ALGORITHMS[direction])


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", CHOSEN)
def test_candidates_can_run(name: str, direction: Direction, dtype: str, tf32: bool) -> None:
    p, _ = CHOSEN[name]
    for last in (False, True)[: 1 if p.rank == 1 else 2]:
        found = candidates(p, direction, dtype=dtype, channels_last=last, tf32=tf32)
        assert 1 <= len(found) <= 4
        assert choose(p, direction, dtype=dtype, channels_last=last, tf32=tf32) in found
        assert len({c.blocks for c in found}) == len(found)
        for c in found:
            assert all(v == power(v) for v in (c.m, c.n, c.k, c.phases, c.warps)), c
            assert c.n % c.phases == 0
            if "stencil" not in c.algorithm:
                assert min(c.m, c.n, c.k) >= 16, c
            if last and c.algorithm not in ("few_outputs", "long_kernel"):
                assert c.phases == 1, c
            assert c.seconds >= H100.launch
            assert c.programs >= 1
            # padding and waves never make it less than the definition's products, but for what the crop removes
            assert steps(c, p, direction) > 0


def test_a_large_layer_fills_the_gpu_with_large_tiles() -> None:
    big = choose(
        problem((16, 512, 64, 64), (512, 512, 4, 4), stride=2, padding=1), dtype="bfloat16", channels_last=True
    )
    assert (big.m, big.n, big.phases) == (128, 128, 1)
    small = choose(problem((1, 512, 4, 4), (512, 512, 4, 4), stride=2, padding=1), dtype="bfloat16", channels_last=True)
    assert (small.m, small.n) == (64, 64)


def test_copies_are_where_they_pay() -> None:
    p = problem((16, 64, 32, 32), (64, 64, 4, 4), stride=2, padding=1)
    assert choose(p, dtype="bfloat16").input_last
    assert not choose(p, dtype="bfloat16", channels_last=True).input_last
    assert not choose(p, dtype="float32").input_last
    assert choose(p, dtype="float32").tap_major
    assert not choose(problem((1, 64, 4, 4), (64, 64, 4, 4), stride=2), dtype="float32").tap_major


def test_splits_fill_the_gpu_and_stay_small() -> None:
    few = choose(problem((8, 64, 64, 64), (64, 3, 4, 4), stride=2), "grad_weight", dtype="bfloat16")
    assert few.splits > 100
    assert choose(problem((1, 64, 4, 4), (64, 64, 4, 4), stride=2), "grad_weight").splits == 1
    wide = problem((8, 2048, 64, 64), (2048, 2048, 4, 4), stride=2)
    found = choose(wide, "grad_weight", dtype="bfloat16")
    assert 4 * found.splits * math.prod(wide.weight_shape) <= 256 << 20 or found.splits == 1


def test_a_price_by_hand() -> None:
    p = problem((1, 64, 16, 16), (64, 64, 2, 2), stride=2)
    c = Choice("shuffle_gemm", "", 128, 128, 32, 2, programs=4)
    assert steps(c, p, "forward") == 256 * 64 * 256
    assert moved(c, p, "forward", "bfloat16") == 2 * (64 * 256 + 64 * 64 * 4 + 64 * 1024)
    assert priced(c, p, "forward", "bfloat16", True, H100).seconds == H100.launch
    slow = dataclasses.replace(H100, half=1e9, launch=0.0)
    waves = 132 / 4  # four programs on 132 units take as long as 132
    assert priced(c, p, "forward", "bfloat16", True, slow).seconds == pytest.approx(2 * 256 * 64 * 256 * waves / 1e9)
    k4 = problem((1, 64, 16, 16), (64, 64, 4, 4), stride=2, padding=1)
    gemm = Choice("phase_gemm", "", 64, 64, 32, 2)
    assert steps(gemm, k4, "forward") == 64 * -(-17 * 17 // 64) * 64 * (4 * 256)


def test_tiles_count_channels_phases_and_groups() -> None:
    from upweave.ops.triton.tables import axes_of

    p = problem((1, 8, 5, 5), (8, 40, 3, 3), stride=2, padding=1)
    table = tiles(axes_of(p, "forward"), 40, 16, 1)
    assert [row[0] for row in table] == [0, 3, 6, 9, 12]  # four groups of one phase, three tiles of channels each


def test_refusals() -> None:
    p = CHOSEN["2d"][0]
    assert not refusal(p, "float16")
    assert refusal(p, "float64") == "the Triton kernels take float32, bfloat16, float16, not float64"
    many = problem((1, 8, 20, 20), (8, 8, 30, 30), stride=23, dilation=9)
    assert "makes 100 groups of phases, the kernels know 64" in refusal(many, "float32")


def test_who_is_expected_to_win() -> None:
    def who(x: tuple[int, ...], w: tuple[int, ...], dtype: str = "bfloat16", tf32: bool = True, **more: int) -> str:
        return expected_of(problem(x, w, **more), dtype, tf32)

    assert "1-D" in who((1, 64, 9), (64, 64, 4), stride=2)
    assert "3-D" in who((1, 64, 9, 9, 9), (64, 64, 4, 4, 4), stride=2)
    assert "grouped" in who((1, 64, 9, 9), (64, 16, 4, 4), stride=2, groups=4)
    assert "depthwise" in who((1, 64, 9, 9), (64, 1, 4, 4), stride=2, groups=64)
    assert "depthwise" in who((1, 64, 9, 9), (64, 1, 4, 4), "float32", False, stride=2, groups=64)
    assert "output channels" in who((1, 64, 9, 9), (64, 3, 4, 4), stride=2)
    assert "one matrix product" in who((1, 64, 9, 9), (64, 64, 2, 2), stride=2)
    assert not who((1, 64, 9, 9), (64, 64, 4, 4), stride=2)
    assert not who((1, 64, 9), (64, 64, 4), "float32", False, stride=2)
