"""A lab in a real browser: open it, move its controls, read what it shows, answer its exercises.

Labs run in one server process for the whole test session; each page has a kernel of its own. A page that writes an
error to its console, asks for anything outside the server, or shows a failed cell fails the test that opened it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

WAIT = 45_000  # ms; two slow cores, first page of a session, which may import torch


class LabPage:
    """One lab, open in the browser."""

    def __init__(self, page: Page, name: str) -> None:
        self.page, self.name = page, name

    @property
    def language(self) -> str:
        """ "en" or "zh"."""
        return self.page.evaluate("document.documentElement.dataset.lang")

    def switch_language(self) -> None:
        """One keypress."""
        self.page.keyboard.press("l")

    def control(self, name: str, within: Locator | None = None) -> Locator:
        """The control of that name."""
        return (within or self.page).locator(f"[data-control='{name}']")

    def move(self, name: str, value: Any) -> None:
        """Set a slider, a list of numbers, a choice or a switch, as a reader would: by events in the page."""
        control = self.control(name)
        kind = control.evaluate("e => e.tagName === 'SELECT' ? 'select' : e.type")
        if kind == "select":
            control.select_option(str(value))
        elif kind == "checkbox":
            control.set_checked(bool(value))
        elif kind == "range":
            control.evaluate(
                "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(value)
            )
            assert control.input_value() == str(value), f"{name} went to {control.input_value()}, not to {value}"
        else:
            control.fill(" ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))

    def texts(self, marks: str, figure: int = 0) -> list[str]:
        """What the figure (by order on the page) writes into the cells whose names match a pattern, in order."""
        return self.page.locator(".figure").nth(figure).evaluate(TEXTS, marks)

    def numbers(self, source: str) -> list[str]:
        """Every visible number that links to that theory function, as text."""
        return self.page.locator(f"[data-number='{source}']:visible").all_inner_texts()

    def wait_for_text(self, text: str | re.Pattern[str]) -> None:
        """Until it is visible anywhere on the page."""
        expect(self.page.get_by_text(text).locator("visible=true").first).to_be_visible(timeout=WAIT)

    def mark(self, name: str, figure: int = 0) -> Locator:
        """The mark of that name in a figure."""
        return self.page.locator(".figure").nth(figure).locator(f"[data-mark='{name}']")

    def lit(self, figure: int = 0) -> set[str]:
        """The names of the marks that are lit up in a figure."""
        return set(self.page.locator(".figure").nth(figure).evaluate(LIT))

    def tip(self, figure: int = 0) -> str:
        """What the figure says of the mark that is pointed at."""
        return self.page.locator(".figure").nth(figure).locator(".tip").inner_text()

    def wait_for_paint(self, act: Any, figure: int = 0) -> None:
        """Run `act` and wait until the figure has been drawn anew."""
        box = self.page.locator(".figure").nth(figure)
        before = int(box.get_attribute("data-paints") or 0)
        act()
        expect(box).not_to_have_attribute("data-paints", str(before), timeout=WAIT)

    def settle(self) -> None:
        """Wait until no cell runs, and none is about to."""
        self.page.wait_for_timeout(300)
        expect(self.page.locator("[data-status=running], [data-status=queued]")).to_have_count(0, timeout=WAIT)

    def answer(self, exercise: str, text: str) -> bool:
        """Answer an exercise and return whether that was right; the reason is in `verdict`."""
        box = self.page.locator(f"[data-exercise='{exercise}']")
        radio = box.locator(f"input[type=radio][value='{text}']")
        if radio.count():
            radio.check()
        else:
            box.locator("input[type=text]").fill(text)
        count = int(box.get_attribute("data-count") or 0)
        box.locator("button.check").click()
        expect(box).not_to_have_attribute("data-count", str(count), timeout=WAIT)
        classes = (box.get_attribute("class") or "").split()
        assert ("right" in classes) != ("wrong" in classes), classes
        return "right" in classes

    def verdict(self, exercise: str) -> str:
        """What the exercise said to the last answer."""
        return self.page.locator(f"[data-exercise='{exercise}'] .verdict").inner_text()

    def check_looks(self) -> None:
        """What holds for every page, whatever was done to it: it fits, is in its language, and can be read."""
        assert self.page.evaluate(OVERFLOW) <= 0, f"{self.name} is too wide"
        texts = self.page.evaluate(VISIBLE)
        foreign = HAN if self.language == "en" else re.compile(r"(?!.*[\u4e00-\u9fff])(?:.*?[A-Za-z]{3,}){3}")
        assert not [t for t in texts if foreign.search(t)], f"{self.name} is not all in {self.language}"
        assert self.page.evaluate(FAINT) == [], f"{self.name} has text that is hard to read"


def eventually(read: Callable[[], Any], wanted: Any) -> None:
    """Read until that comes out, which takes as long as the page takes; fails with the last that did."""
    until = time.monotonic() + WAIT / 1000
    while (found := read()) != wanted and time.monotonic() < until:
        time.sleep(0.05)
    assert found == wanted


# Cell names stand on rectangles; the text that lies in a rectangle is its content.
TEXTS = """(figure, pattern) => {
  const wanted = new RegExp(`^(?:${pattern})$`);
  const texts = [...figure.querySelectorAll('svg text')];
  return [...figure.querySelectorAll('[data-mark]')].filter(e => wanted.test(e.dataset.mark)).map(e => {
    const box = e.getBoundingClientRect();
    const inside = texts.filter(t => { const r = t.getBoundingClientRect(); const x = (r.left + r.right) / 2,
      y = (r.top + r.bottom) / 2; return x > box.left && x < box.right && y > box.top && y < box.bottom; });
    return inside.map(t => t.textContent).join(' ');
  });
}"""
LIT = "figure => [...figure.querySelectorAll('[data-mark].on')].map(e => e.dataset.mark)"
"""Names of the marks that are lit."""

HAN = re.compile(r"[\u4e00-\u9fff]")
VISIBLE = """() => {
  const out = [];
  const walk = (root) => {
    const nodes = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let n = nodes.nextNode(); n; n = nodes.nextNode()) {
      if (n.nodeType === 1) { if (n.shadowRoot) walk(n.shadowRoot); continue; }
      const e = n.parentElement, text = n.textContent.trim();
      if (!text || !e || e.closest('script, style, pre, code, option, .code, [data-language]')) continue;
      const range = document.createRange();
      range.selectNodeContents(n);
      if (range.getBoundingClientRect().width > 1) out.push(text);
    }
  };
  walk(document.body);
  return out;
}"""
"""The texts that can be seen, but for code, what audits say, and the button that changes the language."""

FAINT = """() => {
  const numbers = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => { const f = (v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
  const behind = (e) => { for (; e; e = e.parentElement || e.getRootNode().host) {
    const c = numbers(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > .5) return c; }
    return [255, 255, 255]; };
  const bad = new Set();
  const walk = (root) => { for (const e of root.querySelectorAll('*')) {
    if (e.shadowRoot) walk(e.shadowRoot);
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest('script, style, option') || e.getBoundingClientRect().width < 2) continue;
    const style = getComputedStyle(e), a = light(numbers(e instanceof SVGElement ? style.fill : style.color));
    const b = light(behind(e)), ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) bad.add(`${e.tagName} ${ratio.toFixed(2)} ${e.textContent.trim().slice(0, 40)}`);
  } };
  walk(document);
  return [...bad];
}"""
"""Texts with less than WCAG's contrast of 4.5 to what is behind them; fills within drawings are not looked at."""

OVERFLOW = """() => { const a = document.querySelector('#App') || document.documentElement;
  return a.scrollWidth - a.clientWidth; }"""
"""How many pixels a page is too wide."""
