"""The saved labs: complete, without a server or a network, in both languages; pictures answer, nothing complains."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("marimo")

from tests.labs.browsing import LIT
from upweave.errors import ConfigError, UpweaveError
from upweave.labs import LABS
from upweave.labs.export import export, page, pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_every_link_leads_somewhere() -> None:
    files = pages()
    for lab in LABS:
        assert f"{lab.name}/index.html" in files
    known = {*files, "index.html"}
    for path, text in files.items():
        for href in re.findall(r'href=\\?"([^"\\#]*\.html)\\?"', text) + re.findall(r"href='([^'#]*\.html)'", text):
            target = (Path("/") / Path(path).parent / href).resolve().relative_to("/").as_posix()
            assert target in known, f"{path} links to {href}"
        assert "<marimo-" not in text
        assert not re.search(r'(?:src|href)="https?:', text)


def test_the_same_lab_is_saved_the_same() -> None:
    assert page("matrix") == page("matrix")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    first = export(tmp_path / "site", ["matrix"])
    assert (tmp_path / "site/matrix/index.html") in first
    assert (tmp_path / "site/theory/upweave.matrix.html") in first
    with pytest.raises(UpweaveError, match="--force"):
        export(tmp_path / "site", ["matrix"])
    (tmp_path / "site/index.html").write_text("old")
    export(tmp_path / "site", ["matrix"], force=True)
    assert "upweave" in (tmp_path / "site/index.html").read_text("utf-8").lower()
    with pytest.raises(ConfigError, match="no lab"):
        export(tmp_path / "other", ["nothing"])


@pytest.mark.browser
def test_a_saved_lab_in_the_browser(browser: Browser, tmp_path: Path) -> None:
    export(tmp_path, ["matrix"])
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 900})
    page = context.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda e: trouble.append(str(e)))
    page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else trouble.append(r.url))
    page.goto((tmp_path / "matrix/index.html").as_uri() + "?lang=zh")
    assert page.locator("h1").inner_text() == "1 · 矩阵与转置"
    assert "upweave lab matrix" in page.locator("p.static").inner_text()
    figure = page.locator(".figure").first
    figure.locator("[data-mark='C1,2']").hover()
    assert set(figure.evaluate(LIT)) == {"C1,2", "w1", "x2", "y1"}
    page.keyboard.press("l")
    assert page.locator("h1").inner_text() == "1 · The matrix and its transpose"
    assert page.locator("[data-control=s]").evaluate("e => e.closest('[inert]') !== null")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.get_by_role("tab", name="JAX").click()
    assert "lhs_dilation" in page.locator(".code pre").inner_text()
    page.locator("a.uw-number:visible").first.click()
    assert "theory/upweave" in page.url
    context.close()
    assert trouble == []
