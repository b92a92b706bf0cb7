"""Every kernel against the definition in fp64, on problems of every kind, would it be chosen for them or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.close import assert_close
from tests.torch import definition
from tests.torch.shapes import LAYOUTS, laid_out
from tests.triton.problems import CHOSEN, applies, direction_of, forced
from upweave.ops.problem import Problem, problem
from upweave.ops.torch import aten
from upweave.ops.torch.layout import empty, is_channels_last
from upweave.ops.triton import run
from upweave.ops.triton.available import interpreted
from upweave.ops.triton.choice import ALGORITHMS, DIRECTIONS, Choice, Direction
from upweave.ops.triton.choose import refusal

DEVICE = "cpu" if interpreted() else "cuda"
LIMITS = {torch.float32: 2e-6, torch.bfloat16: 6e-3, torch.float16: 8e-4}
ACTIVATIONS = ("none", "relu", "leaky_relu", "silu", "tanh", "sigmoid")
WIDTHS = (
    ((1, 1, 1), (1, 3, 2), (1, 5, 17), (1, 18, 3), (2, 4, 3), (3, 1, 1), (2, 1, 2)),
    ((1, 1, 1), (1, 2, 3), (3, 1, 1), (5, 1, 1), (2, 1, 2), (2, 2, 1)),
)
"""(groups, channels in and out of each), for matrix products and for stencils."""
EVERY = [name for d in DIRECTIONS for name in ALGORITHMS[d]]


@pytest.fixture(autouse=True, scope="module")
def exact_products() -> Any:
    """TF32 would be another question."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@dataclass(frozen=True)
class Drawn:
    """A problem, how its operands lie in memory, and how its work is cut."""

    p: Problem
    layout: str
    dtype: torch.dtype
    activation: str
    bias: bool
    wide: bool
    more: int
    copies: bool
    seed: int

    def tensor(self, shape: tuple[int, ...], layout: str) -> torch.Tensor:
        g = torch.Generator().manual_seed(self.seed + len(shape) + sum(shape))
        return laid_out(torch.randn(shape, generator=g).to(self.dtype), layout).to(DEVICE)


@st.composite
def drawn(draw: st.DrawFn, algorithm: str) -> Drawn:
    """Odd sizes, o ≥ p, p ≥ s, k < s, gcd(d, s) > 1, groups, empty batches; of the kind that the kernel takes."""
    rank = 1 if algorithm == "long_kernel" else draw(st.sampled_from((1, 2, 2, 3)))
    longest, widest = {1: (9, 9), 2: (4, 4), 3: (2, 3)}[rank]
    plain = algorithm in ("shuffle_gemm", "few_outputs", "long_kernel")
    axes = []
    for _ in range(rank):
        h, k = draw(st.integers(1, longest)), draw(st.integers(1, widest))
        s = draw(st.integers(1, 4 if rank < 3 else 2))
        d = 1 if plain else draw(st.sampled_from((1, 1, 2, 3)))
        o = draw(st.integers(0, max(s, d) - 1))
        p = draw(st.integers(0, min((s * (h - 1) + d * (k - 1) + o) // 2, d * k + s)))
        axes.append((h, s, s, 0, 0, 1) if algorithm == "shuffle_gemm" else (h, k, s, p, o, d))
    size, kernel, stride, padding, more, dilation = zip(*axes, strict=True)
    groups, c_in, c_out = draw(st.sampled_from(WIDTHS["stencil" in algorithm]))
    found = problem(
        (draw(st.sampled_from((0, 1, 1, 1, 2))), groups * c_in, *size), (groups * c_in, c_out, *kernel),
        stride=stride, padding=padding, output_padding=more, dilation=dilation, groups=groups,
    )  # fmt: skip
    return Drawn(
        found, draw(st.sampled_from(LAYOUTS)), draw(st.sampled_from(tuple(LIMITS))), draw(st.sampled_from(ACTIVATIONS)),
        draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from((1, 2))), draw(st.booleans()),
        draw(st.integers(0, 2**16)),
    )  # fmt: skip


def compute(
    p: Problem, direction: Direction, a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None,
    choice: Choice | None, activation: str = "none", wide: bool = False,
) -> torch.Tensor:  # fmt: skip
    if direction == "forward":
        return run.forward(a, b, bias, p, activation, 0.2, choice, wide)
    if direction == "grad_input":
        return run.grad_input(a, b, p, choice, wide)
    return run.grad_weight(a, b, p, choice, wide)


def expected(
    p: Problem, direction: Direction, a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None, activation: str
) -> torch.Tensor:
    """PyTorch in fp64 on the CPU."""
    a, b, bias = a.cpu().double(), b.cpu().double(), None if bias is None else bias.cpu().double()
    numbers = (p.stride, p.padding, p.output_padding, p.groups, p.dilation)
    if direction == "forward":
        return aten.forward(a, b, bias, *numbers, activation, 0.2)
    if direction == "grad_input":
        return aten.grad_input(a, b, p.size, *numbers)
    return aten.grad_weight(a, b, p.kernel, *numbers)


def operands(p: Problem, direction: Direction) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return {
        "forward": (p.input_shape, p.weight_shape),
        "grad_input": (p.output_shape, p.weight_shape),
        "grad_weight": (p.input_shape, p.output_shape),
    }[direction]


def check(got: torch.Tensor, want: torch.Tensor, dtype: torch.dtype, scale: float = 0.0) -> None:
    assert got.dtype is dtype
    assert_close(got.cpu().double().numpy(), want.numpy(), limit=LIMITS[dtype], scale=scale)


def of_order_one(p: Problem, direction: Direction, a: torch.Tensor, b: torch.Tensor) -> float:
    """The norm of the output without cancellation."""
    return float(expected(p, direction, a.abs(), b.abs(), None, "none").norm())


@pytest.mark.parametrize("algorithm", EVERY)
@settings(max_examples=20)
@given(data=st.data())
def test_a_kernel_computes_the_definition(algorithm: str, data: Any) -> None:
    d: Drawn = data.draw(drawn(algorithm))
    p, direction = d.p, direction_of(algorithm)
    assert applies(p, algorithm)
    if refusal(p, "float32") or not p.batch:
        return
    first, second = operands(p, direction)
    a, b = d.tensor(first, d.layout), d.tensor(second, "plain" if d.layout == "expanded" else d.layout)
    bias = d.tensor((p.c_out,), "plain") if d.bias and direction == "forward" else None
    activation = d.activation if direction == "forward" else "none"
    choice = forced(p, algorithm, is_channels_last(a), more=d.more, copies=d.copies)
    got = compute(p, direction, a, b, bias, choice, activation, d.wide)
    scale = 0.0 if bias is not None and not p.multiplies else of_order_one(p, direction, a, b)
    check(got, expected(p, direction, a, b, bias, activation), d.dtype, scale)
    assert got.stride() == empty(a, got.shape, is_channels_last(a) and direction != "grad_weight").stride()


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", CHOSEN)
def test_what_is_chosen_computes_the_definition(name: str, direction: Direction) -> None:
    p, kernels = CHOSEN[name]
    g = torch.Generator().manual_seed(1)
    for dtype in (torch.float32, torch.bfloat16):
        for last in (False, True)[: 1 if p.rank == 1 else 2]:
            a, b = (torch.randn(s, generator=g).to(dtype) for s in operands(p, direction))
            bias = torch.randn(p.c_out, generator=g).to(dtype) if direction == "forward" else None
            a = laid_out(a, "channels last" if last else "plain")
            a, b, bias = (None if t is None else t.to(DEVICE) for t in (a, b, bias))
            choice = run.default(p, direction, a)
            assert choice.algorithm == kernels[direction]
            check(compute(p, direction, a, b, bias, None, "relu"), expected(p, direction, a, b, bias, "relu"), dtype)


@pytest.mark.parametrize("algorithm", EVERY)
def test_every_output_is_written_and_nothing_else(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output begins as NaN between two guards: gaps get their bias, and no mask lets a store slip."""
    direction = direction_of(algorithm)
    p = next(p for p, kernels in CHOSEN.values() if kernels[direction] == algorithm)
    a, b = (torch.randn(s).to(DEVICE) for s in operands(p, direction))
    rooms = []

    def guarded(shape: tuple[int, ...]) -> torch.Tensor:
        room = torch.full((math.prod(shape) + 128,), torch.nan, device=DEVICE)
        rooms.append(room)
        return room[64:-64].view(shape)

    monkeypatch.setattr(run, "empty", lambda like, shape, last: guarded(tuple(shape)))
    if direction == "grad_weight":
        real = torch.Tensor.new_empty

        def new_empty(self, shape, **more):
            return guarded(p.weight_shape) if shape == p.weight_shape and not more else real(self, shape, **more)

        monkeypatch.setattr(torch.Tensor, "new_empty", new_empty)
    choice = forced(p, algorithm, False, more=1, copies=False)
    got = compute(p, direction, a, b, None, choice)
    check(got, expected(p, direction, a, b, None, "none"), torch.float32)
    assert rooms[0][:64].isnan().all()
    assert rooms[0][-64:].isnan().all()


@pytest.mark.parametrize("algorithm", ALGORITHMS["forward"])
@settings(max_examples=8)
@given(data=st.data())
def test_infinities_and_nan_of_the_input_go_where_the_definition_sends_them(algorithm: str, data: Any) -> None:
    d: Drawn = data.draw(drawn(algorithm))
    p = d.p
    if refusal(p, "float32") or not p.batch:
        return
    a, b = (torch.randn(s, generator=torch.Generator().manual_seed(d.seed)) for s in (p.input_shape, p.weight_shape))
    a.view(-1)[data.draw(st.integers(0, a.numel() - 1))] = data.draw(st.sampled_from((np.nan, np.inf, -np.inf)))
    choice = forced(p, algorithm, False, more=1, copies=False)
    got = compute(p, "forward", a.to(DEVICE), b.to(DEVICE), None, choice).cpu().numpy()
    with np.errstate(invalid="ignore"):
        want = definition.forward(a.numpy(), b.numpy(), None, p)
    assert_close(got, want, limit=1e-5, scale=of_order_one(p, "forward", a.nan_to_num(0, 0, 0), b))


def test_a_stencil_meets_no_infinite_weight_at_a_border() -> None:
    p = problem((1, 3, 5), (3, 1, 5), stride=2, padding=2, groups=3)
    a, b = torch.randn(p.input_shape), torch.randn(p.weight_shape)
    b[:, :, 0] = torch.inf
    got = compute(p, "forward", a.to(DEVICE), b.to(DEVICE), None, forced(p, "stencil", False, more=1, copies=False))
    with np.errstate(invalid="ignore"):
        assert_close(got.cpu().numpy(), definition.forward(a.numpy(), b.numpy(), None, p), limit=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_pytorch_s(activation: str) -> None:
    values = torch.tensor([0.0, -0.0, 1e-30, 1e-4, -1e-4, 0.2499, 0.2501, -0.7, 3.0, -9.0, 60.0, -60.0, 200.0, -200.0])
    values = torch.cat([values, torch.tensor([torch.nan, torch.inf, -torch.inf]), torch.linspace(-6, 6, 100)])
    p = problem((1, 1, len(values)), (1, 1, 1))
    got = run.forward(values.view(1, 1, -1).to(DEVICE), torch.ones(1, 1, 1, device=DEVICE), None, p, activation, 0.2)
    want = aten.activate(values.double(), activation, 0.2)
    torch.testing.assert_close(got.view(-1).cpu().double(), want, rtol=1e-6, atol=1e-37, equal_nan=True)


@pytest.mark.parametrize("algorithm", ALGORITHMS["grad_weight"])
def test_a_split_sum_is_the_same_at_every_call(algorithm: str) -> None:
    p = problem((2, 4, 40), (4, 2, 4), stride=2, groups=2)
    x, gy = torch.randn(p.input_shape).to(DEVICE), torch.randn(p.output_shape).to(DEVICE)
    choice = forced(p, algorithm, False, more=2, copies=False)
    first = run.grad_weight(x, gy, p, choice)
    assert all(torch.equal(first, run.grad_weight(x, gy, p, choice)) for _ in range(3))


def test_empty_batches() -> None:
    p = problem((0, 4, 5), (4, 6, 4), stride=2)
    x, w, gy = (torch.randn(s).to(DEVICE) for s in (p.input_shape, p.weight_shape, p.output_shape))
    assert run.forward(x, w, None, p).shape == p.output_shape
    assert run.grad_input(gy, w, p).shape == p.input_shape
    assert torch.equal(run.grad_weight(x, gy, p), torch.zeros(p.weight_shape, device=DEVICE))
