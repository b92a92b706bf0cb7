"""Tensors: the same numbers as arrays, with gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.artifacts.signals import pattern, pink, tiled
from upweave.artifacts import artifact_energy, score

CASES = [((2,), (2, 3, 200)), ((2, 2), (2, 3, 50, 61)), ((1, 3), (2, 20, 64)), ((4, 4), (70, 80))]
CASES += [((2, 2, 2), (34, 32, 40))]
NAMES = "imbalance energy imbalance_by_harmonic energy_by_harmonic low high significance energy_significance variance"


def signal(stride: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:  # type: ignore[type-arg]
    d = len(stride)
    return pink(shape, 1) + 0.3 * tiled(pattern(stride), shape[-d:])


@pytest.mark.parametrize(("stride", "shape"), CASES)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_the_same_numbers(stride: tuple[int, ...], shape: tuple[int, ...], dtype: torch.dtype, limit: float) -> None:
    x = signal(stride, shape)
    a, b = score(x, stride), score(torch.tensor(x, dtype=dtype), stride)
    for name in NAMES.split():
        got = getattr(b, name)
        assert got.dtype == dtype
        np.testing.assert_allclose(got.numpy(), getattr(a, name), rtol=limit, atol=limit * 1e-2, err_msg=name)
    for name in ("decibels", "energy_decibels", "fraction", "amplitude"):
        np.testing.assert_allclose(getattr(b, name).numpy(), getattr(a, name), rtol=10 * limit, err_msg=name)
    np.testing.assert_array_equal(b.found.numpy(), a.found)
    assert b.harmonics == a.harmonics
    energy = artifact_energy(torch.tensor(x, dtype=dtype), stride)
    np.testing.assert_allclose(energy.numpy(), artifact_energy(x, stride), rtol=limit)


def test_half_precision_and_bytes_are_scored_in_single() -> None:
    x = torch.tensor(signal((2, 2), (64, 64)))
    for dtype in (torch.float16, torch.bfloat16):
        assert score(x.to(dtype), 2).imbalance.dtype == torch.float32
        assert float(score(x.to(dtype), 2).imbalance) == pytest.approx(float(score(x, 2).imbalance), rel=1e-2)
    byte = (40 * x + 128).clamp(0, 255).to(torch.uint8)
    assert float(score(byte, 2).imbalance) == pytest.approx(float(score(byte.numpy(), 2).imbalance), rel=1e-4)


@pytest.mark.parametrize(("stride", "shape"), [((2,), (1, 2, 34)), ((2, 1), (1, 1, 32, 2))])
def test_the_gradient_is_right(stride: tuple[int, ...], shape: tuple[int, ...]) -> None:
    x = torch.tensor(np.random.default_rng(0).standard_normal(shape), requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: artifact_energy(v, stride), x)
    assert torch.autograd.gradcheck(lambda v: score(v, stride).imbalance, x)
    assert torch.autograd.gradcheck(lambda v: score(v, stride).energy, x)


def test_the_gradient_does_not_depend_on_the_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    import upweave.artifacts.sums as module

    grads = []
    for strip in (1 << 20, 1):
        monkeypatch.setattr(module, "STRIP", strip)
        x = torch.tensor(signal((2, 2), (64, 70)), requires_grad=True)
        artifact_energy(x, 2).backward()
        grads.append(x.grad)
    torch.testing.assert_close(*grads)


def test_constants_have_a_gradient_of_zero() -> None:
    x = torch.full((2, 1, 64, 64), 0.7, requires_grad=True)
    energy = artifact_energy(x, 2)
    energy.sum().backward()
    assert energy.tolist() == [0, 0]
    assert x.grad is not None
    assert float(x.grad.abs().max()) == 0


def test_descent_removes_the_checkerboard_and_keeps_the_picture() -> None:
    clean = torch.tensor(pink((1, 1, 64, 64), 2, 2.0))
    x = (clean + 0.3 * torch.tensor(tiled(pattern((2, 2)), (64, 64)))).requires_grad_()
    before = float(score(x.detach(), 2).imbalance)
    optimizer = torch.optim.SGD([x], lr=500.0)
    for _ in range(60):
        optimizer.zero_grad()
        artifact_energy(x, 2).sum().backward()
        optimizer.step()
    assert float(artifact_energy(x.detach(), 2)) < 0.01 * before
    assert float((x.detach() - clean).std()) < 0.3
