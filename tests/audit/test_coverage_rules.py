"""UW101–105: how evenly the outputs, and in reverse the inputs, are reached."""

from __future__ import annotations

import numpy as np
import pytest

from .build import Net


@pytest.mark.parametrize(
    ("k", "s", "p", "o", "taps", "code"),
    [
        (3, 2, 1, 1, [1, 2, 4], "nn.ConvTranspose2d(8, 4, kernel_size=4, stride=2, padding=1, bias=False)"),
        (9, 2, 4, 1, [16, 20, 25], "nn.ConvTranspose2d(8, 4, kernel_size=10, stride=2, padding=4, bias=False)"),
        (
            3,
            2,
            1,
            0,
            [1, 2, 4],
            "nn.ConvTranspose2d(8, 4, kernel_size=4, stride=2, padding=2, output_padding=1, bias=False)",
        ),
    ],
)
def test_uneven_coverage_fires(k: int, s: int, p: int, o: int, taps: list[int], code: str) -> None:
    net = Net(1, 8, 16, 16)
    net.up("x", 4, k, s, p, o, path="up")
    (f,) = net.found(rule="UW101")
    assert f.layer == "up"
    assert f.evidence["taps"] == taps
    assert f.fix is not None
    assert (f.fix.applicability, f.fix.code) == ("safe", code)
    assert f"kernel {k} is not a multiple of the stride {s}" in f.message


@pytest.mark.parametrize(("k", "s", "p"), [(2, 2, 0), (4, 2, 1), (3, 1, 1), (16, 8, 4), (3, 3, 0), (6, 3, 1)])
def test_even_coverage_is_silent(k: int, s: int, p: int) -> None:
    net = Net(1, 8, 16, 16)
    net.up("x", 4, k, s, p)
    assert net.found(rule="UW1") == []


def test_widening_keeps_size_and_outputs() -> None:
    from upweave.audit.axes import Axis, widened

    for k in range(1, 9):
        for s in range(2, 6):
            for p in range(k):
                for o in range(s):
                    for d in (1, 2, 3):
                        axis = Axis(k, s, p, p, o, d)
                        wide = widened(axis)
                        if wide is None or axis.size(9) < 1:
                            continue
                        assert wide.size(9) == axis.size(9)
                        assert len(set(wide.counts)) == 1
                        # tap positions: the old taps are among the new ones, at the same offsets
                        old = {d * t - p for t in range(k)}
                        assert old <= {wide.dilation * t - wide.begin for t in range(wide.kernel)}


def test_fixed_blur_behind_the_layer_is_silent() -> None:
    blur = np.broadcast_to(np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64.0, (4, 1, 4, 4))
    net = Net(1, 8, 16, 16)
    y = net.conv(net.up("x", 4, 3, 2, 0), 4, 4, p=1, g=4, weight=blur)
    assert net.found(rule="UW1") == []
    net.act(y)
    assert net.codes() == []
    sharp = np.broadcast_to(np.outer([0, 1, 0, 0], [0, 1, 0, 0]), (4, 1, 4, 4))
    net = Net(1, 8, 16, 16)
    net.conv(net.up("x", 4, 3, 2, 0), 4, 4, p=1, g=4, weight=sharp)
    assert len(net.found(rule="UW101")) == 1


def test_empty_phase_fires_on_small_kernel_and_on_dilation() -> None:
    net = Net(1, 8, 16)
    net.up("x", 4, 2, 4, path="small")
    (f,) = net.found(rule="UW1")
    assert (f.code, f.evidence["empty_residues"], f.evidence["empty_share"]) == ("UW102", [[2, 3]], 0.5)
    net = Net(1, 8, 16)
    net.up("x", 4, 3, 2, d=2, path="lattice")
    (f,) = net.found(rule="UW1")
    assert (f.code, f.evidence["coverage"]) == ("UW102", [3, 0])
    assert "share the factor 2" in f.message
    assert f.fix is not None
    assert f.fix.applicability == "safe"


def test_empty_phase_is_silent_on_coprime_dilation() -> None:
    net = Net(1, 8, 16)
    net.up("x", 4, 4, 2, d=3)
    assert net.found(rule="UW102") == []


def test_uncovered_border() -> None:
    net = Net(1, 8, 16)
    y = net.up("x", 4, 2, 2, 0, 1)
    (f,) = net.found(rule="UW103")
    assert f.evidence["uncovered_end"] == [1]
    net.slice(y, 2, 0, -1)
    assert net.found(rule="UW103") == []
    net = Net(1, 8, 16)
    net.up("x", 4, 3, 2, 1, 1)
    assert net.found(rule="UW103") == []


def test_compounding_coverage_once_and_with_the_composite() -> None:
    net = Net(1, 8, 8)
    y = "x"
    for n in range(3):
        y = net.act(net.up(y, 8, 3, 2, 1, 1, path=f"up{n}"))
    (f,) = net.found(rule="UW104")
    assert f.layer == "up2"
    assert f.evidence["layers"] == ["up0", "up1", "up2"]
    assert f.evidence["ratio"] > f.evidence["ratio_alone"] == 2
    assert f.evidence["period"] == [8]


def test_one_uneven_layer_does_not_compound() -> None:
    net = Net(1, 8, 8)
    net.up(net.up("x", 8, 3, 2, 1, 1), 8, 4, 2, 1)
    assert net.found(rule="UW104") == []


def test_uneven_gradient_is_one_note_a_kind() -> None:
    net = Net(1, 8, 32, 32)
    y = net.conv("x", 8, 3, 2, 1, path="a")
    y = net.conv(y, 8, 3, 2, 1, path="b")
    net.conv(y, 8, 5, 2, 2, path="c")
    first, second = net.found(rule="UW105")
    assert (str(first.level), first.evidence["layers"], first.evidence["taps"]) == ("note", ["a", "b"], [1, 4])
    assert second.evidence["layers"] == ["c"]


def test_skipped_inputs() -> None:
    net = Net(1, 8, 32, 32)
    net.conv("x", 8, 1, 2, path="skip")
    (f,) = net.found(rule="UW105")
    assert f.evidence["read_share"] == 0.25
    # the shortcut of a residual block: the main branch reads what it skips
    net = Net(1, 8, 32, 32)
    y = net.act("x")
    net.merge(net.conv(y, 8, 1, 2), net.conv(y, 8, 4, 2, 1))
    assert net.found(rule="UW105") == []


def test_even_gradient_is_silent() -> None:
    net = Net(1, 8, 32, 32)
    net.pool(net.conv("x", 8, 4, 2, 1))
    assert net.found(rule="UW105") == []
