"""UW601–902: portability, folds, and the audit's own limits."""

from __future__ import annotations

import numpy as np
import pytest

from upweave.audit import Silence

from .build import Net


def test_implicit_padding_names_the_runtimes() -> None:
    net = Net(1, 8, 5, 5, framework="onnx")
    net.up("x", 4, 3, 2, ((0, 1), (0, 1)), implicit={"auto_pad": "SAME_UPPER", "total_padding": (1, 1)}, path="Up")
    (f,) = net.found(rule="UW601")
    assert f.evidence["pads"] == [0, 0, 1, 1]
    assert any(r["runtime"].startswith("OpenVINO") for r in f.evidence["runtimes"])
    assert "SAME_UPPER" in f.message
    net = Net(1, 8, 5, 5, framework="onnx")
    net.up("x", 4, 4, 2, 1)
    assert net.found(rule="UW601") == []


def test_output_padding_is_one_note_with_the_layer_that_needs_none() -> None:
    net = Net(1, 8, 16, 16)
    net.up(net.up("x", 8, 3, 2, 1, 1, path="a"), 4, 3, 2, 1, 1, path="b")
    (f,) = net.found(rule="UW602")
    assert f.evidence["layers"] == ["a", "b"]
    assert f.fix is not None
    assert "kernel_size=4, stride=2, padding=1" in str(f.fix.code)
    net = Net(1, 8, 16, 16)
    net.up("x", 4, 4, 2, 1)
    assert net.found(rule="UW602") == []


def test_foldable_resize_counts_what_it_saves() -> None:
    net = Net(1, 8, 16, 16)
    net.conv(net.act(net.resize("x", path="up")), 4, 3, p=1, path="conv")
    (f,) = net.found(rule="UW701")
    assert (f.evidence["multiplies"], f.evidence["multiplies_folded"]) == (32 * 32 * 8 * 4 * 9, 16 * 16 * 8 * 4 * 16)
    assert f.evidence["ratio"] == 2.25
    assert f.fix is not None
    assert f.fix.code == "nn.ConvTranspose2d(8, 4, kernel_size=4, stride=2, padding=1, bias=False)"


@pytest.mark.parametrize(
    ("coordinates", "nearest", "folds"),
    [
        ("asymmetric", "floor", True),
        ("asymmetric", "ceil", False),
        ("half_pixel", "round_prefer_ceil", True),
        ("half_pixel", "round_prefer_floor", True),
        ("half_pixel", "floor", False),  # reads samples 0 0 0 1 1 …
    ],
)
def test_foldable_resizes_repeat_their_samples(coordinates: str, nearest: str, folds: bool) -> None:
    net = Net(1, 8, 16, 16)
    net.conv(net.resize("x", coordinates=coordinates, nearest=nearest), 4, 3, p=1)
    assert bool(net.found(rule="UW701")) == folds


def test_foldable_in_three_dimensions_and_through_a_concatenation() -> None:
    net = Net(1, 8, 8, 8, 8)
    net.conv(net.resize("x"), 4, 3, p=1)
    assert net.found(rule="UW701")[0].evidence["ratio"] == 3.375
    net = Net(1, 8, 16, 16)
    skip = net.conv("x", 8, 3, p=1)
    net.conv(net.cat(net.resize(net.pool(skip)), skip), 4, 3, p=1)
    (f,) = net.found(rule="UW701")
    assert (f.evidence["share"], f.evidence["ratio"]) == (0.5, 2.25)


def test_one_by_one_convolution_commutes() -> None:
    net = Net(1, 8, 16, 16)
    net.conv(net.resize("x"), 4, 1)
    (f,) = net.found(rule="UW701")
    assert f.evidence["ratio"] == 4
    assert "before the nearest resize" in f.message


def test_what_does_not_fold() -> None:
    for mode, stride, pads in (("linear", 1, 1), ("nearest", 2, 1), ("nearest", 1, 3)):
        net = Net(1, 8, 16, 16)
        net.conv(net.resize("x", mode=mode), 4, 3, stride, pads)
        assert net.found(rule="UW701") == []


def test_fold_to_a_stride_that_its_kernel_does_not_fill_is_widened() -> None:
    net = Net(1, 8, 16, 16)
    net.conv(net.resize("x", 3), 4, 3, p=1)
    (f,) = net.found(rule="UW701")
    assert f.fix is not None
    assert "kernel_size=6, stride=3" in str(f.fix.code)


def test_opaque_operations_near_upsamplers_only() -> None:
    net = Net(1, 8, 16, 16)
    net.up(net.opaque(net.opaque("x")), 4, 4, 2, 1)
    (f,) = net.found(rule="UW901")
    assert f.evidence["count"] == 2
    net = Net(1, 8, 16, 16)
    net.opaque(net.conv("x", 8))
    assert net.found(rule="UW901") == []


def test_unused_silence() -> None:
    net = Net(1, 8, 16, 16, target="gen.onnx")
    net.up("x", 4, 3, 2, 1, 1, path="up")
    used = Silence(rule="uneven-coverage", layer="u*")
    idle = Silence(rule="UW102", layer="up")
    elsewhere = Silence(rule="UW102", model="other*")
    report = net.audit(select=("UW1", "UW902"), silences=(used, idle, elsewhere))
    assert [f.code for f in report.silenced] == ["UW101"]
    assert [f.code for f in report.findings] == ["UW902"]
    assert report.findings[0].evidence["rule"] == "UW102"
    not_run = net.audit(select=("UW101", "UW902"), silences=(used, idle))
    assert not_run.findings == ()


def test_shared_layers_are_said_once() -> None:
    net = Net(1, 8, 16, 16)
    y = net.up("x", 8, 3, 2, 1, 1, path="up", weight=np.ones((8, 8, 3, 3)))
    net.up(y, 8, 3, 2, 1, 1, path="up", weight=np.ones((8, 8, 3, 3)))
    (f,) = net.found(rule="UW101")
    assert f.evidence["calls"] == 2
