"""The score against synthetic truth: what it must not find, what it must, and how much of it."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.artifacts.signals import Array, pattern, pink, smooth, tiled
from upweave.artifacts import artifact_energy, score
from upweave.artifacts.harmonics import grid, least_size
from upweave.errors import SpecError

CASES = [((2,), (300,)), ((2, 2), (70, 61)), ((3, 3), (64, 80)), ((1, 2), (40, 100)), ((4, 2), (70, 70))]
CASES += [((2, 2, 2), (36, 33, 40)), ((8,), (1000,))]


@pytest.mark.parametrize(("stride", "size"), CASES)
def test_white_noise_has_no_score(stride: tuple[int, ...], size: tuple[int, ...]) -> None:
    """At a confidence of 90 % a tenth of noises has a score: between binomial limits of 5 σ, energy too."""
    n, rng = 200, np.random.default_rng(1)
    found = energy = 0
    values = []
    for _ in range(n):
        s = score(rng.standard_normal(size), stride, confidence=0.9)
        assert s.found or float(s.fraction) == float(s.low) == 0
        found += bool(s.found)
        energy += float(s.energy_significance) < 0.1
        values.append((float(s.imbalance), float(s.energy)))
    limit = 0.1 * n + 5 * math.sqrt(n * 0.1 * 0.9)
    assert found <= limit
    assert energy <= limit
    for v in np.array(values).T:  # unbiased
        assert abs(v.mean()) < 5 * v.std() / math.sqrt(n)


def test_the_significance_of_white_noise_is_uniform() -> None:
    from scipy import stats

    rng = np.random.default_rng(2)
    p = np.array([float(score(rng.standard_normal((96, 100)), 2).significance) for _ in range(300)])
    assert stats.kstest(p, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("stride", [(2, 2), (3, 3), (4, 4)])
def test_smooth_pictures_have_no_score(stride: tuple[int, ...], seed: int) -> None:
    s = score(smooth((130, 151), seed), stride)
    assert float(s.fraction) == 0
    assert float(s.low) == 0
    assert abs(float(s.imbalance)) < grid((130, 151), stride).leakage
    assert not float(s.energy_significance) < 0.001
    assert float(s.high) < 1e-6


@pytest.mark.parametrize("periods", [16, 24, 32, 64])
@pytest.mark.parametrize("stride", [2, 3, 8])
def test_ramps_and_slow_waves_leak_less_than_what_counts_as_chance(stride: int, periods: int) -> None:
    n = stride * periods
    t = np.arange(n) / n
    waves = [np.cos(2 * np.pi * k * t + p) for k in (0.3, 0.5, 1, 1.3, 2) for p in (0, 0.7, 2)]
    for x in (t, t * t, t**3, *waves):
        s = score(x, stride, dims=1)
        assert not s.found
        assert abs(float(s.imbalance)) < grid((n,), (stride,)).leakage * len(s.harmonics)


def test_a_step_and_a_disc_have_no_score() -> None:
    y, x = np.mgrid[:128, :128]
    for shape in (x > 50, (x - 60.3) ** 2 + (y - 57.1) ** 2 < 35**2, x + 2.37 * y > 170):
        assert not score(shape.astype(float), 2).found


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -3])
def test_a_constant_has_no_artifacts(value: float) -> None:
    s = score(np.full((3, 64, 64), value), 2)
    assert (float(s.fraction), float(s.imbalance), float(s.energy), float(s.significance)) == (0, 0, 0, 1)
    assert float(s.decibels) == -math.inf
    assert float(artifact_energy(np.full((64, 64), value), 2)) == 0


@pytest.mark.parametrize(("stride", "size"), CASES)
@pytest.mark.parametrize("amplitude", [0.1, 1.0, 30.0])
def test_a_known_pattern_has_its_known_amplitude(
    stride: tuple[int, ...], size: tuple[int, ...], amplitude: float
) -> None:
    x = 0.1 * np.random.default_rng(3).standard_normal(size) + amplitude * tiled(pattern(stride), size)
    s = score(x, stride)
    assert s.found
    assert float(s.amplitude) == pytest.approx(amplitude, rel=0.2 if amplitude < 1 else 0.03)
    truth = amplitude**2 / x.var()
    assert float(s.low) <= truth * 1.01
    assert truth <= float(s.high) * 1.01
    assert float(s.energy * s.variance) == pytest.approx(amplitude**2, rel=0.5 if amplitude < 1 else 0.1)


@pytest.mark.parametrize("amplitude", [0.05, 0.2])
def test_the_limits_hold_the_truth_as_often_as_they_say(amplitude: float) -> None:
    rng, n, hits = np.random.default_rng(4), 300, 0
    p = tiled(pattern((2, 2), 5), (96, 96))
    for _ in range(n):
        x = rng.standard_normal((96, 96)) + amplitude * p
        s = score(x, 2, confidence=0.9)
        hits += float(s.low) <= amplitude**2 / x.var() <= float(s.high)
    assert hits >= 0.9 * n - 5 * math.sqrt(n * 0.09)


@pytest.mark.parametrize("background", [pink, smooth])
@pytest.mark.parametrize("stride", [(2, 2), (3, 3)])
def test_the_score_grows_with_the_imbalance(background: object, stride: tuple[int, ...]) -> None:
    size = (150, 170)
    for seed in range(4):
        x: Array = background(size, seed)  # type: ignore[operator]
        x = x + 2 * x.std()
        gains = 1 + np.geomspace(1e-4, 1, 25)[:, None, None] * tiled(pattern(stride, seed), size)
        values = [float(score(x * g, stride).fraction) for g in gains]
        assert values == sorted(values)
        assert values[-1] > 0.1


def test_each_harmonic_has_its_own_part() -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal((64, 64))
    y, x = np.mgrid[:64, :64]
    s = score(noise + np.cos(np.pi * x / 2), (4, 4))
    by = dict(zip(s.harmonics, s.imbalance_by_harmonic, strict=True))
    top = max(by, key=lambda h: by[h])
    assert [float(f) for f in top] == [0, 0.25]
    assert float(by[top]) == pytest.approx(1, rel=0.01)
    assert float(s.imbalance_by_harmonic.sum()) == pytest.approx(float(s.imbalance))
    assert float(s.energy_by_harmonic.sum()) == pytest.approx(float(s.energy))
    checker = score(noise + (-1.0) ** (x + y), 2)
    assert [float(f) for f in checker.harmonics[int(checker.imbalance_by_harmonic.argmax())]] == [0.5, 0.5]


def test_a_pattern_that_changes_its_sign_is_energy_but_no_imbalance() -> None:
    size = (256, 256)
    sign = np.sign(pink(size, 7, 2.0))
    x = np.random.default_rng(0).standard_normal(size) + sign * tiled(pattern((2, 2)), size)
    s = score(x, 2)
    assert float(s.energy) > 0.2
    assert float(s.energy_significance) < 1e-6
    assert abs(float(s.imbalance)) < 0.1 * float(s.energy)


@settings(max_examples=25)
@given(st.data())
def test_contrast_offset_and_order_of_axes_change_nothing(data: st.DataObject) -> None:
    stride = data.draw(st.sampled_from([(2, 2), (3, 3), (2, 3)]))
    size = tuple(data.draw(st.integers(least_size(s), 90)) for s in stride)
    x = pink(size, data.draw(st.integers(0, 99))) + data.draw(st.floats(0, 1)) * tiled(pattern(stride), size)
    a, b = data.draw(st.floats(1e-3, 1e3)), data.draw(st.floats(-1e3, 1e3))
    one = score(x, stride)
    for other in (score(a * x + a * b, stride), score(-x, stride), score(x.T, stride[::-1])):
        assert float(other.imbalance) == pytest.approx(float(one.imbalance), rel=1e-6, abs=1e-10)
        assert float(other.energy) == pytest.approx(float(one.energy), rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("stride", [2, 3])
def test_size_and_crop_change_the_score_by_chance_alone(stride: int) -> None:
    size = (400, 420)
    x = np.random.default_rng(8).standard_normal(size) + 0.5 * tiled(pattern((stride, stride)), size)
    whole = score(x, stride)
    for top, left, h, w in ((0, 0, 64, 64), (1, 0, 101, 77), (2, 3, 200, 333), (37, 61, 128, 128), (5, 1, 395, 64)):
        part = score(x[top : top + h, left : left + w], stride)
        assert part.found
        assert float(part.decibels) == pytest.approx(float(whole.decibels), abs=0.7)
        assert float(part.low) <= float(whole.imbalance) <= float(part.high)


def test_channels_are_pooled_and_batches_are_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 3, 70, 66)) + np.arange(4)[:, None, None, None] * tiled(pattern((2, 2)), (70, 66))
    batch = score(x, 2)
    assert batch.imbalance.shape == (4,)
    assert batch.imbalance_by_harmonic.shape == (4, 3)
    for i in range(4):
        one = score(x[i], 2)
        for name in ("imbalance", "energy", "low", "high", "significance", "energy_significance", "variance"):
            assert float(getattr(one, name)) == pytest.approx(float(getattr(batch, name)[i]), rel=1e-9, abs=1e-15)
    assert list(batch.found) == [False, True, True, True]
    loud = x[3].copy()
    loud[0] *= 100
    assert float(score(loud, 2).imbalance) == pytest.approx(float(score(loud[0], 2).imbalance), rel=1e-3)


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import upweave.artifacts.sums as module

    x = pink((150, 90), 3)
    for stride in ((2, 2), (1, 4), (4, 1)):
        whole = score(x, stride)
        with monkeypatch.context() as m:
            m.setattr(module, "STRIP", 1)
            strips = score(x, stride)
        for name in ("imbalance_by_harmonic", "energy_by_harmonic", "significance", "energy_significance"):
            np.testing.assert_allclose(getattr(strips, name), getattr(whole, name), rtol=1e-9, atol=1e-18)


def test_the_memory_does_not_grow_with_the_picture() -> None:
    peaks = []
    for rows in (512, 2048):
        x = np.random.default_rng(0).integers(0, 255, (rows, 1024), dtype=np.uint8)
        tracemalloc.start()
        score(x, 2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
    assert peaks[0] < 150e6


def test_bytes_are_as_good_as_floats() -> None:
    x = np.random.default_rng(0).integers(0, 255, (3, 64, 80), dtype=np.uint8)
    assert float(score(x, 2).imbalance) == float(score(x.astype(float), 2).imbalance)


def test_the_energy_for_losses_is_the_imbalance_with_its_chance() -> None:
    x = np.random.default_rng(0).standard_normal((5, 2, 64, 64)) + tiled(pattern((2, 2)), (64, 64))
    s, e = score(x, 2), artifact_energy(x, 2)
    assert e.shape == (5,)
    assert (e > s.imbalance).all()
    np.testing.assert_allclose(e, s.imbalance, rtol=0.01)


def test_parseval() -> None:
    """The sum over harmonics is the variance of the phases' means, in the same weights."""
    x = pink((64, 70), 1)
    b = grid((64, 70), (2, 2))
    weight = np.zeros(x.shape)
    for i in range(b.blocks[0]):
        for j in range(b.blocks[1]):
            at = [o + k * h for o, k, h in zip(b.start, (i, j), b.step, strict=True)]
            rows, columns = (slice(a, a + n) for a, n in zip(at, b.block, strict=True))
            weight[rows, columns] += np.outer(*b.windows)
    weight /= weight.sum()
    away = x - x.mean()
    means = np.array([[(weight * away)[r::2, c::2].sum() * 4 for c in range(2)] for r in range(2)])
    assert float(artifact_energy(x, 2)) == pytest.approx(means.var() / x.var(), rel=1e-9)


@pytest.mark.parametrize(
    ("x", "arguments", "says"),
    [
        (np.zeros((31, 64)), {"stride": 2}, "axis 0 has 31 samples; stride 2 needs at least 32"),
        (np.zeros((32, 32)), {"stride": 3}, "at least 48"),
        (np.full((64, 64), np.nan), {"stride": 2}, "NaN or infinite"),
        (np.full((64, 64), np.inf), {"stride": 2}, "NaN or infinite"),
        (np.zeros((64, 64), complex), {"stride": 2}, "real"),
        (np.array([["a"]]), {"stride": 2}, "numbers"),
        (np.zeros((64, 64)), {"stride": 1}, "no phases"),
        (np.zeros((64, 64)), {"stride": 0}, "stride"),
        (np.zeros((64, 64)), {"stride": 2.0}, "stride"),
        (np.zeros((64, 64)), {"stride": (2, 2, 2), "dims": 2}, "3 entries for 2"),
        (np.zeros((64,)), {"stride": 2}, "1 axes"),
        (np.zeros((0, 3, 64, 64)), {"stride": 2}, "empty"),
        (np.zeros((64, 64)), {"stride": 2, "dims": 4}, "dims"),
        (np.zeros((64, 64)), {"stride": 2, "confidence": 1.0}, "confidence"),
    ],
)
def test_bad_input_is_named(x: np.ndarray, arguments: dict[str, object], says: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(SpecError, match=says):
        score(x, **arguments)  # type: ignore[arg-type]


def test_it_says_what_it_found() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((64, 64))
    assert "no pattern of period 2×2 found" in str(score(noise, 2))
    assert "-3.0 dB" in str(score(noise + tiled(pattern((2, 2)), (64, 64)), 2))
    assert str(score(np.stack([noise, noise])[:, None], 2)).startswith("scores of 2 items")
