"""The examples on every page and in the READMEs run, and print what is written there. `pages.py` says which blocks."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import click
import pytest

from upweave.cli import COMMANDS, cli

from .pages import ROOT, blocks, run, runs

ALL = [*sorted(ROOT.glob("README*.md")), ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
PAGES = [p for p in ALL if any(map(runs, blocks(p.read_text("utf-8"))))]
SHELL = [p for p in ALL if any(b.language == "sh" for b in blocks(p.read_text("utf-8")))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_page(path: Path, tmp_path: Path) -> None:
    script = run(path.read_text("utf-8"), name_of(path), tmp_path)
    assert script.tried > 0
    assert not script.failures, "\n".join(script.failures)


@pytest.mark.parametrize("path", SHELL, ids=name_of)
def test_commands_exist(path: Path) -> None:
    for block in blocks(path.read_text("utf-8")):
        if block.language == "sh":
            for line in block.body.replace("\\\n", " ").splitlines():
                check(line)


def check(line: str) -> None:
    """Raise if a shell line calls `upweave` with options that it has not, or `make` with a target that it has not."""
    words = shlex.split(line, comments=True)
    if words[:1] == ["make"] and len(words) > 1:
        assert words[1] in TARGETS, f"the Makefile has no target {words[1]!r}"
    if words[:1] == ["upweave"] and words[1:2] not in ([], ["--help"], ["--version"]):
        assert words[1] in COMMANDS, f"upweave has no command {words[1]!r}"
        command = cli.get_command(click.Context(cli), words[1])
        assert command is not None
        command.make_parser(click.Context(command)).parse_args(words[2:])


def test_a_wrong_page_fails(tmp_path: Path) -> None:
    wrong = run("```python\n>>> 1 + 1\n3\n```\n", "wrong.md", tmp_path)
    assert wrong.tried == 1
    assert "Expected" in wrong.failures[0]
    with pytest.raises(ZeroDivisionError):
        run("```python\n1 / 0\n```\n", "wrong.md", tmp_path)
    command = run("```console\n$ upweave explain no-such-rule\nA page about it.\n```\n", "wrong.md", tmp_path)
    assert command.tried == 1
    assert "error: " in command.failures[0]
    with pytest.raises(AssertionError, match="cannot run"):
        run("```console\n$ rm -rf .\n```\n", "wrong.md", tmp_path)


def test_a_page_is_one_script(tmp_path: Path) -> None:
    text = (
        '```python title="made.py"\nvalue = 7\n```\n\n1. In a list:\n\n    ```python\n    >>> import made\n'
        "    >>> made.value\n    7\n    ```\n\n```console\n$ cat made.py\nvalue = ...\n$ upweave explain nothing\n"
        "error: ...\n$ echo $?\n2\n```\n"
    )
    script = run(text, "page.md", tmp_path)
    assert script.failures == []
    assert script.tried == 5
    assert "made" not in sys.modules
    assert Path.cwd() != tmp_path


def test_wrong_commands_are_noticed() -> None:
    check("upweave audit model.onnx --format github   # a comment")
    for line in ("make nothing-of-the-kind", "upweave inspect model.onnx"):
        with pytest.raises(AssertionError):
            check(line)
    with pytest.raises(click.exceptions.NoSuchOption):
        check("upweave audit model.onnx --no-such-option")


def test_pages_are_found() -> None:
    assert {name_of(p) for p in PAGES} >= {"README.md", "README.zh-CN.md", "docs/theory/matrix.md", "docs/ops/index.md"}
    assert len(SHELL) >= 5
