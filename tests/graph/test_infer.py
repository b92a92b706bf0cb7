"""Grid inference against signals followed through real layers, and against models known to be right or wrong."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upweave.graph.infer import infer
from upweave.graph.sizes import sizes_of

from .build import Builder

torch = pytest.importorskip("torch")
nnf = torch.nn.functional


@st.composite
def layers(draw: st.DrawFn) -> tuple[str, dict[str, int]]:
    kind = draw(st.sampled_from(["conv", "up", "pool", "shuffle", "nearest", "linear", "pad", "cut"]))
    k, s = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    return kind, {
        "k": k,
        "s": s,
        "p": draw(st.integers(0, k // 2)),
        "a": draw(st.integers(0, 2)),
        "b": draw(st.integers(0, 2)),
    }


def run(b: Builder, x: str, y: torch.Tensor, kind: str, n: dict[str, int]) -> tuple[str, torch.Tensor]:
    """One layer in the graph and the same layer, with weights that average, on a real signal."""
    k, s, p = n["k"], n["s"], n["p"]
    ones = torch.ones(1, 1, k, dtype=torch.float64)
    if kind == "conv":
        return b.conv(x, 1, k, s, p), nnf.conv1d(y, ones / k, stride=s, padding=p)
    if kind == "up":
        k = max(k, s)
        ones = torch.ones(1, 1, k, dtype=torch.float64)
        total = nnf.conv_transpose1d(torch.ones_like(y), ones, stride=s, padding=min(p, k - 1))
        out = nnf.conv_transpose1d(y, ones, stride=s, padding=min(p, k - 1)) / total
        return b.up(x, 1, k, s, min(p, k - 1)), out
    if kind == "pool":
        return b.pool(x, k, s, min(p, k // 2), kind="average"), nnf.avg_pool1d(y, k, s, min(p, k // 2))
    if kind == "shuffle":
        wide = b.conv(x, s, 1)
        return b.shuffle(wide, s), y.repeat_interleave(s, -1)
    if kind == "nearest":
        return b.resize(x, s), nnf.interpolate(y, scale_factor=float(s), mode="nearest")
    if kind == "linear":
        out = nnf.interpolate(y, scale_factor=float(s), mode="linear")
        return b.resize(x, s, "linear", "half_pixel"), out
    if kind == "pad":
        return b.pad(x, (n["a"], n["b"]), mode="replicate"), nnf.pad(y, (n["a"], n["b"]), mode="replicate")
    return b.cut(x, 2, n["a"], y.shape[-1] - n["b"]), y[..., n["a"] : y.shape[-1] - n["b"]]


@settings(max_examples=150, deadline=None)
@given(st.lists(layers(), min_size=1, max_size=4))
def test_positions_of_a_ramp(chain: list[tuple[str, dict[str, int]]]) -> None:
    """A ramp x[i] = i, sent through averaging layers, shows at every output the input position it stands for.

    Averaged over one period of phases and away from the border, the value read is the grid's own position. (A stride
    behind an upsampler would keep some phases only, so strides come first.)
    """
    size = 400
    b, y = Builder(1, 1, size), torch.arange(size, dtype=torch.float64).reshape(1, 1, -1)
    x, period = "x", 1
    for kind, numbers in chain:
        if kind in ("conv", "pool") and period > 1:
            numbers = {**numbers, "s": 1}
        # Causal padding is placed on purpose elsewhere than its centre; it has its own test.
        if kind == "pad" and numbers["a"] != numbers["b"]:
            numbers = {**numbers, "b": numbers["a"]}
        x, y = run(b, x, y, kind, numbers)
        period *= numbers["s"] if kind in ("up", "shuffle", "nearest", "linear") else 1
    grid = infer(b.graph(x)).grids[x][2]
    assert grid is not None
    assert grid.extent == y.shape[-1]
    values = y[0, 0].numpy()
    middle = range(len(values) // 3, len(values) // 3 + 2 * period)
    read = np.mean([values[n] for n in middle])
    want = np.mean([float(grid.at(n)) for n in middle])
    assert read == pytest.approx(want, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.data())
def test_centroid_of_a_bright_pixel(k: int, s: int, data: st.DataObject) -> None:
    """One bright pixel through a transposed convolution: the centroid of its footprint is where the grid says."""
    p = data.draw(st.integers(0, (k - 1) // 2))
    o = data.draw(st.integers(0, s - 1))
    b = Builder(1, 1, 21)
    x = b.up("x", 1, k, s, p, o)
    grid = infer(b.graph(x)).grids[x][2]
    pixel = torch.zeros(1, 1, 21)
    pixel[..., 10] = 1
    out = nnf.conv_transpose1d(pixel, torch.ones(1, 1, k), stride=s, padding=p, output_padding=o)[0, 0].numpy()
    centroid = (np.arange(len(out)) * out).sum() / out.sum()
    assert float(grid.origin) + float(grid.step) * centroid == pytest.approx(10)


def offsets(b: Builder, value: str) -> list[F]:
    return [g.off_centre for g in infer(b.graph(value)).grids[value][2:]]


def test_phase0_autoencoder_is_centred_and_its_meetings_agree() -> None:
    b = Builder(1, 3, 32, 32)
    skip = b.conv("x", 8, 3, 2, 1)
    deep = b.conv(skip, 16, 3, 2, 1)
    up = b.up(deep, 8, 3, 2, 1, 1)
    out = b.up(b.concat(1, skip, up), 3, 3, 2, 1, 1)
    grids = infer(b.graph(out))
    assert offsets(b, out) == [0, 0]
    assert grids.meetings == ()
    assert grids.grids[out][2].uneven == ("n2", "n4")


def test_phase0_upsampler_behind_a_pool_meets_its_skip_half_a_pixel_off() -> None:
    b = Builder(1, 3, 32, 32)
    up = b.up(b.conv(b.pool("x", 2), 8, 3, 1, 1), 8, 3, 2, 1, 1)
    meetings = infer(b.graph(b.concat(1, "x", up))).meetings
    assert [(m.dim, m.displacement) for m in meetings] == [(2, F(1, 2)), (3, F(1, 2))]


def test_unet_with_pools_and_kernel_equal_to_stride_is_aligned() -> None:
    b = Builder(1, 3, 64, 64)
    skips, x = [], "x"
    for c in (8, 16, 32):
        x = b.conv(x, c, 3, 1, 1)
        skips.append(x)
        x = b.pool(x, 2)
    for c, skip in zip((32, 16, 8), reversed(skips), strict=True):
        x = b.conv(b.concat(1, skip, b.up(x, c, 2, 2)), c, 3, 1, 1)
    grids = infer(b.graph(x))
    assert grids.meetings == ()
    assert offsets(b, x) == [0, 0]
    assert [str(a) for a in sizes_of(grids).axes] == ["multiples of 8, at least 8"] * 2


def test_stacked_uneven_layers_compound() -> None:
    """k3 s2 twice: 1,2 becomes 1,3,2,3 paths (article: uneven overlap; Distill 2016: it compounds)."""
    b = Builder(1, 8, 16)
    x = b.up(b.relu(b.up("x", 8, 3, 2, 1, 1)), 3, 3, 2, 1, 1)
    grid = infer(b.graph(x)).grids[x][2]
    response = nnf.conv_transpose1d(
        nnf.conv_transpose1d(torch.ones(1, 1, 16), torch.ones(1, 1, 3), stride=2, padding=1, output_padding=1),
        torch.ones(1, 1, 3),
        stride=2,
        padding=1,
        output_padding=1,
    )[0, 0].numpy()
    assert list(response[24:28]) == [grid.pattern[n % 4] for n in range(24, 28)]


def test_causal_stack_stays_on_its_samples() -> None:
    """EnCodec's shape of layer: all padding in front on the way down, a right trim on the way up."""
    b = Builder(1, 1, 64)
    x = b.conv(b.pad("x", (6, 0)), 8, 7)
    down = b.conv(b.pad(x, (4, 0)), 8, 8, 4)
    up = b.up(b.relu(down), 8, 8, 4)
    trimmed = b.cut(up, 2, 0, b.shapes[up][2] - 4)
    grids = infer(b.graph(b.merge(x, trimmed)))
    assert grids.meetings == ()
    assert offsets(b, trimmed) == [0]
    assert next(r for r in grids.resamplers if r.kind == "ConvTranspose").crops == ((0, 4),)


def test_right_trim_of_an_image_is_no_causal_layer() -> None:
    b = Builder(1, 3, 16, 16)
    up = b.up("x", 3, 3, 2)
    x = b.cut(b.cut(up, 2, 0, 32), 3, 0, 32)
    assert offsets(b, x) == [-F(1, 4)] * 2


def test_blur_behind_a_pixel_shuffle_shifts() -> None:
    """Replicate padding (1, 0) and a 2×2 average, fastai's cure for checkerboards, moves the picture half a pixel."""
    b = Builder(1, 4, 16, 16)
    x = b.shuffle(b.conv("x", 16, 3, 1, 1), 2)
    assert offsets(b, x) == [0, 0]
    x = b.pool(b.pad(x, (1, 0), (1, 0), mode="replicate"), 2, 1, kind="average")
    assert offsets(b, x) == [-F(1, 4)] * 2


def test_pixel_shuffle_written_as_reshapes() -> None:
    b = Builder(1, 8, 6, 10)
    x = b.conv("x", 12, 3, 1, 1)
    x = b.reshape(x, 1, 3, 2, 2, 6, 10)
    x = b.permute(x, 0, 1, 4, 2, 5, 3)
    x = b.reshape(x, 1, 3, 12, 20)
    out = b.conv(x, 3, 3, 1, 1)
    grids = infer(b.graph(out))
    (layer,) = grids.resamplers
    assert (layer.kind, layer.factor, layer.node.name) == ("PixelShuffle", (2, 2), "n3")
    assert [(g.step, g.off_centre) for g in grids.grids[out][2:]] == [(F(1, 2), 0)] * 2


def test_nearest_resize_written_as_a_broadcast() -> None:
    b = Builder(1, 8, 6, 10)
    x = b.expand(b.reshape("x", 1, 8, 6, 1, 10, 1), 1, 8, 6, 2, 10, 2)
    out = b.conv(b.reshape(x, 1, 8, 12, 20), 3, 3, 1, 1)
    grids = infer(b.graph(out))
    assert [(r.kind, r.factor) for r in grids.resamplers] == [("Repeat", (2, 2))]
    assert [g.off_centre for g in grids.grids[out][2:]] == [0, 0]


def test_windows_and_patches_keep_their_place() -> None:
    """A picture cut into patches, embedded, attended in windows, and put together again sits where it sat."""
    b = Builder(1, 3, 56, 56)
    x = b.conv("x", 32, 4, 4)
    x = b.permute(x, 0, 2, 3, 1)
    windows = b.permute(b.reshape(x, 1, 2, 7, 2, 7, 32), 0, 1, 3, 2, 4, 5)
    tokens = b.linear(b.reshape(windows, 4, 49, 32), 48)
    back = b.permute(b.reshape(tokens, 1, 2, 2, 7, 7, 48), 0, 1, 3, 2, 4, 5)
    pixels = b.permute(b.reshape(b.reshape(back, 1, 14, 14, 48), 1, 14, 14, 4, 4, 3), 0, 5, 1, 3, 2, 4)
    picture = b.reshape(pixels, 1, 3, 56, 56)
    grids = infer(b.graph(b.merge("x", picture)))
    assert grids.meetings == ()
    assert [(g.step, g.origin) for g in grids.grids[picture][2:]] == [(1, 0)] * 2


def test_batch_folded_into_groups_is_no_shuffle() -> None:
    b = Builder(4, 8, 6, 6)
    x = b.conv(b.reshape(b.conv("x", 8, 3, 1, 1), 1, 32, 6, 6), 32, 3, 1, 1)
    grids = infer(b.graph(b.reshape(x, 4, 8, 6, 6)))
    assert grids.resamplers == ()


def test_sizes_of_a_valid_convolution_network_are_not_called_fragile() -> None:
    b = Builder(1, 3, 40)
    x = b.conv(b.conv("x", 8, 3), 8, 3)
    (axis,) = sizes_of(infer(b.graph(b.resize(x, 2)))).axes
    assert axis.is_free
    assert axis.least == 5


@pytest.mark.parametrize("size", range(8, 33))
def test_sizes_agree_with_running_the_model(size: int) -> None:
    """The promise of `valid_sizes` held against the real layers: a strided encoder, a decoder, and a skip."""
    b = Builder(1, 1, 32)
    skip = b.conv("x", 1, 4, 2, 1)
    up = b.up(b.conv(skip, 1, 3, 2, 1), 1, 4, 2, 1)
    out = b.up(b.merge(skip, up), 1, 2, 2)
    (axis,) = sizes_of(infer(b.graph(out))).axes

    def model(x: torch.Tensor) -> torch.Tensor:
        def w(k: int) -> torch.Tensor:
            return torch.ones(1, 1, k)

        skip = nnf.conv1d(x, w(4), stride=2, padding=1)
        deep = nnf.conv1d(skip, w(3), stride=2, padding=1)
        return nnf.conv_transpose1d(
            torch.add(skip, nnf.conv_transpose1d(deep, w(4), stride=2, padding=1)), w(2), stride=2
        )

    try:
        survives = model(torch.zeros(1, 1, size)).shape[-1] == size
    except RuntimeError:
        survives = False
    assert (size in axis) == survives


def test_space_to_depth_by_slices_stands_in_the_middle_of_its_cells() -> None:
    """Patch merging as Swin and YOLO write it: four strided slices side by side are no misaligned merge."""
    b = Builder(1, 3, 16, 16)
    phases = [b.cut(b.cut("x", 2, r, 16, 2), 3, c, 16, 2) for r in (0, 1) for c in (0, 1)]
    x = b.conv(b.concat(1, *phases), 8, 3, 1, 1)
    grids = infer(b.graph(b.up(x, 3, 2, 2)))
    assert grids.meetings == ()
    assert [(g.step, g.origin) for g in grids.grids[x][2:]] == [(2, F(1, 2))] * 2


def test_strided_convolution_beside_a_pool_goes_on_with_one_of_them() -> None:
    """ENet's downsampler: two grids half a pixel apart, none of them upsampled, are no misaligned upsampling."""
    b = Builder(1, 3, 16, 16)
    x = b.concat(1, b.conv("x", 5, 3, 2, 1), b.pool("x", 2))
    grids = infer(b.graph(b.up(x, 3, 3, 2, 1, 1)))
    assert grids.meetings == ()
    assert grids.grids[x][2].origin == 0
