"""What the labs on applications compute, against the library and against definitions."""

from __future__ import annotations

import base64
import io
import wave
import zlib

import numpy as np
import pytest

pytest.importorskip("marimo")
pytest.importorskip("torch")
pytest.importorskip("skimage")

import torch

import upweave
from upweave.artifacts import score
from upweave.errors import UpweaveError
from upweave.labs.applied import decoder, multigrid, segmentation, superresolution, vocoder, volume
from upweave.labs.applied.data import PHOTOGRAPHS, faces, missing, photograph, silhouette
from upweave.labs.applied.gains import equal_gains
from upweave.labs.kit.findings import findings
from upweave.labs.kit.media import Picture, pictures, png, sound, wav
from upweave.labs.text import same
from upweave.testing import assert_close


def test_pictures_and_sounds_hold_what_they_were_given() -> None:
    pixels = np.array([[[0, 0.5, 1], [2, -1, 0.2]], [[1, 1, 1], [0, 0, 0]]])
    data = base64.b64decode(png(pixels).removeprefix("data:image/png;base64,"))
    at = data.index(b"IDAT")
    body = zlib.decompress(data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at], "big")])
    assert body == bytes([0, 0, 128, 255, 255, 0, 51, 0, 255, 255, 255, 0, 0, 0])
    for bad in (np.zeros(3), np.zeros((2, 2, 4)), np.zeros((0, 3))):
        with pytest.raises(UpweaveError, match="a picture is"):
            png(bad)
    with wave.open(
        io.BytesIO(base64.b64decode(wav([0, 0.5, -1, 3], 8000).removeprefix("data:audio/wav;base64,")))
    ) as f:
        assert (f.getframerate(), f.getnchannels(), f.getsampwidth()) == (8000, 1, 2)
        assert np.frombuffer(f.readframes(4), "<i2").tolist() == [0, 16384, -32767, 32767]
    with pytest.raises(UpweaveError, match="one line"):
        wav(np.zeros((2, 2)), 8000)
    assert "<img" in pictures(Picture(same("a & b"), np.zeros((2, 2)))).text
    assert "a &amp; b" in sound(same("a & b"), [0.0], 8000).text


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing("torch", "skimage") is None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    told = missing("skimage")
    assert told is not None
    assert "pip install 'scikit-image'" in told.en
    assert "pip install 'scikit-image'" in told.zh


def test_pictures_of_other_packages() -> None:
    assert faces(32).shape == (100, 32, 32)
    assert set(np.unique(silhouette())) == {0, 1}
    for name in PHOTOGRAPHS:
        assert photograph(name).shape == (192, 192)
        assert 0 <= photograph(name).min() < photograph(name).max() <= 1
    with pytest.raises(UpweaveError, match="no photograph"):
        photograph("nobody")


def test_paths_through_the_decoder() -> None:
    """Against a stack of matrices, multiplied out."""
    for kind, entry in decoder.KINDS.items():
        ones = np.eye(16)
        k = int(entry.spec.per_axis(1)[0].kernel)
        for _ in range(3):
            ones = upweave.matrix(entry.spec, ones.shape[0], np.ones((1, 1, k))).toarray() @ ones
        paths = ones.sum(axis=1)
        assert_close(decoder.path_counts(kind), np.outer(paths[56:64], paths[56:64]), tolerance=1e-12)
    assert decoder.path_counts("k3").max() / decoder.path_counts("k3").min() == 25


def test_even_coverage_does_not_save_an_untrained_decoder_and_equal_gains_do() -> None:
    share = {
        kind: np.mean([decoder.decoded(kind, 0, seed).checkerboard[0] for seed in range(3)]) for kind in decoder.KINDS
    }
    assert min(share["k3"], share["k4"], share["k5"]) > 0.3
    assert max(share["icnr"], share["equal"], share["resize"]) < 0.01


def test_training_the_decoder_lowers_the_loss() -> None:
    made = decoder.decoded("resize", 6)
    assert made.losses[-1] < made.losses[0]
    assert made.pictures.shape == (32, 32, 32)
    names = {f.name for f in upweave.audit(decoder.decoded("k3", 0).module, made.example).findings}
    assert {"uneven-coverage", "compounding-coverage"} <= names
    clean = upweave.audit(decoder.decoded("resize", 0).module, made.example)
    assert not clean.at_least(upweave.audit.Level.WARNING)


def test_a_discriminator_leaves_the_checkerboard_that_squared_error_removes() -> None:
    """In the median of three draws: adversarial training goes other ways with every rounding."""
    seeds = range(3)
    k4, equal, squared = (
        [score(make(seed).pictures, 2) for seed in seeds] for make in (
            lambda seed: decoder.contested("k4", 80, seed), lambda seed: decoder.contested("equal", 80, seed),
            lambda seed: decoder.decoded("k4", 80, seed),
        )
    )  # fmt: skip
    imbalance = [np.median([s.imbalance for s in scores]) for scores in (k4, squared)]
    assert imbalance[0] > 100 * abs(imbalance[1])
    assert sum(bool(s.found) for s in k4) >= 2
    assert not any(s.found for s in equal)
    assert decoder.contested("k4", 80).pictures.std(axis=0).mean() > 0.04  # no single picture for all codes


def test_both_teachers_begin_with_the_same_pictures_and_leave_torch_as_it_was() -> None:
    torch.manual_seed(3)
    before = torch.rand(2)
    torch.manual_seed(3)
    first, again = (decoder.contested.__wrapped__("k5", 2, 1) for _ in range(2))
    assert torch.equal(torch.rand(2), before)
    np.testing.assert_array_equal(first.pictures, again.pictures)
    np.testing.assert_array_equal(
        decoder.contested("k5", 0, 1).pictures, decoder.TEACHERS["squared"].decoded("k5", 0, 1).pictures
    )


@pytest.mark.parametrize("stride", [4, 8, 16])
def test_a_mask_moves_as_far_as_the_alignment_says(stride: int) -> None:
    mask = silhouette()
    best = segmentation.result(mask, stride, stride // 2)[1]
    for padding in range(0, stride + 1, stride // 4):
        for middle in (False, True):
            _, overlap, moved = segmentation.result(mask, stride, padding, middle=middle)
            expected = segmentation.shift(stride, padding, middle=middle)
            assert moved == pytest.approx(expected, abs=0.2)
            assert overlap <= best + 1e-12
    assert segmentation.shift(stride, 0) == stride / 2
    assert segmentation.shift(stride, 0, middle=True) == 0
    weight = segmentation.bilinear(stride)
    assert upweave.is_dc_flat(segmentation.layer(stride, 0), weight)


def test_the_audit_sees_where_grids_do_not_meet() -> None:
    x = torch.zeros(1, 3, 64, 64)
    names = [{f.name for f in upweave.audit(segmentation.skip_model(p), x).findings} for p in (0, 1)]
    assert "misaligned-merge" in names[0]
    assert "misaligned-merge" not in names[1]


@pytest.mark.parametrize("layer", ["k2", "k3", "k4", "k6"])
def test_the_best_weight_has_the_least_error(layer: str) -> None:
    """At the solution the error is orthogonal to what each tap makes; any other weight is worse on these pictures."""
    spec, weight = superresolution.LAYERS[layer], superresolution.best_weight(layer, "brick")
    inner = (slice(superresolution.BORDER, -superresolution.BORDER),) * 2

    def error(w: np.ndarray) -> float:
        total = 0.0
        for name in PHOTOGRAPHS:
            if name != "brick":
                truth = photograph(name)
                large = superresolution.enlarged(superresolution.reduced(truth), spec, w)
                total += float(((large - truth)[inner] ** 2).sum())
        return total

    least = error(weight)
    rng = np.random.default_rng(0)
    for _ in range(3):
        assert error(weight + 0.01 * rng.standard_normal(weight.shape)) > least
    if layer == "k2":  # the best box of one tap a phase is the box, but for the photographs' own edges
        assert_close(weight, np.ones((1, 1, 2, 2)), tolerance=0.01)


def test_fsrcnn_s_shift_is_undone_by_its_weights() -> None:
    found = upweave.alignment(superresolution.LAYERS["k9"], superresolution.best_weight("k9", "camera")).axes[0]
    assert found.shift_half_pixel == -0.5
    assert abs(found.centroid_shift_half_pixel or 1) < 0.1


def test_fixed_resizes_leave_a_constant_alone() -> None:
    for mode in superresolution.FIXED:
        large = superresolution.resized(np.ones((24, 24)), mode)
        assert large.shape == (48, 48)
        assert_close(large[8:-8, 8:-8], np.ones((32, 32)), tolerance=1e-12)


@pytest.mark.parametrize("stride", [(2, 2, 2), (1, 2, 2)])
def test_white_matter_is_as_flat_as_the_gains(stride: tuple[int, int, int]) -> None:
    for kind in volume.KINDS:
        made = volume.decoded(kind, stride)
        spec, weight = volume.layer(kind, stride), volume.weight(kind, stride)
        assert made.volume.shape == (64,) * 3
        gains = upweave.dc_gain(spec, weight)[..., 0, :]  # (s…, C_in)
        at = volume.inside(volume.WHITE)
        inner = volume.features(stride, 0)[0]
        white = tuple(int(c[0]) // s for c, s in zip(np.nonzero(at), stride, strict=True))
        level = inner[(slice(None), *white)]
        expected = gains @ level
        scale = np.sqrt(np.mean(made.by_phase**2)) / np.sqrt(np.mean(expected**2))
        assert_close(np.abs(made.by_phase), np.abs(expected * scale), tolerance=0.02)
        assert (made.variation < 1e-9) == (kind in ("equal", "folded"))
        assert (made.contrast == float("inf")) == (kind in ("equal", "folded"))


def test_the_folded_volume_is_the_resize() -> None:
    x = np.random.default_rng(1).normal(size=(1, volume.CHANNELS, 4, 5, 6))
    kernel = np.random.default_rng(0).uniform(-1, 1, (1, volume.CHANNELS, 3, 3, 3))
    near = x.repeat(2, 2).repeat(2, 3).repeat(2, 4)
    expected = torch.nn.functional.conv3d(torch.tensor(near), torch.tensor(kernel), padding=1).numpy()
    found = upweave.conv_transpose(x, volume.weight("folded", (2, 2, 2)), stride=2, padding=1)
    assert_close(found, expected, tolerance=1e-10)


def test_whistles_are_those_of_the_kernel() -> None:
    for kind in vocoder.KINDS:
        heard = vocoder.rendered(kind, 0.5)
        assert_close(vocoder.measured_whistles(heard), vocoder.whistles(kind, 0.5), tolerance=1e-9)
        pause = vocoder.silence(heard)
        assert np.abs(pause - pause.mean()).max() <= vocoder.whistles(kind, 0.5).sum() + 1e-9
    assert vocoder.whistles("trained", 0.5).max() > 0.01
    assert vocoder.whistles("equal", 0.5).max() < 1e-12
    assert vocoder.whistles("trained", 0.0).max() == 0


def test_a_checkerboard_is_a_whistle() -> None:
    sound_, low = vocoder.rendered("trained", 1.0), vocoder.rendered("linear", 1.0)
    assert bool(score(vocoder.silence(sound_), 8, dims=1).found)
    assert np.ptp(vocoder.silence(low)) < 1e-12
    assert vocoder.spectrogram(sound_).shape[0] == 129
    assert vocoder.levels(sound_)[64 * 1] > vocoder.levels(low)[64 * 1] + 20  # 2 kHz


def test_equal_gains_is_the_projection() -> None:
    weight = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    once = equal_gains(weight, (2, 3))
    assert upweave.is_dc_flat(upweave.ConvTranspose((5, 4), (2, 3)), once)
    assert_close(equal_gains(once, (2, 3)), once, tolerance=1e-12)


def test_orders_of_the_prolongations() -> None:
    assert {k: multigrid.order(v[1]) for k, v in multigrid.LINES.items()} == {
        "linear": 2,
        "repeat": 1,
        "five": 0,
        "ten": 0,
        "inject": 0,
    }
    for line in (v[1] for v in multigrid.LINES.values()):
        flat = upweave.is_dc_flat(multigrid.PROLONGATION, np.asarray(line).reshape(1, 1, 3))
        assert flat == (multigrid.order(line) >= 1)
    last = {k: float(multigrid.reductions(6, line=v[1], cycles=20)[-5:].mean()) for k, v in multigrid.LINES.items()}
    assert last["linear"] < 0.37 < 1 < last["repeat"]
    fields = multigrid.solve(multigrid.charges(31), 12)
    residual = multigrid.charges(31) - multigrid.laplacian(fields[-1])
    assert np.abs(residual).max() < 1e-4


def test_findings_are_escaped_and_none_is_said() -> None:
    report = upweave.audit(decoder.decoded("k3", 0).module, torch.zeros(1, decoder.CODE))
    text = findings(report.findings, same("A < B")).text
    assert "UW101 uneven-coverage" in text
    assert "A &lt; B" in text
    assert "nothing found" in findings([], same("x")).text
