"""Networks, frameworks' crops and masks of the labs, against their definitions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import upweave
from upweave.errors import SpecError, UpweaveError
from upweave.graph.sizes import sizes_of
from upweave.labs.frameworks import pytorch, same_lower, same_upper, valid
from upweave.labs.networks import DOWN, UP, Network, grid_of
from upweave.labs.pictures import SHAPES, overlap, reconstructed

PAIRS = [(down, up) for down in DOWN for up in UP]
RUNNING = [(down, up) for down, up in PAIRS if up != "k3" or down == "conv3"]


@pytest.mark.parametrize(("down", "up"), PAIRS)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_lengths_are_those_that_the_graph_allows(down: str, up: str, levels: int) -> None:
    """Following lengths layer by layer, and asking the recorded graph, are two ways to one answer."""
    network = Network(down, up, levels)
    if (down, up) not in RUNNING:
        assert not any(network.fits(n) for n in range(1, 200))  # odd lengths for even skips
        with pytest.raises(UpweaveError, match="no input near"):
            network.some_size(16)
        return
    (axis,) = sizes_of(network.grids(network.some_size(16))).axes
    assert [n for n in range(1, 120) if network.fits(n)] == axis.sizes(119)


@pytest.mark.parametrize(("down", "up"), PAIRS)
def test_output_size_follows_the_skip(down: str, up: str) -> None:
    network, plain = Network(down, up, 3, follow=True), Network(down, up, 3)
    ran = 0
    for n in range(8, 80):
        for step in network.decoder(n):
            layer = UP[up].spec
            assert step.fits == (step.skip in upweave.output_sizes(layer, step.size))
            if step.fits:
                k, s, p = (getattr(layer, name) for name in ("kernel", "stride", "padding"))
                assert step.skip == s * (step.size - 1) - 2 * p + k + step.output_padding
        ran += network.fits(n)
        assert network.fits(n) or not plain.fits(n)
    # the transpose of the very layer that went down fits whatever that made; others only where they reach as far
    spec = DOWN[down].spec
    if upweave.output_sizes(UP[up].spec, 10) == tuple(n for n, _ in upweave.input_sizes(spec, 10)):
        assert ran == 80 - 8
    else:
        assert ran < 80 - 8


@pytest.mark.parametrize(("down", "up"), RUNNING)
def test_grids_are_where_the_weights_put_the_samples(down: str, up: str) -> None:
    """The kernels are symmetric, so an output reads the input around the place where grid inference puts it."""
    for levels in (1, 2):
        network = Network(down, up, levels, skips=False)
        size = network.some_size(32)
        through = network.through(size)
        grid = grid_of(network.grids(size), "up1")
        assert grid.extent == len(through) == size
        inside = slice(12, size - 12)
        np.testing.assert_allclose(through.sum(axis=1)[inside], 1)
        # one output may lean to a side; all phases together cannot
        read = through @ np.arange(size)
        period = 2**levels
        for n in range(12, size - 12 - period):
            wanted = sum(float(grid.at(m)) for m in range(n, n + period)) / period
            assert read[n : n + period].mean() == pytest.approx(wanted)


def test_grids_of_skips_meet() -> None:
    assert not Network("conv3", "k3o1", 3).grids(16).meetings
    assert not Network("pool", "k4", 3).grids(16).meetings
    found = Network("pool", "k3o1", 3).grids(16).meetings
    assert [m.displacement for m in found] == [Fraction(1, 2)] * 3
    # without skips every shift is multiplied by the strides behind it
    assert grid_of(Network("pool", "k3o1", 3, skips=False).grids(16), "up1").origin == Fraction(7, 2)


def test_networks_refuse_what_does_not_run() -> None:
    with pytest.raises(UpweaveError, match="50 does not fit"):
        Network("pool", "k2", 3).graph(50)
    with pytest.raises(SpecError):
        Network("pool", "k2", 4).encoder(3)


def same_matrix(k: int, s: int, size: int, weight: np.ndarray, lower: bool) -> np.ndarray:
    """The SAME convolution over s·size samples, written down from its definition: ⌈L/s⌉ outputs, k with its padding."""
    length = s * size
    total = max((math.ceil(length / s) - 1) * s + k - length, 0)
    before = total - total // 2 if lower else total // 2
    out = np.zeros((size, length))
    for j in range(size):
        for t in range(k):
            if 0 <= s * j + t - before < length:
                out[j, s * j + t - before] += weight[t]
    return out


@pytest.mark.parametrize("k", range(1, 8))
@pytest.mark.parametrize("s", range(1, 5))
def test_same_is_the_transpose_of_the_same_convolution(k: int, s: int) -> None:
    w = np.random.default_rng(k + 10 * s).standard_normal(k)
    for size in (1, 2, 5):
        for spec, lower in ((same_upper(k, s), False), (same_lower(k, s), True)):
            found = upweave.matrix(spec, (size,), w.reshape(1, 1, k)).toarray()
            np.testing.assert_array_equal(found, same_matrix(k, s, size, w, lower).T)
        if s > 1 or k % 2:
            assert upweave.output_size(pytorch(k, s), size) == s * size
        assert upweave.output_size(valid(k, s), size) == s * size + max(k - s, 0)
    # an odd k − s is where they part, by one sample
    if s == 1 and k % 2 == 0:
        with pytest.raises(SpecError):
            pytorch(k, s)
        return
    apart = [upweave.alignment(layer).axes[0].offset for layer in (pytorch(k, s), same_upper(k, s))]
    assert apart[1] - apart[0] == (max(k - s, 0) % 2)


def test_pytorch_runs_what_is_written() -> None:
    torch = pytest.importorskip("torch")
    for k, s in ((3, 2), (5, 2), (4, 3), (2, 3)):
        spec = pytorch(k, s)
        w = np.random.default_rng(0).standard_normal((1, 1, k))
        made = torch.nn.functional.conv_transpose1d(
            torch.eye(4, dtype=torch.float64)[:, None],
            torch.tensor(w),
            stride=s,
            padding=spec.padding,
            output_padding=spec.output_padding,
        )
        np.testing.assert_allclose(made[:, 0].T.numpy(), upweave.matrix(spec, 4, w).toarray(), atol=1e-12)


def test_masks_and_their_overlap() -> None:
    disc = SHAPES["disc"].mask(200)
    assert disc.mean() == pytest.approx(np.pi * 0.28**2, rel=0.01)
    assert overlap(disc, disc) == 1
    assert overlap(disc, ~disc) == 0
    a, b = np.array([True, True, False]), np.array([False, True, True])
    assert overlap(a, b) == Fraction(1, 3)
    assert overlap(a & ~a, a & ~a) == 1


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_shifted_grid_shifts_the_mask(shape: str) -> None:
    """pool and k3 s2 p1 o1: after two levels sample n shows input n + 3/2, so moving it back repairs the most."""
    truth = SHAPES[shape].mask(64)
    assert not truth[:6].any()
    assert not truth[:, -6:].any()
    shifted = reconstructed(Network("pool", "k3o1", 2), truth)
    aligned = reconstructed(Network("pool", "k4", 2), truth)
    assert overlap(truth, aligned) > overlap(truth, shifted) + Fraction(1, 10)
    scores = {m: overlap(truth, np.roll(shifted, (m, m), (0, 1))) for m in range(-3, 5)}
    assert max(scores, key=lambda m: scores[m]) in (1, 2)
    with pytest.raises(SpecError, match="samples of 50"):
        reconstructed(Network("pool", "k2", 3), SHAPES[shape].mask(50))
