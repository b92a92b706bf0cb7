"""How fast the explorer repaints: every single move of its sliders, in the browser. `python -m scripts.explorer_repaint`.

Two axes of 16 inputs. The clock runs in the page, from a slider's input event until the figure has been drawn anew and
painted; a move begins when the page has been still for a while, as with a reader who looks before the next one. Nothing
else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
from statistics import median
from typing import Any

from scripts.lab_screenshots import chromium, served

LAYERS = {"k4 s2": {"k": 4, "s": 2, "p": 1}, "k9 s4": {"k": 9, "s": 4, "p": 3}, "k15 s7": {"k": 15, "s": 7, "p": 4}}
MOVES: tuple[tuple[str, int], ...] = (
    ("step", 40), ("step", 200), ("k", 1), ("k", -1), ("p", 1), ("p", -1), ("o", 1), ("o", -1),
    ("s", -1), ("s", 1), ("d", 2), ("d", 1), ("H", 15), ("H", 16),
)  # fmt: skip
"""Each a slider, and by how much it goes (k, s, p, o) or where to."""

REPAINT = """([control, value]) => new Promise((done) => {
  const find = (css) => [...document.querySelectorAll('marimo-anywidget')].map(e => e.shadowRoot)
    .flatMap(r => r ? [...r.querySelectorAll(css)] : []);
  const box = find('.figure')[0], input = find(`[data-control='${control}']`)[0];
  let timer = null, last = 0;
  const began = performance.now();
  const painted = () => requestAnimationFrame(() => setTimeout(() => {
    last = performance.now() - began;
    clearTimeout(timer);
    timer = setTimeout(() => { watch.disconnect(); done(last); }, 700);
  }));
  const watch = new MutationObserver(painted);
  watch.observe(box, { attributes: true, attributeFilter: ['data-paints'] });
  input.value = value;
  input.dispatchEvent(new Event('input', { bubbles: true }));
})"""
"""Milliseconds from a slider's input event until the first figure is painted for the last time."""


def settle(page: Any) -> None:
    """Wait until no cell runs."""
    page.wait_for_timeout(400)
    page.locator("[data-status=running], [data-status=queued]").first.wait_for(state="detached")


def move(page: Any, name: str, value: int | str) -> float:
    """Move one slider; the milliseconds until the figure is painted."""
    took: float = page.evaluate(REPAINT, [name, str(value)])
    settle(page)
    return took


def measure(page: Any, layer: dict[str, int]) -> list[tuple[str, float]]:
    """Every move on one layer, after a first round that is not counted."""
    for name, value in layer.items():
        control = page.locator(f"[data-control={name}]")
        if control.input_value() != str(value):
            move(page, name, value)
    out: list[tuple[str, float]] = []
    for name, by in MOVES:
        control = page.locator(f"[data-control={name}]")
        now, most = int(control.input_value()), int(control.get_attribute("max"))
        to = now + by if name in "kspo" else by
        if to != now and to <= most:
            out.append((f"{name} {now}→{to}", move(page, name, to)))
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    every: list[float] = []
    with served() as address, chromium() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.goto(f"{address}explorer/?lang=en")
        page.locator("footer").wait_for()
        settle(page)
        page.locator("[data-control=axes]").select_option("2")
        page.get_by_text("(each axis)").first.wait_for()
        settle(page)
        move(page, "H", 16)
        for _ in range(given.rounds):
            for title, layer in LAYERS.items():
                found = measure(page, layer)
                times = [t for _, t in found]
                every += times
                print(f"{title}: median {median(times):.0f} ms, most {max(times):.0f} ms")
                print("  " + ", ".join(f"{what} {t:.0f}" for what, t in found))
    print(f"{len(every)} moves: median {median(every):.0f} ms, most {max(every):.0f} ms")


if __name__ == "__main__":
    main()
