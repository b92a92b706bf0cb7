"""UW401–502: what the numbers say, and what they must not say of a random draw."""

from __future__ import annotations

import numpy as np
import pytest

from upweave.audit.statistics import is_default_draw

from .build import Net

rng = np.random.default_rng(0)


def default_draw(*shape: int, fan: int | None = None) -> np.ndarray:
    bound = 1 / np.sqrt(fan if fan is not None else np.prod(shape[1:]))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def up(weight: np.ndarray, s: int = 2, p: int = 1, o: int = 0, *, last: bool = True) -> Net:
    net = Net(1, weight.shape[0], 16, 16)
    y = net.up("x", weight.shape[1], weight.shape[2], s, p, o, weight=weight, path="up")
    if not last:
        net.conv(y, 4, 3, p=1)
    return net


def shuffled(weight: np.ndarray, bias: np.ndarray | None = None, r: int = 2) -> Net:
    net = Net(1, weight.shape[1], 16, 16)
    net.shuffle(
        net.conv("x", weight.shape[0], weight.shape[2], p=1, weight=weight, bias=bias, path="conv"), r, path="up"
    )
    return net


def test_default_initialisation_of_kernel_3_stride_2_is_unbalanced_by_6_db() -> None:
    (f,) = up(default_draw(64, 32, 3, 3), 2, 1, 1).found(rule="UW401")
    assert f.evidence["imbalance_db"] == pytest.approx(6, abs=0.6)
    assert str(f.level) == "note"
    assert f.evidence["coverage_db"] == pytest.approx(6.02, abs=0.01)


@pytest.mark.parametrize("shape", [(64, 32, 4, 4), (512, 256, 4, 4), (128, 64, 2, 2), (16, 3, 4, 4), (3, 1, 4, 4)])
def test_random_even_layers_are_balanced(shape: tuple[int, ...]) -> None:
    for _ in range(20 if shape[0] < 100 else 2):
        k = shape[2]
        for draw in (default_draw(*shape), rng.normal(0, 0.02, shape)):
            assert up(draw, 2, (k - 2) // 2).found(rule="UW40") == []


def test_learned_imbalance_of_an_even_kernel() -> None:
    weight = default_draw(64, 32, 4, 4)
    weight[:, :, ::2, ::2] *= 2
    (f,) = up(weight).found(rule="UW401")
    assert f.evidence["imbalance_db"] == pytest.approx(6, abs=0.6)
    assert str(f.level) == "warning"


def test_weak_image_rejection_where_the_picture_is_made() -> None:
    kernel = np.outer([1, 0.4, 1, 0.4], [1, 0.4, 1, 0.4])
    weight = np.broadcast_to(kernel, (8, 3, 4, 4)).copy()
    (f,) = up(weight).found(rule="UW402")
    assert f.evidence["rejection_db"] == pytest.approx(20 * np.log10(1.4 / 0.6), abs=0.01)
    assert up(weight, last=False).found(rule="UW402") == []  # inside, features need not be smooth


def test_nearest_and_linear_kernels_pass() -> None:
    for line in ([1, 1], [1, 3, 3, 1], [0.25, 0.75, 0.75, 0.25]):
        kernel = np.outer(line, line)
        weight = np.broadcast_to(kernel, (8, 3, len(line), len(line))).copy()
        assert up(weight, 2, (len(line) - 2) // 2).found(rule="UW40") == []


def test_images_stronger_than_the_signal_are_a_fault_everywhere() -> None:
    weight = np.broadcast_to(np.outer([1, -1], [1, -0.9]), (8, 16, 2, 2)) + rng.normal(0, 0.01, (8, 16, 2, 2))
    (f,) = up(weight, 2, 0, last=False).found(rule="UW402")
    assert f.evidence["rejection_db"] < -10


def test_phase_biases() -> None:
    weight = np.repeat(default_draw(4, 16, 3, 3), 4, axis=0)
    bias = np.tile([0.0, 0.0, 0.0, 1.0], 4)
    (f,) = shuffled(weight, bias).found(rule="UW403")
    assert f.evidence["spread"] == pytest.approx(np.sqrt(3) / 4)
    assert f.evidence["worst_biases"] == [0, 0, 0, 1]
    assert shuffled(weight, np.repeat(np.arange(4.0), 4)).found(rule="UW403") == []
    assert shuffled(default_draw(256, 64, 3, 3), default_draw(256, fan=576)).found(rule="UW403") == []


def test_dead_taps_and_phases() -> None:
    weight = default_draw(8, 4, 4, 4)
    weight[:, :, 3, :] = weight[:, :, :, 3] = 0
    (f,) = up(weight).found(rule="UW404")
    assert (f.evidence["dead"], f.evidence["taps"], f.evidence["dead_phases"], str(f.level)) == (7, 16, [], "note")
    weight[:, :, 1] = 0
    (f,) = up(weight).found(rule="UW404")
    assert f.evidence["dead_phases"] == [0, 1]
    assert str(f.level) == "warning"
    assert up(np.zeros((8, 4, 4, 4))).found(rule="UW404") == []
    assert up(default_draw(8, 4, 4, 4)).found(rule="UW404") == []


def test_wrong_fan() -> None:
    (f,) = up(default_draw(21, 21, 16, 16), 8, 4).found(rule="UW501")
    assert f.evidence["variance_ratio"] == pytest.approx(1 / 64)
    assert "64 times too small" in f.message
    assert up(default_draw(128, 64, 2, 2), 2, 0).found(rule="UW501") == []  # off by 2
    trained = default_draw(21, 21, 16, 16) * rng.uniform(0.5, 1.5, (21, 21, 1, 1))
    assert up(trained, 8, 4).found(rule="UW501") == []


def test_untied_pixel_shuffle() -> None:
    (f,) = shuffled(default_draw(64, 16, 3, 3)).found(rule="UW502")
    assert f.evidence["phases"] == 4
    assert abs(f.evidence["correlation"]) < 0.05
    tied = np.repeat(default_draw(16, 16, 3, 3), 4, axis=0)
    assert shuffled(tied).found(rule="UW502") == []
    trained = tied + 0.3 * default_draw(64, 16, 3, 3)
    assert shuffled(trained).found(rule="UW502") == []


def test_default_draws_are_recognised_and_others_not() -> None:
    assert is_default_draw(default_draw(32, 16, 3, 3), 144)
    assert is_default_draw(rng.normal(0, 1 / np.sqrt(3 * 144), (32, 16, 3, 3)), 144)
    assert not is_default_draw(default_draw(32, 16, 3, 3), 288)
    assert not is_default_draw(default_draw(32, 16, 3, 3) + 0.05, 144)
    assert not is_default_draw(rng.laplace(0, 1 / np.sqrt(6 * 144), (32, 16, 3, 3)), 144)


def test_without_numbers_weight_rules_are_silent() -> None:
    net = Net(1, 8, 16, 16)
    net.up("x", 4, 3, 2, 1, 1)
    assert net.found(rule="UW4") == net.found(rule="UW5") == []
