"""The HTML report in a real browser: no errors, no overflow, visible drawings, readable colours, print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.render.samples import SAMPLES
from upweave.audit.render.html import render_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FLAT = """() => [...document.querySelectorAll('svg')]
  .filter(s => !s.closest('details:not([open])') && s.getAttribute('width') !== '0')
  .filter(s => { const b = s.getBoundingClientRect(); return b.width < 4 || b.height < 4; }).length"""
SPILL = """() => [...document.querySelectorAll('figure')].filter(f => {
  const s = f.querySelector('svg').getBoundingClientRect(), b = f.getBoundingClientRect();
  return s.width > 0 && s.right > b.right + 1; }).length"""
CONTRAST = """() => {
  const lum = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => { v /= 255;
    return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$|transparent/.test(c)) return c; } return 'rgb(255,255,255)'; };
  const bad = [];
  const texts = 'p, h1, h2, h3, h4, dt, dd, td, th, figcaption, a, summary, span, code, li';
  for (const e of document.querySelectorAll(texts)) {
    if (!e.textContent.trim() || e.closest('details:not([open])')) continue;
    const a = lum(getComputedStyle(e).color), b = lum(back(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) bad.push([e.className, e.textContent.trim().slice(0, 30), ratio.toFixed(2)].join(' '));
  }
  return bad; }"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("html") / "report.html"
    path.write_text(render_html([make() for make in SAMPLES.values()]), encoding="utf-8", errors="backslashreplace")
    return path


@pytest.fixture(params=[(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")], ids=lambda p: f"{p[0]}-{p[1]}")
def opened(request: pytest.FixtureRequest, browser: Browser, page_file: Path) -> Iterator[Page]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda m: trouble.append(m.text))
    page.on("pageerror", lambda e: trouble.append(str(e)))
    page.on("dialog", lambda d: trouble.append(d.message))
    page.on("request", lambda r: None if r.url.startswith("file:") else trouble.append(r.url))
    page.goto(page_file.as_uri())
    yield page
    context.close()
    assert trouble == []


def test_fits_shows_and_reads(opened: Page) -> None:
    assert opened.evaluate(OVERFLOW) <= 0
    assert opened.evaluate(FLAT) == 0
    assert opened.evaluate(CONTRAST) == []
    opened.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert opened.evaluate(OVERFLOW) <= 0
    assert opened.evaluate(SPILL) == 0
    assert opened.evaluate(CONTRAST) == []


def test_the_checks_can_fail(browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 900}, offline=True)
    page = context.new_page()
    page.set_content("<p style='color:#999;background:#fff;width:500px'>faint</p><svg width='9' height='1'></svg>")
    assert page.evaluate(OVERFLOW) > 0
    assert page.evaluate(FLAT) == 1
    assert len(page.evaluate(CONTRAST)) == 1
    context.close()


def test_anchors_open_what_they_point_at(browser: Browser, page_file: Path) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.click("nav a >> nth=1")
    assert page.evaluate("location.hash") == "#m1"
    context.close()


def test_prints(browser: Browser, page_file: Path, tmp_path: Path) -> None:
    context = browser.new_context(offline=True, color_scheme="dark")
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    pdf = page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
    assert pdf[:5] == b"%PDF-"
    assert len(pdf) > 20_000
    context.close()
