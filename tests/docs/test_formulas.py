"""Formulas on the pages become MathML, and none of their LaTeX is left over."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts.math_docs import fence, mathml

from .pages import ROOT, blocks

PAGES = [
    p for p in sorted(ROOT.glob("docs/**/*.md")) if any(b.language == "math" for b in blocks(p.read_text("utf-8")))
]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_formulas(path: Path) -> None:
    for block in blocks(path.read_text("utf-8")):
        if block.language == "math":
            root = ElementTree.fromstring(mathml(block.body))
            assert root.tag == "{http://www.w3.org/1998/Math/MathML}math"
            assert "".join(root.itertext()).strip()


def test_what_cannot_be_rendered_is_an_error() -> None:
    for wrong in (r"\nosuchcommand x", r"\begin{aligned} a &= b \end{aligned}"):
        with pytest.raises(ValueError, match="as it is"):
            mathml(wrong)


def test_the_source_stays_with_the_formula() -> None:
    made = fence('\\text{"a"} < b\n', "math", "formula", {}, None)
    assert made.startswith('<div class="formula" title="\\text{&quot;a&quot;} &lt; b"><math')


def test_pages_are_found() -> None:
    assert len(PAGES) >= 8
