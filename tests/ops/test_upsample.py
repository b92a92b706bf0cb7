"""`upsample` against the bank's matrix, the loops of every layer, and compositions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import upweave
from tests.ops.close import assert_close
from tests.strategies import UPSAMPLERS, Layer, layers
from upweave.bank import PhaseBank, Taps
from upweave.boundary import Boundary, exact_interior
from upweave.convert.forward import boundary
from upweave.ops.reference import reference


def by_matrix(bank: PhaseBank, x: np.ndarray) -> np.ndarray:
    """The bank's own sum on an input (C, *size), with zeros outside, by the matrix that goes phase by phase."""
    size = x.shape[1:]
    matrix = upweave.bank_matrix(bank, size, [Boundary(0)] * bank.rank)
    out = tuple(s * n for s, n in zip(bank.stride, size, strict=True))
    y = (matrix @ x.reshape(-1)).reshape(bank.out_channels, *out)
    if bank.bias is None:
        return y
    woven = np.zeros_like(y)
    for r in np.ndindex(*bank.stride):
        at = tuple(slice(n, None, s) for n, s in zip(r, bank.stride, strict=True))
        woven[(slice(None), *at)] = bank.bias[r].reshape(-1, *(1,) * bank.rank)
    return y + woven


@st.composite
def banks(draw: st.DrawFn, channels: int | None = None) -> PhaseBank:
    """A bank that no layer need have: any start, holes in its structure, a bias a phase."""
    rank = draw(st.sampled_from([1, 1, 2, 3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    axes = []
    for _ in range(rank):
        s, length = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        axes.append(Taps(draw(st.integers(-6, 5)), rng.integers(0, 2, (s, length))))
    g = draw(st.integers(1, 2))
    c_in, c_out = draw(st.integers(1, 2)), g * draw(st.integers(1, 2))
    stride, lengths = tuple(t.stride for t in axes), tuple(t.length for t in axes)
    weights = rng.standard_normal((*stride, c_out, c_in, *lengths))
    bank = PhaseBank(tuple(axes), weights, None, g)
    holes = bank.support.reshape(*stride, 1, 1, *lengths)
    bias = draw(st.sampled_from(["none", "one", "by phase"]))
    values = {
        "none": None,
        "one": np.broadcast_to(rng.standard_normal(c_out), (*stride, c_out)),
        "by phase": rng.standard_normal((*stride, c_out)),
    }[bias]
    return replace(bank, weights=weights * holes, bias=values)


@settings(max_examples=200)
@given(bank=banks(), data=st.data())
def test_any_bank(bank: PhaseBank, data: Any) -> None:
    size = data.draw(st.tuples(*(st.integers(1, 6 if bank.rank < 3 else 3),) * bank.rank))
    x = np.random.default_rng(0).standard_normal((2, bank.in_channels, *size))
    want = np.stack([by_matrix(bank, image) for image in x])
    got = upweave.upsample(x, bank)
    assert_close(got, want)
    np.testing.assert_array_equal(upweave.upsample(x[1], bank), got[1])
    narrow = upweave.upsample(x.astype(np.float32), bank)
    assert narrow.dtype == np.float32
    assert_close(narrow, want, limit=1e-5)


@pytest.mark.parametrize("name", UPSAMPLERS)
@settings(max_examples=40)
@given(data=st.data())
def test_every_layer(name: str, data: Any) -> None:
    """Where a layer reads zeros, all outputs that both have; elsewhere those that no border touches."""
    layer: Layer = data.draw(layers(name))
    bank = upweave.phase_bank(layer.spec, layer.weight, layer.bias, rank=layer.rank, channels=layer.channels)
    x = layer.signal()
    got, want = upweave.upsample(x, bank), reference(layer.spec, x, layer.weight, layer.bias)
    edges = boundary(layer.spec, layer.rank)
    zero = all(e.extension == "zero" for e in edges)
    at = tuple(
        slice(0, min(a, b)) if zero else slice(i.start, i.stop)
        for a, b, i in zip(
            got.shape[1:],
            want.shape[1:],
            (exact_interior(t, n, min(a, b)) for t, n, a, b in
             zip(bank.axes, layer.size, got.shape[1:], want.shape[1:], strict=True)),
            strict=True,
        )
    )  # fmt: skip
    assert_close(got[(slice(None), *at)], want[(slice(None), *at)], limit=1e-12, scale=float(np.linalg.norm(want)))


@settings(max_examples=40)
@given(data=st.data())
def test_compositions(data: Any) -> None:
    """A composed bank is one bank; where no border is near it is also one layer after the other."""
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    first_spec = upweave.ConvTranspose(data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3)), 1)
    second_spec = upweave.ConvTranspose(data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3)), 0)
    one = upweave.phase_bank(first_spec, rng.standard_normal((2, 3, first_spec.kernel)), rng.standard_normal(3))
    two = upweave.phase_bank(second_spec, rng.standard_normal((3, 1, second_spec.kernel)), rng.standard_normal(1))
    both = two @ one
    x = rng.standard_normal((2, 14))
    got = upweave.upsample(x, both)
    assert_close(got, by_matrix(both, x))
    inner = slice(4 * both.stride[0], -4 * both.stride[0])
    apart = upweave.upsample(upweave.upsample(x, one), two)
    assert_close(got[:, inner], apart[:, inner])


def test_a_half_pixel_bilinear_bank_is_a_k4_s2_p1_layer() -> None:
    """No crop, no pad, no wasted tap: the run is the textbook layer."""
    from upweave.convert.impulse import unfold
    from upweave.ops.upsample import _ends

    bank = upweave.phase_bank(upweave.ResizeConv(kernel=1, stride=2, mode="linear"))
    impulse = unfold(bank)
    assert impulse.h.shape == (1, 1, 4)
    ends = _ends(2, 8, impulse.low[0], 4)
    assert (ends.padding, ends.output_padding, ends.run) == (1, 0, 16)
    got = upweave.upsample(np.arange(8.0).reshape(1, 8), bank)
    np.testing.assert_allclose(got[0, 1:-1], np.arange(14) / 2 + 0.25)


def test_far_starts_cost_nothing() -> None:
    """A bank that reads a million samples away makes zeros and bias, not a kernel with a million taps."""
    bank = PhaseBank((Taps(10**6, np.ones((2, 1), dtype=np.int64)),), np.ones((2, 1, 1, 1)), np.array([[1.0], [2.0]]))
    np.testing.assert_array_equal(upweave.upsample(np.ones((1, 3)), bank), [[1, 2, 1, 2, 1, 2]])
    back = replace(bank, axes=(Taps(-(10**6), bank.axes[0].count),))
    np.testing.assert_array_equal(upweave.upsample(np.ones((1, 3)), back), [[1, 2, 1, 2, 1, 2]])


def test_empty_batch() -> None:
    bank = upweave.phase_bank(upweave.ConvTranspose(4, 2, 1), np.ones((2, 3, 4)), np.zeros(3))
    assert upweave.upsample(np.zeros((0, 2, 5)), bank).shape == (0, 3, 10)


BANK = upweave.phase_bank(upweave.ConvTranspose((4, 4), 2, 1), np.ones((2, 3, 4, 4)))


@pytest.mark.parametrize(
    ("x", "bank", "match"),
    [
        (np.ones((2, 5)), BANK, r"2 axes upsamples \(N, C, …\) with 4 axes or \(C, …\) with 3, got \(2, 5\)"),
        (np.ones((1, 3, 5, 5)), BANK, "3 channels, the bank reads 2"),
        ([[1.0]], BANK, "got list"),
        (np.ones((2, 5, 5), np.int64), BANK, "float32 or float64"),
        (np.ones((2, 5, 5)), replace(BANK, weights=BANK.weights * 1j), "complex128; only real"),
        (np.ones((2, 5, 5)), upweave.ConvTranspose(4, 2, 1), "got ConvTranspose"),
    ],
)
def test_bad_input(x: Any, bank: Any, match: str) -> None:
    with pytest.raises(upweave.SpecError, match=match):
        upweave.upsample(x, bank)


def test_explicit_backends() -> None:
    x = np.random.default_rng(0).standard_normal((2, 5, 5))
    want = by_matrix(BANK, x)
    assert_close(upweave.upsample(x, BANK, backend="numpy"), want)
    assert_close(upweave.upsample(x, BANK, backend="reference"), want)
    with pytest.raises(upweave.BackendError, match="cuda"):
        upweave.upsample(x, BANK, backend="cuda")


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("upweave.ops.torch")
    bank = replace(BANK, bias=np.arange(12.0).reshape(2, 2, 3))
    shifted = replace(bank, axes=(Taps(1, bank.axes[0].count), bank.axes[1]))
    x = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    for b in (bank, shifted):
        y = upweave.upsample(x, b)
        assert_close(y.detach().numpy(), np.stack([by_matrix(b, n) for n in x.detach().numpy()]))
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert gradient.shape == x.shape
        adjoint = upweave.bank_matrix(b, (5, 4), [Boundary(0)] * 2).T @ np.ones(3 * math.prod((10, 8)))
        assert_close(gradient[0].numpy().reshape(-1), adjoint)
    assert upweave.upsample(x[0].detach().float(), bank).dtype == torch.float32
