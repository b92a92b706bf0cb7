"""Every ```python block of the documentation and the READMEs runs, page by page, in order, in one namespace.

Blocks with `>>>` are doctests, others are executed. What cannot run stands in a ```py block.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

PAGES = sorted(p for p in [*ROOT.glob("README*.md"), *ROOT.glob("docs/**/*.md")] if BLOCK.search(p.read_text("utf-8")))


def run(text: str, name: str) -> tuple[int, int]:
    """Run a page's blocks; the number of examples and of failures among them."""
    namespace: dict[str, object] = {"__name__": name}
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    tried = 0
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        source = match[1]
        if ">>>" not in source:
            exec(compile("\n" * line + source, name, "exec"), namespace)
            tried += 1
            continue
        test = doctest.DocTestParser().get_doctest(source, namespace, name, name, line)
        runner.run(test, clear_globs=False)
        namespace.update(test.globs)
    return tried + runner.tries, runner.failures


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_page(path: Path) -> None:
    tried, failed = run(path.read_text("utf-8"), str(path.relative_to(ROOT)))
    assert tried > 0
    assert failed == 0


def test_a_wrong_page_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("```python\n>>> 1 + 1\n3\n```\n", "wrong.md") == (1, 1)
    with pytest.raises(ZeroDivisionError):
        run("```python\n1 / 0\n```\n", "wrong.md")
    assert "Expected" in capsys.readouterr().out


def test_pages_are_found() -> None:
    assert {p.name for p in PAGES} >= {"README.md", "README.zh-CN.md", "matrix.md", "coverage.md"}
