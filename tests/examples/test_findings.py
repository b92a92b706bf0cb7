"""What the audit says about each example, as a PyTorch model and as the ONNX file exported from it.

The expectations are those of the examples' docstrings, by hand: coverage (UW1), alignment (UW2). Sound models are clean
of both. Their ONNX files must say the same.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import pytest

import upweave
from examples import MODELS
from examples.demo import main
from examples.export import export

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = {
    "cyclegan": {"uneven-coverage": 2, "compounding-coverage": 1, "uneven-gradient": 1},
    "fsrcnn": {"uneven-coverage": 1, "off-centre-grid": 1},
    "unet": {},
    "hifigan": {},
    "dcgan": {},
    "fcn": {},
    "dbpn": {"uneven-coverage": 5, "uneven-gradient": 1},
    "resize_vae": {},
}


@cache
def from_torch(name: str) -> upweave.Report:
    """The audit of the PyTorch model; one for all tests."""
    return upweave.audit(MODELS[name].build(), [MODELS[name].input])


def names(report: upweave.Report, *prefixes: str) -> Counter[str]:
    return Counter(f.name for f in report.findings if f.code.startswith(prefixes))


@pytest.mark.parametrize("name", EXPECTED)
def test_coverage_and_alignment(name: str) -> None:
    report = from_torch(name)
    assert names(report, "UW1", "UW2") == EXPECTED[name]
    assert names(report, "UW901") == {}


def test_erfnet_is_uneven_and_stacked() -> None:
    assert names(from_torch("erfnet"), "UW1") == {"uneven-coverage": 2, "compounding-coverage": 1, "uneven-gradient": 1}


@pytest.mark.parametrize("name", ["unet", "erfnet", "cyclegan"])
def test_valid_sizes(name: str) -> None:
    (finding,) = (f for f in from_torch(name).findings if f.name == "fragile-size")
    period = {"unet": 16, "erfnet": 8, "cyclegan": 4}[name]
    assert f"multiples of {period}" in finding.message


@pytest.mark.parametrize("name", [n for n, e in MODELS.items() if e.exported])
def test_onnx_says_the_same(name: str, tmp_path: Path) -> None:
    example = MODELS[name]
    from_onnx = upweave.audit(export(example, example.build(), tmp_path))
    groups = ("UW1", "UW2", "UW3", "UW9")
    assert names(from_onnx, *groups) == names(from_torch(name), *groups)


@pytest.mark.browser
def test_demo_writes_one_file_that_shows_everything(tmp_path, monkeypatch, capsys, page) -> None:
    few = {n: MODELS[n] for n in ("fsrcnn", "dcgan")}
    monkeypatch.setattr("examples.demo.MODELS", few)
    monkeypatch.setattr("sys.argv", ["demo", str(tmp_path)])
    main()
    assert "uneven-coverage" in capsys.readouterr().out
    page.goto((tmp_path / "report.html").as_uri())
    rows = page.locator("table.contents tbody tr")
    assert rows.count() == 4
    assert "2 warnings" in rows.first.inner_text()
    rows.first.get_by_role("link").click()
    section = page.locator(page.evaluate("location.hash"))
    assert section.get_by_text("uneven-coverage").first.is_visible()
    assert section.locator("svg").count() > 3
