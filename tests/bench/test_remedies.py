"""The study of remedies: its networks are what it says, its numbers are right, and its page says what they say."""

from __future__ import annotations

import math
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("skimage")
pytest.importorskip("sklearn")

from scipy import stats  # noqa: E402

from bench import cli, machine, results  # noqa: E402
from bench.remedies import (  # noqa: E402
    chart,
    measure,
    networks,
    page,
    paired,
    photographs,
    phrase,
    speed,
    study,
    training,
)
from bench.remedies.claim import FAILS, HOLDS, OPEN, PARTLY, Claim, every, gone, verdict  # noqa: E402
from bench.remedies.claims import CLAIMS, claims  # noqa: E402
from bench.remedies.remedy import BASELINE, REMEDIES  # noqa: E402
from bench.remedies.study import TASKS, Cell, Settings, Study  # noqa: E402

ROOT = Path(__file__).parents[2]
CLEAN = {"k3s2-equal", "k4s2-equal", "shuffle-icnr", "shuffle-equal", "nearest-conv", "bilinear-conv"}
TINY = Settings(
    dict.fromkeys(TASKS, 2), dict.fromkeys(TASKS, 2), {"super-resolution": 32, "autoencoder": 32, "generator": 32},
    side=128, samples=1, watched=(),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def held():
    return photographs.held_out(128)


# photographs


def test_the_photographs_are_there_and_none_is_on_both_sides():
    assert not set(photographs.TRAINING) & set(photographs.HELD_OUT)
    pictures, held = photographs.training(), photographs.held_out(200, 16)
    assert (len(pictures), len(held)) == (12, 5)
    for x in pictures.values():
        assert x.ndim == 2
        assert 0 <= x.min() < x.max() <= 1
    for x in held.values():
        assert x.shape == (1, 1, 192, 192)


def test_luminance_is_the_weighted_sum_of_the_colours():
    from PIL import Image

    grey = photographs.read("skimage/data/coffee.png")
    path = photographs.importlib.util.find_spec("skimage").origin
    with Image.open(Path(path).parent / "data/coffee.png") as picture:
        assert (
            abs(255 * grey[7, 9] - sum(w * v for w, v in zip(photographs.LUMA, picture.getpixel((9, 7)), strict=True)))
            < 1e-3
        )
    with pytest.raises(RuntimeError, match=r"skimage/data/none\.png is not installed"):
        photographs.read("skimage/data/none.png")


def test_patches_are_pieces_of_the_pictures_and_the_same_for_the_same_seed():
    ramp = torch.arange(40.0 * 50).reshape(40, 50).numpy()
    a, b = (photographs.Patches({"ramp": ramp}, 8, seed=3) for _ in range(2))
    for _ in range(20):
        patch = a.batch(2)
        assert torch.equal(patch, b.batch(2))
        for one in patch[:, 0]:
            steps = sorted({abs(float(one[0, 1] - one[0, 0])), abs(float(one[1, 0] - one[0, 0]))})
            assert steps == [1, 50]  # a ramp turned and mirrored, nothing else
            assert one.min() >= 0
            assert one.max() < 2000


# remedies


@pytest.mark.parametrize("name", REMEDIES)
def test_every_remedy_doubles_the_size_and_starts_as_loud_as_the_others(name):
    torch.manual_seed(0)
    layer = REMEDIES[name].make(64, 64, "linear")
    x = torch.randn(4, 64, 32, 32)
    with torch.no_grad():
        y = layer(x)[..., 4:-4, 4:-4]
    assert layer(x[:1, :, :5, :7]).shape == (1, 64, 10, 14)
    # products with unit variance each; what a resize or the equal gains take away is known
    lost = {"nearest-conv": 0.1, "bilinear-conv": 0.75, "k3s2-equal": 0.75, "k4s2-equal": 0.3, "shuffle-equal": 0.2}
    assert 1 - lost.get(name, 0.05) <= float(y.var()) <= 1.05


def test_a_widened_kernel_starts_as_the_narrow_one():
    x = torch.randn(1, 1, 9, 11)
    a, b = (networks.SuperResolution(REMEDIES[name], 4).eval() for name in ("k3s2", "k3s2-widened"))
    with torch.no_grad():
        assert torch.allclose(a(x), b(x), atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_networks_of_one_seed_differ_in_their_upsamplers_alone(task):
    a, b, c = (networks.NETWORKS[task](REMEDIES[n], 1) for n in ("k4s2", "nearest-conv", "k4s2-penalty"))
    own = {name: p for name, p in a.named_parameters() if not name.startswith("ups.")}
    other = dict(b.named_parameters())
    assert own
    assert all(torch.equal(p, other[name]) for name, p in own.items())
    assert all(torch.equal(p, dict(c.named_parameters())[name]) for name, p in a.named_parameters())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", REMEDIES)
def test_constants_get_a_pattern_where_gains_differ_and_nowhere_else(task, name):
    network = networks.NETWORKS[task](REMEDIES[name], 0).eval()
    with torch.no_grad():
        flat = measure.flat(task, network)
        gains = max(float(measure._of_weights(layer)["gains"]) for layer in networks.upsamplers(network))
    assert (flat < 1e-3, gains < 1e-5) == ((True, True) if name in CLEAN else (False, False))


# measures


def test_the_pattern_of_constants_is_what_the_gains_make_of_them():
    """An upsampler that reads the picture alone, with gains g_r: phase r of a constant c is g_r·(c − ½) + ½."""
    network = networks.SuperResolution(REMEDIES["k4s2"], 0).eval()
    gains = torch.tensor([[1.0, 0.9], [1.2, 1.1]])
    (layer,) = networks.upsamplers(network)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[-1, 0] = gains.flip(0, 1).repeat(2, 2) / 4  # four taps each; padding 1 swaps the phases
        found = measure.flat("super-resolution", network)
    power = sum((c - 0.5) ** 2 for c in measure.FLATS) / len(measure.FLATS)
    assert found == pytest.approx(255 * math.sqrt(power * float(gains.var(correction=0))), rel=1e-5)


@pytest.mark.parametrize("name", ["k3s2-equal", "k4s2-equal", "shuffle-equal"])
def test_equal_gains_leave_the_pattern_that_activations_between_upsamplers_make(name):
    pictures = photographs.held_out(256)
    for seed in (0, 1):
        network = networks.Autoencoder(REMEDIES[name], seed).eval()
        with torch.no_grad():
            before = measure.patterns(measure.outputs("autoencoder", network, pictures), 8)
            for stage in network.ups:
                del stage[1:]
            after = measure.patterns(measure.outputs("autoencoder", network, pictures), 8)
        assert before["found"] > 0.5
        assert -26 < measure.decibels(before["pattern"]) < -9
        assert measure.decibels(after["pattern"]) < measure.decibels(before["pattern"]) - 10


def test_levels_and_patterns():
    assert measure.decibels(0.01) == pytest.approx(-20)
    assert measure.decibels(-0.1) == measure.decibels(0) == measure.FLOOR
    noise = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    board = noise + 0.5 * (-1.0) ** torch.arange(128)[:, None] * (-1.0) ** torch.arange(128)
    found = measure.patterns([board, board], 8)
    assert found["pattern"] == pytest.approx(0.2, rel=0.2)
    assert found["pattern2"] == pytest.approx(0.2, rel=0.1)
    assert found["found"] == 1
    assert measure.patterns([noise], 2)["found"] == 0


def test_quality_is_that_of_the_pictures(held):
    made = [x + 0.1 for x in held.values()]
    made = [y if float(y.max()) <= 1 else x - 0.1 for x, y in zip(held.values(), made, strict=True)]
    inside = {k: x.clamp(0.1, 0.9) for k, x in held.items()}
    assert measure.quality([x + 0.1 for x in inside.values()], inside)["psnr"] == pytest.approx(20, abs=1e-3)
    assert measure.quality(list(inside.values())[:5], {k: x + 1e-4 for k, x in inside.items()})["ssim"] > 0.999


def test_one_upsampler_owes_all_of_a_pattern(held):
    network = networks.SuperResolution(REMEDIES["k4s2"], 0).eval()
    with torch.no_grad():
        found = measure.shares("super-resolution", network, held)
        assert measure.shares("super-resolution", networks.SuperResolution(REMEDIES["nearest-conv"], 0), held) == {}
    assert found == {"0": pytest.approx(1, abs=0.01), "together": pytest.approx(1, abs=0.01)}


# training


def test_training_makes_a_network_better_and_the_penalty_makes_gains_equal(held):
    pictures, settings = photographs.training(), replace(TINY, steps=dict.fromkeys(TASKS, 40))
    cells = {
        name: study.one("super-resolution", name, 0, settings, pictures, held)
        for name in ("k4s2", "k4s2-penalty", "k4s2-equal")
    }
    plain, pushed, equal = (cells[n] for n in ("k4s2", "k4s2-penalty", "k4s2-equal"))
    assert plain.end["error"] < plain.start["error"]
    assert plain.quality["psnr"] > 18
    assert pushed.start == plain.start
    assert pushed.end["gains"] < 0.8 * plain.end["gains"]
    assert equal.end["gains"] < 1e-5
    assert sorted(plain.states) == [0, 40]


@pytest.mark.parametrize("task", TASKS)
def test_a_cell_is_the_same_again_and_every_number_is_finite(task, held):
    pictures = photographs.training()
    a, b = (study.one(task, "shuffle-equal", 1, TINY, pictures, held) for _ in range(2))
    assert replace(a, seconds=0) == replace(b, seconds=0)
    assert a.start != a.end
    numbers = [v for s in (*a.states.values(), a.quality, a.shares) for v in s.values()]
    assert all(math.isfinite(v) for v in numbers)
    assert bool(a.quality) == (task != "generator")


def test_the_low_picture_keeps_half_pixel_positions():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert training.low(x).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


# the file


def test_a_run_is_kept_cell_by_cell_and_goes_on(tmp_path):
    path = tmp_path / "remedies.json"
    arguments = (TINY, ["super-resolution"], ["k4s2", "nearest-conv"])

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.run(path, *arguments, 1, "first", stop)
    (kept,) = study.load(path).cells
    said: list[str] = []
    done = study.run(path, *arguments, 1, "second", said.append)
    assert len(said) == 1
    assert done.cells[0] == kept
    assert [c.remedy for c in done.cells] == ["k4s2", "nearest-conv"]
    loaded = study.load(path)
    assert loaded.commands == ("first", "second")
    assert {c.remedy for c in loaded.cells} == {c.remedy for c in done.cells}
    assert loaded.references["bicubic"]["psnr"] > 20
    assert study.run(path, *arguments, 1, "second", pytest.fail).cells == loaded.cells
    again = study.run(path, TINY, ["super-resolution"], ["k4s2"], 1, "second", said.append, anew=True)
    assert len(said) == 2  # that one alone
    assert "k4s2" in said[-1]
    assert [c.remedy for c in again.cells] == ["k4s2", "nearest-conv"]
    assert again.cells[1] == loaded.cells[1]
    with pytest.raises(ValueError, match=r"holds cells of other settings; .* --force"):
        study.run(path, replace(TINY, side=144), *arguments[1:], 1, "third", pytest.fail)
    path.write_text('{"schema": 1, "mode": "forward"}')
    with pytest.raises(ValueError, match="holds no results of remedies"):
        study.load(path)


# statistics


def test_estimates_are_students():
    values = [1.0, 2.0, 4.0, 3.5]
    found = paired.estimate(values)
    low, high = stats.t.interval(0.95, 3, loc=found.mean, scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.sign == 1
    assert paired.estimate([-1.0, 1.0]).sign == 0
    assert paired.estimate([3.0]).sign == 0
    with pytest.raises(ValueError, match="no seeds"):
        paired.estimate([])


def test_differences_are_of_the_same_seeds():
    made = made_up({"k3s2": lambda seed: 10.0 * seed + 1, "k4s2": lambda seed: 10.0 * seed}, key="flat")
    made = replace(made, cells=tuple(c for c in made.cells if (c.remedy, c.seed) != ("k4s2", 0)))
    found = paired.difference(made, "autoencoder", "k3s2", "k4s2", paired.at_end("flat"))
    assert (found.mean, found.deviation, found.count) == (1, 0, 3)


# claims


def made_up(values, key="pattern", seeds=4, psnr=lambda remedy, seed: 30.0):
    """A study in which `key` after training is `values[remedy](seed)`, and everything else is the same for all."""
    cells = []
    for task in TASKS:
        for remedy in (r for r in REMEDIES if r in values):
            for seed in range(seeds):
                state = {"pattern": 0.1, "pattern2": 0.1, "found": 1.0, "flat": 10.0, "gains": 0.5, "rejection": 0.0,
                         "contrast": 0.2, "error": 1.0}  # fmt: skip
                end = state | {key: values[remedy](seed)}
                quality = {} if task == "generator" else {"psnr": psnr(remedy, seed), "ssim": 0.9}
                cells.append(Cell(task, remedy, seed, 1, {0: state, 9: end}, quality, {}, 1.0))
    return Study(Settings(), tuple(cells))


def by_saying(made):
    return {c.saying: c.verdict for c in claims(made)}


def test_verdicts():
    assert verdict([True, True, None]) == HOLDS
    assert verdict([False]) == FAILS
    assert verdict([True, False]) == PARTLY
    assert verdict([None]) == OPEN
    assert Claim("", (True, None, None, False, None), "", ()).count == "1 / 1 / 3"
    assert [every(cases) for cases in ([True, True], [True, None], [None, False])] == [True, None, False]
    levels = ([-50.0, -51.0, -52.0], [-38.0, -37.0, -36.0], [-20.0, -50.0, -70.0], [-50.0])
    assert [gone(paired.estimate(values)) for values in levels] == [True, False, None, None]


def test_claims_follow_from_the_numbers():
    clean = by_saying(made_up(dict.fromkeys(REMEDIES, lambda seed: 1e-6)))
    assert clean["Training removes the checkerboard by itself."] == HOLDS
    assert clean["Equal phase gains are enough."] == HOLDS
    assert clean["Unequal gains in the weights mean a checkerboard in the picture."] == FAILS
    assert clean["A kernel that the stride divides makes no checkerboard."] == FAILS  # it starts with one
    assert clean["Kernel 4 makes less of a checkerboard than kernel 3."] == OPEN
    assert clean["ICNR keeps the checkerboard away after training too."] == OPEN
    noisy = made_up({
        **dict.fromkeys(REMEDIES, lambda seed: 1e-2 * (1 + 0.1 * seed)),
        "k4s2": lambda seed: 1e-3 * (1 + 0.1 * seed), "shuffle-icnr": lambda seed: 2e-2 * (1 + 0.1 * seed),
    })  # fmt: skip
    found = by_saying(noisy)
    assert found["Training removes the checkerboard by itself."] == FAILS
    assert found["Kernel 4 makes less of a checkerboard than kernel 3."] == HOLDS
    assert found["ICNR keeps the checkerboard away after training too."] == FAILS
    assert found["Resize and convolve, and there is no checkerboard."] == FAILS


def test_claims_of_quality_follow_from_the_differences():
    same = dict.fromkeys(REMEDIES, lambda seed: 1e-6)
    worse = by_saying(made_up(same, psnr=lambda r, seed: 30 + seed - (0.5 if r.endswith("-equal") else 0)))
    assert worse["Equal phase gains by construction cost no accuracy."] == FAILS
    assert worse["Nearest resize and convolution gives the best pictures."] == OPEN  # no better than most
    beaten = by_saying(made_up(same, psnr=lambda r, seed: 30 + seed + (0.5 if r == "shuffle" else 0)))
    assert beaten["Nearest resize and convolution gives the best pictures."] == FAILS
    best = by_saying(made_up(same, psnr=lambda r, seed: 30 + seed + (0.5 if r == "nearest-conv" else 0)))
    assert best["Equal phase gains by construction cost no accuracy."] == HOLDS
    assert best["Nearest resize and convolution gives the best pictures."] == HOLDS
    assert best["A bilinear resize instead of a nearest one costs nothing."] == FAILS
    wild = by_saying(made_up(same, psnr=lambda r, seed: 30 + (seed * 7 + len(r) * 3) % 5))
    assert wild["Equal phase gains by construction cost no accuracy."] in (OPEN, PARTLY)


def test_one_seed_decides_nothing_and_missing_cells_claim_nothing():
    alone = made_up(dict.fromkeys(REMEDIES, lambda seed: 1e-6), seeds=1)
    assert {c.verdict for c in claims(alone)} == {OPEN}
    assert len(claims(alone)) >= len(CLAIMS) - 1  # no shares were made up, so that nobody can be blamed
    assert claims(Study(Settings())) == ()


def test_a_task_with_one_seed_is_shown_and_not_judged():
    full = made_up(dict.fromkeys(REMEDIES, lambda seed: 1e-6))
    dirty = made_up(dict.fromkeys(REMEDIES, lambda seed: 0.1), seeds=1)
    cells = [c for c in full.cells if c.task != "generator"] + [c for c in dirty.cells if c.task == "generator"]
    (found,) = (c for c in claims(replace(full, cells=tuple(cells))) if c.saying.startswith("Training removes"))
    assert found.verdict == HOLDS
    assert [line.split(":")[0] for line in found.lines] == list(TASKS)


# the page


def test_numbers_are_written_alike():
    assert phrase.number(-0.004, 2) == "0.00"
    assert phrase.number(-1.5, 1) == "−1.5"
    assert phrase.small(0.00001) == "0"
    assert phrase.small(0.0123) == "0.012"
    assert phrase.small(12.3) == "12"
    assert phrase.level(paired.estimate([-60.0, -60.0])) == "< −60"
    assert phrase.gap(paired.estimate([1.0, 1.1, 1.2]), 1) == "+1.1 ± 0.2"
    assert phrase.gap(paired.estimate([1.0, -1.1]), 1).startswith("(")
    assert phrase.gap(None, 1) == phrase.NOTHING


def test_the_page_of_made_up_results():
    rows = [{"shape": "output", "form": f, "threads": 2, "torch_ms": 2.0, "accelerated_ms": None, "calls": 9}
            for f in speed.forms()]  # fmt: skip
    made = replace(made_up(dict.fromkeys(REMEDIES, lambda seed: 1e-3)), speed=tuple(rows))
    text = page.markdown(made)
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    assert "| k4s2 | transposed convolution, kernel 4, stride 2: even coverage | 16 | 4 | 1.00× | — |" in text
    assert "| k3s2 | −10.0 | **−30.0** | (0.0 ± 0.0) |" in text
    assert "| Kernel 4 makes less of a checkerboard than kernel 3. | **left open** | 0 / 0 / 6 |" in text
    assert "{" not in text


def test_the_chart_is_well_formed_and_levels_are_where_they_belong():
    root = ET.fromstring(chart.svg(made_up({"k3s2": lambda seed: 1e-3, BASELINE: lambda seed: 1e-6})))
    space = "{http://www.w3.org/2000/svg}"
    rows = list(root.iter(f"{space}g"))
    assert len(rows) == 2 * len(TASKS)
    circles = [[float(c.get("cx")) for c in g.iter(f"{space}circle")] for g in rows[:2]]
    (start, end), (_, clean) = circles
    assert clean == chart.LEFT
    assert end - clean == pytest.approx(start - clean - 20 * (chart.RIGHT - chart.LEFT) / 60, abs=0.2)
    assert [c.get("class") for g in rows[:2] for c in g.iter(f"{space}circle")] == ["start", "worse", "start", "end"]
    with pytest.raises(ValueError, match="no cells"):
        chart.svg(Study(Settings()))


def test_the_page_in_the_documentation_is_what_the_results_say():
    written = page.files(results.FOLDER, ROOT / "docs")
    assert [p.name for p in written] == [page.PAGE, page.CHART]
    for path, text in written.items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is stale: run python -m bench report"


# the command


def test_from_the_command_to_the_page(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "pin", lambda threads: None)
    monkeypatch.setattr(study, "quick", lambda: TINY)
    monkeypatch.setattr(speed, "SHAPES", {"output": (4, 1, 16)})

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["bench", *words])
        return CliRunner().invoke(cli.main, [*words, "--results", str(tmp_path)])

    done = run("remedies", "--quick", "--name", "remedies", "--remedies", "k4s2,bilinear-conv", "--task", "autoencoder")
    assert done.exit_code == 0, done.output
    kept = study.load(tmp_path / "remedies.json")
    assert [(c.task, c.remedy, c.seed) for c in kept.cells] == [
        ("autoencoder", "k4s2", 0), ("autoencoder", "bilinear-conv", 0),
    ]  # fmt: skip
    assert kept.speed == ()
    done = run("remedies", "--quick", "--name", "remedies", "--speed")
    assert done.exit_code == 0, done.output
    kept = study.load(tmp_path / "remedies.json")
    assert len(kept.cells) == 2
    assert [row["form"] for row in kept.speed] == speed.forms()
    assert all(row["torch_ms"] > 0 for row in kept.speed)
    docs = tmp_path / "docs"
    assert run("report", "--page", str(docs / "performance.md")).exit_code == 0
    assert "## Autoencoder" in (docs / page.PAGE).read_text(encoding="utf-8")
    assert "bench remedies --quick" in (docs / page.PAGE).read_text(encoding="utf-8")
    wrong = run("remedies", "--remedies", "magic")
    assert wrong.exit_code == 1
    assert "no remedy is called magic; there are k3s2, k4s2" in wrong.output
