"""UW201–303: where samples stand, and which sizes come back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from upweave.graph import ir
from upweave.graph.infer import infer
from upweave.graph.sizes import sizes_of

from .build import Net


def test_off_centre_fires_on_fsrcnn() -> None:
    net = Net(1, 8, 16, 16)
    net.up("x", 1, 9, 2, 4, 1, path="deconv")
    (f,) = net.found(rule="UW201")
    assert (f.layer, str(f.level), f.evidence["shift"]) == ("deconv", "warning", [0.5, 0.5])
    assert "1/2 sample" in f.message


def test_off_centre_is_silent_when_centred() -> None:
    for k, s, p in ((10, 2, 4), (4, 2, 1), (2, 2, 0), (3, 2, 1)):
        net = Net(1, 8, 16, 16)
        net.up("x", 1, k, s, p)
        assert net.found(rule="UW201") == [], (k, s, p)


def test_blur_that_shifts() -> None:
    def build(pads: tuple[int, int]) -> Net:
        net = Net(1, 8, 16, 16)
        y = net.pad(net.shuffle("x"), pads, pads, mode="replicate")
        net.pool(y, 2, 1, kind="average")
        return net

    (f,) = build((1, 0)).found(rule="UW201")
    assert f.evidence["shift"] == [-0.5, -0.5]


def test_phase_0_behind_a_strided_encoder_is_silent() -> None:
    net = Net(1, 1, 32, 32)
    a = net.conv("x", 4, 3, 2, 1)
    b = net.conv(a, 8, 3, 2, 1)
    y = net.cat(a, net.up(b, 4, 3, 2, 1, 1))
    net.up(y, 1, 3, 2, 1, 1)
    assert net.found(rule="UW2") == []


def test_coarse_output_between_the_conventions_is_silent() -> None:
    net = Net(1, 1, 64, 64)
    y = net.pool(net.conv(net.conv("x", 4, 7, 2, 3), 4, 3, 2, 1), 2, 2)
    net.up(y, 4, 2, 2)
    assert net.found(rule="UW201") == []


def test_misaligned_merge() -> None:
    net = Net(1, 1, 32, 32)
    skip = net.conv("x", 4, 3, 1, 1, path="enc")
    y = net.up(net.pool(skip), 4, 3, 2, 0, path="up")
    y = net.slice(net.slice(y, 2, 1, 33), 3, 1, 33)
    net.cat(skip, y, path="join")
    (f,) = net.found(rule="UW202")
    assert (f.layer, f.evidence["displacement"]) == ("join", [0.5, 0.5])
    assert str(f.level) == "note"
    net = Net(1, 1, 32, 32)
    skip = net.conv("x", 4, 3, 1, 1)
    y = net.up(net.pool(skip), 4, 4, 2, 0)
    net.cat(skip, net.slice(net.slice(y, 2, 2, 34), 3, 2, 34))
    (f,) = net.found(rule="UW202")
    assert (str(f.level), f.evidence["displacement"]) == ("warning", [1.0, 1.0])


def test_matching_merge_is_silent() -> None:
    net = Net(1, 1, 32, 32)
    skip = net.conv("x", 4, 3, 1, 1)
    net.cat(skip, net.up(net.pool(skip), 4, 2, 2))
    assert net.found(rule="UW2") == []


def test_fragile_size_names_the_valid_sizes() -> None:
    net = Net(1, 1, 32, 32)
    skip = net.conv("x", 4, 3, 1, 1)
    net.cat(skip, net.up(net.pool(net.pool(skip), 2), 4, 4, 4))
    (f,) = net.found(rule="UW301")
    assert f.evidence["period"] == [4, 4]
    assert "multiples of 4" in f.message
    assert str(f.level) == "note"


def test_free_sizes_are_silent() -> None:
    net = Net(1, 1, 32, 32)
    net.up("x", 4, 4, 2, 1)
    assert net.found(rule="UW301") == []


def test_crop_that_padding_would_make() -> None:
    net = Net(1, 8, 16)
    y = net.up("x", 4, 16, 8, path="up")
    net.slice(y, 2, 4, -4)
    (f,) = net.found(rule="UW302")
    assert (f.layer, f.evidence["crops"]) == ("up", [[4, 4]])
    assert f.fix is not None
    assert f.fix.code == "nn.ConvTranspose1d(8, 4, kernel_size=16, stride=8, padding=4, bias=False)"


def test_one_sided_crop_becomes_padding_and_output_padding() -> None:
    net = Net(1, 8, 16)
    net.slice(net.up("x", 4, 3, 2), 2, 1, 33)
    (f,) = net.found(rule="UW302")
    assert f.fix is not None
    assert "padding=1, output_padding=1" in str(f.fix.code)


def test_pad_to_match_and_idle_pad() -> None:
    net = Net(1, 1, 33, 33)
    skip = net.conv("x", 4, 3, 1, 1)
    y = net.pad(net.up(net.pool(skip), 4, 2, 2, path="up"), (0, 1), (0, 1))
    net.cat(skip, y)
    (f,) = net.found(rule="UW302")
    assert "pads (0, 1) samples" in f.message
    net = Net(1, 1, 32, 32)
    skip = net.conv("x", 4, 3, 1, 1)
    y = net.pad(net.up(net.pool(skip), 4, 2, 2, path="up"), (0, 0), (0, 0))
    net.cat(skip, y)
    (f,) = net.found(rule="UW302")
    assert "adds nothing at this size" in f.message


def test_causal_trim_and_convolution_padding_are_no_repairs() -> None:
    net = Net(1, 8, 16)
    net.slice(net.up("x", 4, 16, 8), 2, 0, -8)
    assert net.found(rule="UW302") == []
    net = Net(1, 8, 16, 16)
    net.conv(net.pad(net.resize("x"), (1, 1), (1, 1), mode="reflect"), 4, 3)
    assert net.found(rule="UW302") == []


@pytest.mark.parametrize(
    ("k", "s", "p", "words"), [(3, 2, 1, "2n − 1"), (9, 5, 2, "5n"), (4, 5, 0, "5n − 1"), (3, 2, 0, "2n + 1")]
)
def test_non_integer_scale(k: int, s: int, p: int, words: str) -> None:
    net = Net(1, 8, 16)
    net.up("x", 4, k, s, p)
    found = net.found(rule="UW303")
    if words == "5n":
        assert found == []
    else:
        assert words in found[0].message


def test_extents_that_later_filters_and_encoders_explain() -> None:
    net = Net(1, 8, 16, 16)
    net.conv(net.up("x", 4, 3, 2, 0), 4, 4, p=1, g=4)
    assert net.found(rule="UW303") == []
    net = Net(1, 8, 33)
    net.up(net.conv("x", 8, 3, 2, 1), 8, 3, 2, 1)
    assert net.found(rule="UW303") == []


def test_fractional_and_corner_aligned_resizes() -> None:
    from fractions import Fraction

    net = Net(1, 8, 16, 16)
    net.resize("x", Fraction(3, 2))
    (f,) = net.found(rule="UW303")
    assert "3/2" in f.message
    net = Net(1, 8, 16, 16)
    net.resize("x", 2, "linear", coordinates="align_corners")
    (f,) = net.found(rule="UW303")
    assert "31/15" in f.message
    net = Net(1, 8, 16, 16)
    net.resize("x", 2, "linear")
    assert net.found(rule="UW3") == []


def test_a_shift_that_strided_convolutions_can_learn_away_is_a_note_and_names_them() -> None:
    net = Net(1, 3, 64, 64)
    y = net.conv(net.conv("x", 8, 3, 2, 1, path="down0"), 8, 3, 2, 1, path="down1")
    net.conv(net.resize(net.conv(net.resize(y), 8, 3, p=1)), 3, 3, p=1)
    (f,) = net.found(rule="UW201")
    assert (f.layer, str(f.level), f.evidence["shift"]) == ("down1", "note", [-1.5, -1.5])
    assert [(c["layer"], c["input_samples"]) for c in f.evidence["causes"]] == [("down0", -0.5), ("down1", -1.0)]


def test_small_displacements_are_said_once() -> None:
    net = Net(1, 3, 64, 64)
    a = net.conv("x", 8, 3, 2, 1, path="a")
    b = net.conv(a, 8, 3, 2, 1, path="b")
    y = net.cat(b, net.resize(net.conv(b, 8, 3, 2, 1)), path="join0")
    net.cat(a, net.resize(net.conv(y, 8, 3, p=1)), path="join1")
    (f,) = net.found(rule="UW202")
    assert f.evidence["merges"] == ["join0", "join1"]
    assert "1 more merge" in f.message


def test_a_single_sample_resized_with_aligned_corners() -> None:
    net = Net(1, 8, 16, 16)
    y = net.pool("x", 16, 16, kind="average")
    net.resize(y, 16, "linear", coordinates="align_corners")
    assert net.found(rule="UW303") == []


def test_an_output_on_the_input_s_own_grid_may_be_cut_short() -> None:
    net = Net(1, 1, 100)
    net.up(net.conv("x", 4, 4, 2, 1), 1, 4, 2, 1)
    assert net.found(rule="UW201") == []
    net = Net(1, 1, 103)
    net.up(net.conv("x", 4, 8, 4, 2), 1, 8, 4, 2)  # 103 → 25 → 100, sample n at n
    assert net.found(rule="UW201") == []


def test_a_model_of_one_size_is_not_fragile() -> None:
    net = Net(1, 1, 32, 32)
    y = net.conv("x", 4, 4, 4)
    position = net.constant(np.zeros((1, 4, 8, 8), dtype=np.float32))
    net.up(net.merge(y, position), 1, 4, 4)
    assert net.found(rule="UW301") == []
    assert all(a.fixed for a in sizes_of(infer(net.graph())).axes)


def test_one_module_that_merges_the_same_grids_twice_is_named_once() -> None:
    net = Net(1, 1, 32, 32)
    skip = net.conv("x", 4, 3, 1, 1, path="enc")
    y = net.up(net.pool(skip), 4, 3, 2, 0, path="up")
    y = net.slice(net.slice(y, 2, 0, 32), 3, 0, 32)
    y = net.slice(net.slice(net.pad(y, (2, 0), (2, 0)), 2, 0, 32), 3, 0, 32)
    net.merge(net.conv(net.cat(skip, y, path="fuse"), 4, 3, 1, 1), net.merge(skip, y, path="fuse"), path="out")
    found = net.found(rule="UW202")
    assert [(f.layer, str(f.level)) for f in found if f.layer == "fuse"] == [("fuse", "warning")]


def test_a_distance_that_strided_convolutions_can_learn_away_is_a_note() -> None:
    def pyramid(kind: str) -> Net:
        net = Net(1, 3, 64, 64)
        a = net.conv("x", 8, 3, 2, 1)
        b = net.conv(net.conv(a, 8, 3, 2, 1), 8, 3, 2, 1) if kind == "conv" else net.pool(a, 1, 8)
        net.cat(a, net.resize(b, 4 if kind == "conv" else 8, "linear"))
        return net

    (learned,) = pyramid("conv").found(rule="UW202")
    (pooled,) = pyramid("pool").found(rule="UW202")
    assert (str(learned.level), learned.evidence["displacement"]) == ("note", [1.5, 1.5])
    assert (str(pooled.level), pooled.evidence["displacement"]) == ("warning", [3.5, 3.5])


def test_idle_pads_are_said_once() -> None:
    net = Net(1, 1, 32, 32)
    a = net.conv("x", 4, 3, 1, 1)
    b = net.pool(a)
    y = net.cat(b, net.pad(net.up(net.pool(b), 4, 2, 2, path="up1"), (0, 0), (0, 0)))
    net.cat(a, net.pad(net.up(y, 4, 2, 2, path="up0"), (0, 0), (0, 0)))
    (f,) = net.found(rule="UW302")
    assert f.evidence["layers"] == ["up1", "up0"]
    assert "1 more layer" in f.message


def test_a_skip_cut_to_the_upsampler_makes_its_size_right() -> None:
    def fcn(offset: int) -> Net:
        net = Net(1, 1, 64, 64)
        skip = net.pool("x")
        y = net.up(net.conv(net.pool(skip), 4, 5), 1, 4, 2)  # 16 → 12 → 26, of the skip's 32
        cut = net.slice(net.slice(skip, 2, offset, offset + 26), 3, offset, offset + 26)
        net.merge(y, cut)
        return net

    assert fcn(3).found(rule="UW303") == []
    assert fcn(3).found(rule="UW202") == []
    assert len(fcn(2).found(rule="UW303")) == 1


def test_a_resize_to_a_computed_size_promises_nothing_at_other_sizes() -> None:
    net = Net(1, 3, 64, 64)
    y = net.resize(net.conv("x", 8, 3, 2, 1), 2, by_size=True)
    net.conv(y, 3, 3, 1, 1)
    assert net.found(rule="UW301") == []
    net = Net(1, 3, 64, 64)
    net.conv(net.resize(net.conv("x", 8, 3, 2, 1), 2), 3, 3, 1, 1)
    (f,) = net.found(rule="UW301")
    assert "multiples of 2" in f.message


def test_pieces_joined_again_are_the_tensor_that_was_cut() -> None:
    net = Net(1, 3, 24, 24)
    x = net.conv("x", 8, 3, 2, 1)
    pieces = [net.act(net.slice(x, 2, a, b), "group_norm") for a, b in ((0, 8), (8, 12))]
    (n, c, _, w), out = net.shapes[x], (1, 8, 12, 12)
    y = net.add(ir.Concat(2), tuple(pieces), out)
    net.up(y, 3, 4, 2, 1)
    assert (n, c, w) == (1, 8, 12)
    assert all("multiples of 2" in f.message for f in net.found(rule="UW301"))
    assert len(net.found(rule="UW301")) == 2  # the pieces need 8 + 1 rows at least, the columns nothing


def test_a_reshape_that_regroups_says_nothing_about_other_sizes() -> None:
    net = Net(1, 16, 8, 8)
    y = net.add(ir.Reshape((1, 16, 64)), ("x",), (1, 16, 64))
    y = net.add(ir.Permute((0, 2, 1)), (y,), (1, 64, 16))
    y = net.add(ir.Reshape((1, 16, 8, 8)), (y,), (1, 16, 8, 8))  # 64×16 numbers dealt out again, as MAnet does
    net.up(net.merge("x", y), 4, 4, 2, 1)
    assert net.found(rule="UW301") == []
    assert "regroups" in sizes_of(infer(net.graph())).unknown[0]


def test_an_axis_that_was_empty_may_stay_empty() -> None:
    net = Net(1, 3, 32, 32)
    y = net.conv("x", 8, 3, 1, 1)
    net.cat(y, net.slice(y, 1, 0, 0 + 8))
    empty = net.add(ir.Tile((1, 0, 1, 1)), (y,), (1, 0, 32, 32))
    net.up(net.add(ir.Concat(1), (empty, y), (1, 8, 32, 32)), 4, 4, 2, 1)
    assert net.found(rule="UW301") == []


def test_commuting_1x1_convolutions_are_said_once() -> None:
    net = Net(1, 8, 16, 16)
    up = net.resize("x", 2)
    net.merge(net.conv(up, 4, 1, path="a"), net.conv(up, 4, 1, path="b"))
    (f,) = net.found(rule="UW701")
    assert f.evidence["layers"] == ["a", "b"]
    assert "4 times fewer" in f.message


def test_inputs_that_meet_sample_by_sample_change_size_together() -> None:
    net = Net(1, 3, 32, 32)
    net.shapes["mask"] = (1, 1, 32, 32)
    y = net.conv(net.cat("x", "mask"), 8, 3, 1, 1)
    net.merge(y, net.up(net.pool(y), 8, 2, 2))
    graph = replace(net.graph(), inputs=("x", "mask"))
    assert [(a.input, str(a)) for a in sizes_of(infer(graph)).axes] == [
        (v, "multiples of 2, at least 2") for v in ("x", "x")
    ]


def test_corner_aligned_resizes_are_said_once() -> None:
    net = Net(1, 8, 16, 16)
    y = net.resize("x", 2, "linear", coordinates="align_corners", path="a")
    net.resize(y, 2, "linear", coordinates="align_corners", path="b")
    (f,) = net.found(rule="UW303")
    assert (f.layer, f.evidence["layers"]) == ("a", ["a", "b"])
    assert "1 more resize" in f.message


def test_a_branch_pooled_to_one_sample() -> None:
    net = Net(1, 3, 64, 64)
    y = net.conv(net.pool("x", 64, 64), 1, 1, 1, 1)  # 64 → 1 → 3, the ring that the padding below takes off again
    net.cat("x", net.up(y, 1, 64, 64, 64))
    assert net.found(rule="UW303") == []
    (f,) = net.found(rule="UW301")
    assert "multiples of 64" in f.message
