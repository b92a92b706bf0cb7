"""Text, GitHub annotations, the notebook cell, rule manuals, and files."""

from __future__ import annotations

import io
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from tests.render.samples import SAMPLES, evil, gan, silenced, vocoder
from upweave import UpweaveError
from upweave.audit import all_rules
from upweave.audit.render import render
from upweave.audit.render.docs import markdown_of, sections, text_of
from upweave.audit.render.files import write_text
from upweave.audit.render.github import escape_data, escape_property, to_github
from upweave.audit.render.location import relative, split_where
from upweave.audit.render.text import to_text
from upweave.audit.render.words import number, summary, times


@pytest.mark.parametrize("name", SAMPLES)
def test_text_has_no_control_characters_and_ends_with_the_summary(name: str) -> None:
    report = SAMPLES[name]()
    text = to_text(report, layers=True)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert text.splitlines()[-1] == summary(report).splitlines()[-1]
    assert max(map(len, text.splitlines())) <= 100


def test_text_says_what_and_what_to_do() -> None:
    text = to_text(gan())
    assert "UW101 uneven-coverage  warning" in text
    assert "16×16 → 32×32" in text
    assert "fix (safe)" in text
    assert text.index("up.0") < text.index("up.1")


def test_summaries() -> None:
    assert summary(vocoder()).startswith("No findings in 2 resampling layers.")
    assert "1 finding silenced" in summary(silenced())
    assert summary(gan()).startswith(f"Found {len(gan().findings)} findings (")


def test_rich_repr_is_the_text() -> None:
    out = io.StringIO()
    Console(file=out, width=100, color_system=None).print(gan())
    assert "UW101" in out.getvalue()


@pytest.mark.parametrize("name", SAMPLES)
def test_printing_a_report_shows_the_text_and_its_repr_is_a_line(name: str) -> None:
    report = SAMPLES[name]()
    assert f"{report}\n" == to_text(report)
    short = repr(report)
    assert short.startswith(f"<Report on {report.target!r}: {len(report.findings)} finding")
    assert short.isprintable()  # one line, whatever the target is called
    assert repr(replace(report, target="")).startswith("<Report on the model: ")


def test_notebook_cell_is_escaped() -> None:
    for name, make in SAMPLES.items():
        cell = make()._repr_html_()
        assert "<script" not in cell, name
        assert "<img" not in cell, name
    ElementTree.fromstring(gan()._repr_html_())


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (0.5, "½"), (-0.5, "−½"), (2.25, "2¼"), (1 / 3, "0.3333"), (-2, "−2"), (0, "0"), (1e9, "1000000000")],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_times() -> None:
    assert times([3, 3]) == "3"
    assert times([3, 5]) == "3×5"
    assert times([[1, 2], [1, 2]]) == "1/2"


def test_github_escapes() -> None:
    assert escape_data("50%\r\n") == "50%25%0D%0A"
    assert escape_property("a:b,c%") == "a%3Ab%2Cc%25"
    lines = to_github(evil()).splitlines()
    assert len(lines) == len(evil().findings)
    assert all(line.startswith(("::warning ", "::error ", "::notice ")) for line in lines)
    assert to_github(vocoder()) == ""


def test_github_names_the_line() -> None:
    assert to_github(gan()).startswith("::")
    assert any(
        "file=model.py,line=1,title=UW101 uneven-coverage::up.0: " in line for line in to_github(gan()).splitlines()
    )


def test_places() -> None:
    assert split_where("a/b.py:12") == ("a/b.py", 12)
    assert split_where("C:\\b.py:3") == ("C:\\b.py", 3)
    assert split_where("b.py") == ("b.py", None)
    assert split_where("b.py:0") == ("b.py", None)
    assert split_where(None) is None
    assert relative(str(Path.cwd() / "x.py")) == "x.py"
    assert relative("/nowhere/x.py") == "/nowhere/x.py"


def test_every_rule_has_a_manual() -> None:
    for rule in all_rules().values():
        found = sections(rule)
        assert {"What it finds", "Why it is bad"} <= set(found), rule.code
        assert sections(rule)[""] in markdown_of(rule)
        assert rule.code in text_of(rule)


@pytest.mark.parametrize("suffix", ["txt", "json", "sarif", "html"])
def test_save_by_suffix(tmp_path: Path, suffix: str) -> None:
    path = gan().save(tmp_path / f"report.{suffix}")
    assert path.read_text(encoding="utf-8").strip()
    with pytest.raises(UpweaveError, match="exists"):
        gan().save(path)
    assert gan().save(path, force=True) == path
    assert os.listdir(tmp_path) == [f"report.{suffix}"]


def test_save_refuses(tmp_path: Path) -> None:
    with pytest.raises(UpweaveError, match="suffix"):
        gan().save(tmp_path / "report.pdf")
    with pytest.raises(UpweaveError, match="does not exist"):
        gan().save(tmp_path / "no" / "report.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UpweaveError, match="folder"):
        gan().save(tmp_path / "folder.json", force=True)
    with pytest.raises(UpweaveError, match="no format"):
        render(gan(), "pdf")


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.txt"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UpweaveError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_new_file_has_ordinary_permissions(tmp_path: Path) -> None:
    plain_file = tmp_path / "plain"
    plain_file.touch()
    write_text(tmp_path / "report.txt", "x")
    mode = (tmp_path / "report.txt").stat().st_mode
    assert stat.S_IMODE(mode) == stat.S_IMODE(plain_file.stat().st_mode)
