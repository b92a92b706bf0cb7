"""The built site in a real browser: nothing is missing, nothing is fetched elsewhere, no page is too wide."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("marimo", reason="the site has saved labs")
pytest.importorskip("material", reason="the site's theme")
pytest.importorskip("mkdocstrings", reason="the site's reference")

from .pages import ROOT, blocks

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = (
    "index.html",
    "theory/sizes.html",
    "zh/theory/sizes.html",
    "performance.html",
    "artifacts/index.html",
    "rules/uneven-coverage.html",
    "api/calculus.html",
    "labs/index.html",
    "labs/sizes/index.html",
    "404.html",
)
ABORTED = "net::ERR_ABORTED"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
EMPTY = """() => [...document.querySelectorAll('img')].filter(i => i.loading !== 'lazy' && !i.naturalWidth)
  .map(i => i.src)"""
FORMULAS = """() => [...document.querySelectorAll('.formula math')].map(m => {
  const b = m.getBoundingClientRect(), of = getComputedStyle(m.querySelector('mfrac, mrow, mi, mn')).display;
  return [b.width, b.height, of.includes('math')]; })"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Not into the test's output."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`visit(url, own, width)` opens a page; the test fails on errors, missing files and requests that do not begin
    with `own`."""
    contexts, trouble = [], []

    def one(url: str, own: str, width: int = 1280) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light")
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda e: trouble.append(f"script error: {e}"))
        page.on("console", lambda m: trouble.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None)
        page.on("response", lambda r: trouble.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        # what is under way when a reader goes on to another page is given up
        page.on("requestfailed", lambda r: trouble.append(f"{r.failure}: {r.url}") if r.failure != ABORTED else None)
        page.on("request", lambda r: None if r.url.startswith((own, "data:")) else trouble.append(f"asked for {r.url}"))
        page.goto(url, wait_until="networkidle")
        return page

    yield one
    for context in contexts:
        context.close()
    assert not trouble, trouble


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_a_page(visit: Callable[..., Page], address: str, name: str, width: int) -> None:
    page = visit(address + name, address, width)
    assert page.locator("h1").first.inner_text().strip()
    assert page.evaluate(OVERFLOW) <= 0
    assert page.evaluate(EMPTY) == []


@pytest.mark.parametrize("name", ["theory/sizes", "zh/theory/sizes"])
def test_formulas_are_drawn(visit: Callable[..., Page], address: str, name: str) -> None:
    written = [b for b in blocks((ROOT / f"docs/{name}.md").read_text("utf-8")) if b.language == "math"]
    drawn = visit(f"{address}{name}.html", address).evaluate(FORMULAS)
    assert len(drawn) == len(written) > 0
    for width, height, is_math in drawn:
        assert is_math, "the browser does not take it for MathML"
        assert width > 40
        assert height > 10


def test_the_language_is_switched_page_by_page(visit: Callable[..., Page], address: str) -> None:
    page = visit(f"{address}theory/sizes.html", address)
    assert page.locator("html").get_attribute("lang") == "en"
    page.locator("a.sister").click()
    page.wait_for_url(f"{address}zh/theory/sizes.html")
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    page.locator(".md-header .md-select").hover()
    page.locator(".md-select__link[hreflang=en]").click()
    page.wait_for_url(f"{address}theory/sizes.html")
    # a page in one language only leads to the first page of the other
    page.goto(f"{address}performance.html")
    page.locator(".md-header .md-select").hover()
    page.locator(".md-select__link[hreflang=zh]").click()
    page.wait_for_url(f"{address}zh/index.html")


@pytest.mark.parametrize(("words", "target"), [("checkerboard", "artifacts/"), ("棋盘", "zh/")])
def test_search(visit: Callable[..., Page], address: str, words: str, target: str) -> None:
    page = visit(f"{address}index.html", address)
    page.locator(".md-search__input").fill(words)
    page.keyboard.press("End")  # the theme looks at what is typed when a key goes up
    page.locator(f".md-search-result__link[href*='{target}']").first.wait_for()


def test_a_lab_of_the_site_answers(visit: Callable[..., Page], address: str) -> None:
    page = visit(f"{address}labs/index.html", address)
    page.locator("a[href='matrix/index.html']").click()
    figure = page.locator(".figure").first
    figure.locator("[data-mark='C1,2']").hover()
    assert figure.locator(".tip").inner_text().startswith("C[1, 2]")


def test_it_opens_from_a_folder(visit: Callable[..., Page], site: Path) -> None:
    page = visit((site / "theory/sizes.html").as_uri(), site.as_uri())
    page.locator("a.sister").click()
    page.wait_for_url((site / "zh/theory/sizes.html").as_uri())
