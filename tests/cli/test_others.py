"""`upweave rules`, `explain`, `sizes`, `design`, `lab`, and the options as values."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Upweave
from upweave import __version__
from upweave.audit import all_rules
from upweave.cli.inputs import Input, arguments, codes, literal, parse_input, shapes
from upweave.labs import LABS


def test_version_and_help(upweave: Upweave) -> None:
    assert upweave("--version").out == f"upweave {__version__}\n"
    assert "Commands:" in upweave("--help").out
    assert upweave("--help").code == 0
    assert upweave().code == 2
    for name in ("audit", "explain", "rules", "sizes", "design", "score", "lab"):
        assert upweave(name, "--help").out.startswith(f"Usage: upweave {name}")


def test_rules(upweave: Upweave) -> None:
    text = upweave("rules").out
    listed = json.loads(upweave("rules", "--format", "json").out)
    table = upweave("rules", "--format", "markdown").out
    for rule, entry in zip(all_rules().values(), listed, strict=True):
        assert (entry["code"], entry["name"], entry["level"]) == (rule.code, rule.name, str(rule.level))
        assert rule.name in text
        assert f"| {rule.code} | `{rule.name}` |" in table


def test_lab(upweave: Upweave, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = upweave("lab", "--list")
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()] == [lab.name for lab in LABS]
    assert "no lab is called 'nothing'" in upweave("lab", "nothing").error
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    missing = upweave("lab", "matrix")
    assert missing.code == 2
    assert missing.error == "error: the labs need marimo, anywidget, markdown, torch: pip install 'upweave[labs]'"


@pytest.mark.parametrize("text", ["UW101", "uw101", "uneven-coverage"])
def test_explain(upweave: Upweave, text: str) -> None:
    found = upweave("explain", text)
    assert found.code == 0
    assert found.out.startswith("# uneven-coverage (UW101)")
    assert "## Why it is bad" in found.out


def test_sizes(upweave: Upweave) -> None:
    found = upweave("sizes", "factories_for_cli:unet", "--input", "1x3x8x8")
    assert found.code == 0
    assert "multiples of 2" in found.out
    log = json.loads(upweave("sizes", "factories_for_cli:unet", "--input", "1x3x8x8", "--format", "json").out)
    assert [a["period"] for a in log["axes"]] == [2, 2]


def test_sizes_of_a_file(upweave: Upweave, uneven: Path) -> None:
    assert upweave("sizes", uneven).code == 0


def test_design(upweave: Upweave) -> None:
    found = upweave("design", "--in", "4", "--out", "8")
    assert found.out.startswith("4 → 8\n  1. k2 s2 p0 o0 d1")
    chain = json.loads(upweave("design", "--in", "4,8,16", "--format", "json", "--limit", "2").out)
    assert [(step["in"], step["out"]) for step in chain] == [(4, 8), (8, 16)]
    assert all(len(step["candidates"]) == 2 for step in chain)


@pytest.mark.parametrize(
    "args",
    [
        ("--in", "4"),
        ("--in", "4,8", "--out", "16"),
        ("--in", "4,x"),
        ("--in", "0", "--out", "3"),
        ("--in", "4", "--out", "400", "--max-kernel", "2", "--stride", "1"),
    ],
)
def test_design_refuses(upweave: Upweave, args: tuple[str, ...]) -> None:
    assert upweave("design", *args).error


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1x3x64x64", Input((1, 3, 64, 64))),
        ("1,3,64,64", Input((1, 3, 64, 64))),
        ("1×3", Input((1, 3))),
        ("7", Input((7,))),
        ("7,", Input((7,))),
        ("image=1x3", Input((1, 3), "image")),
        ("a.b:0=1x3", Input((1, 3), "a.b:0")),
        ("ids=1x77:int64", Input((1, 77), "ids", "int64")),
    ],
)
def test_parse_input(text: str, value: Input) -> None:
    assert parse_input(text) == value


def test_shapes() -> None:
    assert shapes([]) is None
    assert shapes(["1x3", "2,2:int64"]) == [(1, 3), ("int64", (2, 2))]
    assert shapes(["2x2:int64"], typed=False) == [(2, 2)]
    assert shapes(["a=1x3", "b=2x2"]) == {"a": (1, 3), "b": (2, 2)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("(1, 2)", (1, 2)),
        ("true", True),
        ("None", None),
        ("fast", "fast"),
        ("'3'", "3"),
        ("a=b", "a=b"),
    ],
)
def test_literals(text: str, value: Any) -> None:
    assert literal(text) == value
    assert arguments([f"k={text}"]) == {"k": value}


def test_codes() -> None:
    assert codes([]) is None
    assert codes(["UW1, UW2", "uneven-coverage"]) == ("UW1", "UW2", "uneven-coverage")


def test_design_of_several_axes(upweave: Upweave) -> None:
    for size, output in (("4,6", "8,13"), ("4x6", "8x13")):
        found = upweave("design", "--in", size, "--out", output, "--format", "json", "--limit", "1")
        (step,) = json.loads(found.out)
        assert (step["in"], step["out"]) == ([4, 6], [8, 13])
        assert step["candidates"][0]["spec"]["kernel"] == [2, 4]
    chain = upweave("design", "--in", "4x4,8x8,16x16")
    assert [line for line in chain.out.splitlines() if "→" in line] == ["4×4 → 8×8", "8×8 → 16×16"]
    assert "--out x: write positive whole numbers" in upweave("design", "--in", "4", "--out", "x").error


@pytest.mark.parametrize("columns", ["", "0", "-5", "wide", "50"])
def test_any_width(upweave: Upweave, uneven: Path, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    found = upweave("audit", uneven)
    assert found.code == 1
    assert "UW101" in found.out
    if columns == "50":
        assert max(map(len, found.out.splitlines())) <= 50
