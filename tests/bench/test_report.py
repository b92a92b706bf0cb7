from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import gpu_table, report, results, rewrites
from bench.chart import svg
from bench.results import MODES, Outcome

from . import made_up
from .made_up import outcome, row

ROOT = Path(__file__).parents[2]


@pytest.fixture
def everything():
    rows = [
        row("a", [outcome("upweave", 1.0), outcome("torch", 4.0), Outcome("jax", "", False, "cannot", "no reason")])
    ]
    runs = {mode: made_up.run(rows, mode) for mode in MODES}
    return {**runs, "forward": made_up.every_core_row(), "memory": made_up.memory()}


def test_without_results_the_page_says_so():
    written = report.files({}, Path("docs/performance.md"))
    assert list(written) == [Path("docs/performance-gpu.md"), Path("docs/performance.md")]
    text = written[Path("docs/performance.md")]
    assert "Nothing has been measured yet." in text
    assert "| row |" not in text
    assert ".svg" not in text


def test_the_page_of_everything(everything, tmp_path):
    for mode, run in everything.items():
        results.save(run, tmp_path / f"{mode}.json")
    written = report.files(report.load(tmp_path), tmp_path / "performance.md")
    text = written.pop(tmp_path / "performance.md")
    assert written.pop(tmp_path / "performance-gpu.md").startswith("# How the Triton kernels should run")
    assert {p.name for p in written} == {f"performance-{mode}.svg" for mode in ("forward", "train", "isa")}
    for path in written:
        assert f"(assets/{path.name})" in text
    for mode in MODES:
        assert f"## {report.TITLES[mode]}\n" in text
    assert "| a | 1 | 4 | — | torch | 4.00× |" in text
    assert "jax does not run a: no reason" in text
    assert "Nothing has been measured" not in text
    assert "Not measured yet" not in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_what_is_missing_and_who_ran_is_said(everything):
    other = made_up.run([row("a", [outcome("upweave (torch backend)", 1.0), outcome("torch", 4.0)])],
                        ours="upweave (torch backend)")  # fmt: skip
    text = report.markdown({"forward": other}, set())
    assert "What ran here is upweave (torch backend), not the native core." in text
    assert "Not measured yet: forward and backward, lengths never seen before, overhead of a call, memory" in text
    alone = made_up.run([row("a", [outcome("torch", 4.0)])], ours=None)
    assert "Peers alone" in report.markdown({"forward": alone}, set())


def test_results_of_another_mode_are_refused(tmp_path):
    results.save(made_up.memory(), tmp_path / "forward.json")
    with pytest.raises(ValueError, match=r"forward\.json holds results of memory"):
        report.load(tmp_path)


def test_the_page_in_the_documentation_is_what_the_results_say():
    page = ROOT / "docs/performance.md"
    more = rewrites.section(results.FOLDER)
    for path, text in report.files(report.load(results.FOLDER), page, gpu_table.load(results.FOLDER), more).items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is stale: run python -m bench report"


def test_the_chart_is_well_formed_and_bars_are_logarithmic():
    rows = [
        row(n, [outcome("upweave", ms), outcome("torch", 4.0)]) for n, ms in (("x4", 1.0), ("x2", 2.0), ("half", 8.0))
    ]
    root = ET.fromstring(svg(made_up.run(rows), "Title & more", "subtitle"))
    space = "{http://www.w3.org/2000/svg}"
    bars = [g.find(f"{space}rect") for g in root.iter(f"{space}g")]
    widths = [float(bar.get("width")) for bar in bars]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert widths[1] == pytest.approx(widths[2], abs=0.2)
    assert [bar.get("class") for bar in bars] == ["bar", "bar", "loss"]
    text = ET.tostring(root, encoding="unicode")
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")  # nothing is fetched
    assert "prefers-color-scheme: dark" in text
    assert root.find(f"{space}title").text == "Title & more"


def test_every_row_of_the_chart_stays_inside_it():
    root = ET.fromstring(svg(made_up.every_core_row(3), "t", "s"))
    width, height = (float(v) for v in root.get("viewBox").split()[2:])
    for element in root.iter():
        if element.get("x") is not None:
            assert 0 <= float(element.get("x")) <= width
            assert 0 <= float(element.get("y")) <= height
        if element.tag.endswith("rect") and element.get("x"):
            assert float(element.get("x")) + float(element.get("width")) <= width


def test_no_chart_without_anything_to_compare():
    with pytest.raises(ValueError, match="no row on which both"):
        svg(made_up.run([row("a", [outcome("torch", 4.0)])], ours=None), "t", "s")
