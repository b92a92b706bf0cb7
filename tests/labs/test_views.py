"""The numbers behind the explorer's pictures: against the definition, and against each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("marimo")

import upweave
from upweave.errors import ModelError, SpecError
from upweave.labs.kit import Panel, Text, paths
from upweave.labs.views import bank, line, models, plane, stack
from upweave.labs.views.presets import KNOWN
from upweave.labs.views.study import KERNELS, SIGNALS, Study, kernel_used, study

LAYERS = {
    "k": st.integers(1, 5),
    "s": st.integers(1, 4),
    "p": st.integers(0, 4),
    "o": st.integers(0, 3),
    "d": st.integers(1, 3),
    "H": st.integers(1, 5),
}


def made(*axes: dict[str, int], kernel: str = "random", signal: str = "random") -> Study:
    try:
        found = study(axes, kernel, signal)
        assert min(found.out_size) > 0
    except SpecError:
        assume(False)
        raise
    return found


def cells(panel: Panel, name: str) -> dict[str, float]:
    """The numbers written into the cells whose names begin so, by the rest of the name."""
    out = {}
    marks = panel.marks
    for at, mark in enumerate(marks):
        if mark["m"] == "rect" and str(mark.get("name", "")).startswith(name):
            text = next((m for m in marks[at + 1 : at + 2] if m["m"] == "text"), None)
            if text is not None:
                out[mark["name"].removeprefix(name)] = float(str(text["s"]).replace("−", "-").replace("·10^", "e"))
    return out


@settings(max_examples=40)
@given(values=st.fixed_dictionaries(LAYERS), view=st.sampled_from(sorted(line.VIEWS)), data=st.data())
def test_views_of_one_axis_add_up(values: dict[str, int], view: line.View, data: st.DataObject) -> None:
    seen = made(values)
    step = data.draw(st.integers(0, line.steps(seen, view) - 1))
    first, _, matrix = line.layer_panels(seen, view, step)
    shown = cells(first, "y")
    signal = seen.signal.copy()
    if view == "scatter":
        signal[step + 1 :] = 0
    wanted = upweave.matrix(seen.spec, seen.size, seen.weight) @ signal
    for n, value in enumerate(wanted):
        assert shown[str(n)] == pytest.approx(value, rel=6e-3, abs=1e-9)
    table = seen.paths[0]
    # every product of the layer is somewhere in the picture, and in the matrix once
    entries = [m for m in matrix.marks if m.get("on")]
    assert sorted(j for m in entries for j in m["on"][0]) == list(range(len(table.inputs)))
    outputs = {m["name"]: m["on"][0] for m in first.marks if m.get("name", "").startswith("y") and m.get("on")}
    assert outputs == {f"y{n}": table.of_output(n) for n in range(table.shape[0]) if table.of_output(n)}


@settings(max_examples=25)
@given(rows=st.fixed_dictionaries(LAYERS), columns=st.fixed_dictionaries(LAYERS), data=st.data())
def test_views_of_two_axes_add_up(rows: dict[str, int], columns: dict[str, int], data: st.DataObject) -> None:
    seen = made(rows, columns)
    view: line.View = data.draw(st.sampled_from(sorted(line.VIEWS)))
    step = data.draw(st.integers(0, plane.steps(seen, view) - 1))
    panels = plane.layer_panels(seen, view, step)
    (grid,) = (m for m in panels[2].marks if m["m"] == "grid")
    assert grid["name"] == "y"
    signal = seen.signal.reshape(-1).copy()
    if view == "scatter":
        signal[step + 1 :] = 0
    wanted = (upweave.matrix(seen.spec, seen.size, seen.weight) @ signal).reshape(seen.out_size)
    np.testing.assert_allclose(np.array(grid["values"]), wanted, atol=1e-4 * max(1, abs(wanted).max()))
    assert grid["rows"] == [seen.paths[0].of_output(n) for n in range(seen.out_size[0])]
    if view == "insert":
        (source,) = (m for m in panels[0].marks if m["m"] == "grid")
        window = next(m for m in panels[0].marks if m.get("style") == "window")
        at = np.unravel_index(step, seen.out_size)
        top, left = (round((window[c] - 2) / source["cell"]) for c in "yx")
        expanded, flipped = np.array(source["values"]), seen.kernel[::-1, ::-1]
        reach = [slice(o, None, a.dilation) for o, a in zip((top, left), seen.axes, strict=True)]
        read = expanded[reach[0], reach[1]][: flipped.shape[0], : flipped.shape[1]]
        if read.shape == flipped.shape:  # else the window's end lies beyond the last input that matters
            assert float((read * flipped).sum()) == pytest.approx(seen.output[at], abs=1e-3)


@given(values=st.fixed_dictionaries(LAYERS))
def test_bank_panels_show_the_theory(values: dict[str, int]) -> None:
    seen = made(values)
    heights = [m["tip"][0] for m in bank.coverage_panel(seen).marks if m.get("name")]
    counts = upweave.coverage_line(seen.spec, seen.size)
    assert heights == [f"output {n}: {c} products" for n, c in enumerate(counts)]
    present = {m["name"] for m in bank.phases_panel(seen).marks if m.get("name")}
    layer = seen.axes[0]
    for r, t in itertools.product(range(layer.stride), range(layer.kernel)):
        assert (f"h{r},{t}" in present) == ((layer.dilation * t - r - layer.begin) % layer.stride == 0)
    assert len(present) == upweave.coverage(seen.spec).sum()
    bank.grid_panel(seen)
    bank.spectrum_panel(seen)


@settings(max_examples=40)
@given(
    layers=st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1)).map(lambda n: upweave.ConvTranspose(*n)),
        min_size=1,
        max_size=3,
    ),
    size=st.integers(1, 4),
)
def test_a_stack_counts_ways(layers: list[upweave.ConvTranspose], size: int) -> None:
    found = stack.Stack(tuple(layers), size)
    try:
        sizes = found.sizes
    except SpecError:
        assume(False)
        raise
    ways = np.ones(size)
    for layer, n in zip(layers, sizes[:-1], strict=True):
        ways = upweave.matrix(layer, n) @ ways
    assert found.counts.tolist() == ways.tolist()
    if stack.fits(found) and len(found.lines):
        panel = stack.cone_panel(found)
        last = [m for m in panel.marks if m.get("name", "").startswith(f"{len(layers)}:")]
        assert [len(m["on"][0]) if "on" in m else 0 for m in last] == ways.tolist()


def test_a_stack_that_cannot_be_drawn_is_known() -> None:
    layer = upweave.ConvTranspose(4, 2, 1)
    assert stack.fits(stack.Stack((layer,) * 2, 8))
    assert not stack.fits(stack.Stack((layer,) * 4, 8))


@pytest.mark.parametrize("kernel", sorted(set(KERNELS) - {"model"}))
@pytest.mark.parametrize("signal", sorted(SIGNALS))
def test_every_kernel_and_signal(kernel: str, signal: str) -> None:
    axis = {"k": 4, "s": 2, "p": 1, "o": 0, "d": 1, "H": 5}
    for axes in ((axis,), (axis, axis)):
        seen = study(axes, kernel, signal)
        assert seen.kernel.shape == (4,) * len(axes)
        assert np.isfinite(seen.output).all()
    triangle = study((axis,), "triangle", "constant")
    assert upweave.is_dc_flat(triangle.spec, triangle.weight)
    assert kernel_used("model", (4,), None) == "triangle"
    assert kernel_used("model", (4,), np.ones(4)) == "model"
    assert kernel_used("model", (3,), np.ones(4)) == "triangle"


def test_presets_are_layers() -> None:
    for known in KNOWN.values():
        seen = study((known.numbers,) * known.axes, "ones", "constant")
        assert min(seen.out_size) > 1
    vae = KNOWN["vae"].numbers  # nearest ×2 and a 3×3 convolution is that layer
    resize = upweave.ResizeConv(3, 2, 1)
    assert upweave.coverage(upweave.ConvTranspose(*(vae[n] for n in "ksp"))).tolist() == [2, 2]
    assert upweave.output_size(resize, 6) == upweave.output_size(upweave.ConvTranspose(*(vae[n] for n in "ksp")), 6)


def test_models_give_their_layers(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(
        torch.nn.ConvTranspose2d(4, 3, (4, 3), (2, 1), (1, 0)),
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.PixelShuffle(2),
        torch.nn.ConvTranspose2d(2, 1, 64, 32, 16),
    )
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(model.eval(), (torch.randn(1, 4, 6, 6),)), path)
    found, left_out = models.read_upload("My model.PT2", path.read_bytes())
    first, shuffled = found
    assert first.numbers == (
        {"k": 4, "s": 2, "p": 1, "o": 0, "d": 1},
        {"k": 3, "s": 1, "p": 0, "o": 0, "d": 1},
    )
    weight = model[0].weight.detach().numpy()
    assert any(np.allclose(first.weights, w) for pair in weight for w in pair)
    norms = np.square(weight).sum(axis=(2, 3))
    assert np.square(first.weights).sum() == pytest.approx(norms.max(), rel=1e-5)
    assert shuffled.numbers[0]["s"] == 2
    assert len(left_out) == 1
    assert "64" in left_out[0].en
    with pytest.raises(ModelError, match="pickle"):
        models.read_upload("weights.pt", b"")
    with pytest.raises(ModelError):
        models.read_upload("broken.pt2", b"nothing")


def test_every_example_has_layers() -> None:
    pytest.importorskip("torch")
    with pytest.raises(ModelError, match="no example"):
        models.read_example("os:system")
    names = models.examples()
    assert "examples.dcgan:dcgan" in names
    for name in ("examples.dcgan:dcgan", "examples.fsrcnn:fsrcnn", "examples.hifigan:hifigan"):
        found, _ = models.read_example(name)
        assert found, name


def test_panels_name_each_mark_once() -> None:
    axis = {"k": 3, "s": 2, "p": 1, "o": 1, "d": 1, "H": 4}
    seen = study((axis,), "random", "ramp")
    for panel in (*line.layer_panels(seen, "scatter", 2), bank.coverage_panel(seen), bank.grid_panel(seen)):
        names = [m["name"] for m in panel.marks if m.get("name")]
        assert len(names) == len(set(names)), panel.title
        assert isinstance(panel.title, Text)
    assert paths(seen.spec, 4).shape == (8, 4)
