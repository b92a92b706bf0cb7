"""Each Chinese page says what its English sister says: the same sections, tables, formulas and examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.languages_docs import is_chinese, on_page_content, on_post_page, sister

from .pages import FENCE, ROOT, Block, blocks

DOCS = ROOT / "docs"
PAGES = [
    DOCS / "index.md",
    DOCS / "getting-started.md",
    *sorted(DOCS.glob("theory/*.md")),
    *sorted(DOCS.glob("howto/*.md")),
    *sorted(DOCS.glob("nn/*.md")),
    DOCS / "rewrite/torch.md",
]
REFERENCES = ("- V. Dumoulin", "- Aitken")
"""How lists of literature begin, which is in English."""
HAN = re.compile(r"[\u4e00-\u9fff]")


def chinese(path: Path) -> Path:
    return DOCS / sister(path.relative_to(DOCS).as_posix())


def essence(block: Block) -> tuple[str, str | None, str]:
    """A block without what is for people: comments, and words in a formula."""
    if block.language == "math":
        return block.language, None, re.sub(r"\\text\{[^}]*\}|\s", "", block.body)
    body = re.sub(r"[ \t]*#.*$", "", block.body, flags=re.MULTILINE)
    return block.language, block.title, body if block.language != "text" else ""


def shape(text: str) -> dict[str, object]:
    """What both languages must have in common, part by part."""
    prose = FENCE.sub("", text)
    return {
        "headings": [len(m[1]) for m in re.finditer(r"^(#+) ", prose, re.MULTILINE)],
        "rows of tables": [line.count("|") for line in prose.splitlines() if line.startswith("|")],
        "list entries": len(re.findall(r"^(?:- |\d+\. )", prose, re.MULTILINE)),
        "blocks": [essence(b) for b in blocks(text)],
    }


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_sisters_agree(path: Path) -> None:
    english, other = path.read_text("utf-8"), chinese(path).read_text("utf-8")
    expected, found = shape(english), shape(other)
    for part, value in expected.items():
        assert found[part] == value, f"{part} of {chinese(path).relative_to(ROOT)}"


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_prose_is_chinese(path: Path) -> None:
    prose = re.sub(
        r"`[^`]*`|\]\([^)]*\)|^    .*$", "", FENCE.sub("", chinese(path).read_text("utf-8")), flags=re.MULTILINE
    )
    paragraphs = [p for p in prose.split("\n\n") if len(p.strip()) > 60 and not p.startswith(("|", *REFERENCES))]
    assert paragraphs
    for paragraph in paragraphs:
        assert len(HAN.findall(paragraph)) > len(re.findall(r"[A-Za-z]{2,}", paragraph)), paragraph


def test_no_page_without_a_sister() -> None:
    assert set(DOCS.glob("zh/**/*.md")) == {chinese(p) for p in PAGES}


def test_a_difference_is_noticed() -> None:
    english = "# A\n\n- one\n\n```python\n>>> 1 + 1   # a sum\n2\n```\n"
    assert shape(english) == shape(english.replace("a sum", "和").replace("one", "一"))
    for change in (("1 + 1", "1 + 2"), ("- one", "one"), ("# A", "## A"), ("python", "py")):
        assert shape(english) != shape(english.replace(*change))


class Page:
    """What the hooks read of a MkDocs page."""

    def __init__(self, path: str) -> None:
        self.file = self
        self.src_uri = path
        self.meta: dict[str, str] = {}

    def url_relative_to(self, other: Page) -> str:
        return f"{self.src_uri} from {other.src_uri}"


class Files:
    """A site of two sisters and a page without one."""

    def get_file_from_path(self, path: str) -> Page | None:
        return Page(path) if path in ("theory/a.md", "zh/theory/a.md", "b.md") else None


def test_pages_link_to_their_sisters() -> None:
    english = on_page_content("<h1>A</h1>", Page("theory/a.md"), None, Files())
    link = '<a class="sister" href="zh/theory/a.md from theory/a.md" hreflang="zh" lang="zh">中文</a>'
    assert english.startswith(link)
    assert english.endswith("<h1>A</h1>")
    assert ">English</a>" in on_page_content("<h1>甲</h1>", Page("zh/theory/a.md"), None, Files())
    assert on_page_content("<h1>B</h1>", Page("b.md"), None, Files()) == "<h1>B</h1>"
    assert sister(sister("theory/a.md")) == "theory/a.md"
    assert is_chinese("zh/index.md")
    assert not is_chinese("index.md")


HEAD = """<html lang="en">
  <link rel="alternate" href="index.html" hreflang="en">
  <link rel="alternate" href="zh/index.html" hreflang="zh">
"""
MENU = '<a href="{}" hreflang="en" class="md-select__link"> <a href="{}" hreflang="zh" class="md-select__link">'


def test_chinese_pages_say_so_and_the_menu_leads_to_the_sister() -> None:
    theme = HEAD + MENU.format("index.html", "zh/index.html")
    english, chinese, alone = Page("theory/a.md"), Page("zh/theory/a.md"), Page("b.md")
    for page in (english, chinese, alone):
        on_page_content("", page, None, Files())
    assert on_post_page(theme, english, None) == '<html lang="en">\n' + MENU.format(
        "", "zh/theory/a.md from theory/a.md"
    )
    assert on_post_page(theme, chinese, None) == '<html lang="zh-Hans">\n' + MENU.format(
        "theory/a.md from zh/theory/a.md", ""
    )
    assert on_post_page(theme, alone, None) == '<html lang="en">\n' + MENU.format("", "zh/index.html")
    with pytest.raises(ValueError, match="template"):
        on_post_page(MENU, chinese, None)
    with pytest.raises(ValueError, match="0 languages"):
        on_post_page('<html lang="en">', english, None)
