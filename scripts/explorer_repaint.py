"""How fast the explorer repaints: single moves of its sliders, in the browser. `python -m scripts.explorer_repaint`

Two axes of 16 inputs. The clock runs in the page, from a slider's input event until the figure has been drawn anew and
painted. Moves come twice: when the page has been still for a while, as with a reader who looks before the next one, and
right after each other, when the cells below the figure are still at work. Nothing else should run meanwhile.
"""

from __future__ import annotations

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
  const began = performance.now();
  const painted = () => requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  new MutationObserver((_, me) => { me.disconnect(); painted(); })
    .observe(box, { attributes: true, attributeFilter: ['data-paints'] });
  input.value = value;
  input.dispatchEvent(new Event('input', { bubbles: true }));
})"""
"""Milliseconds from a slider's input event until the first figure has been drawn and painted."""


def settle(page: Any) -> None:
    """Wait until no cell runs."""
    page.wait_for_timeout(200)
    page.locator("[data-status=running], [data-status=queued]").first.wait_for(state="detached")


def moves(page: Any, layer: dict[str, int], *, still: bool) -> dict[str, float]:
    """Milliseconds of every move on one layer, by what was moved; `still`: each on a page at rest."""
    for name, value in layer.items():
        if page.locator(f"[data-control={name}]").input_value() != str(value):
            page.evaluate(REPAINT, [name, str(value)])
    settle(page)
    out: dict[str, float] = {}
    for name, by in MOVES:
        control = page.locator(f"[data-control={name}]")
        now, most = int(control.input_value()), int(control.get_attribute("max"))
        to = now + by if name in "kspo" else by
        if to == now or to > most:
            continue
        out[f"{name} {now}→{to}"] = page.evaluate(REPAINT, [name, str(to)])
        if still:
            settle(page)
    return out


def main() -> None:
    """Measure and print."""
    every: list[float] = []
    with served() as address, chromium() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.goto(f"{address}explorer/?lang=en")
        page.locator("footer").wait_for()
        settle(page)
        page.locator("[data-control=axes]").select_option("2")
        page.get_by_text("(each axis)").first.wait_for()
        settle(page)
        page.evaluate(REPAINT, ["H", "16"])
        for title, layer in LAYERS.items():
            for still in (True, False):
                found = moves(page, layer, still=still)
                every += found.values()
                how = "at rest" if still else "in a row"
                print(f"{title}, {how}: median {median(found.values()):.0f} ms, most {max(found.values()):.0f} ms")
                print("  " + ", ".join(f"{what} {ms:.0f}" for what, ms in found.items()))
        print(f"{len(every)} moves: median {median(every):.0f} ms, most {max(every):.0f} ms")


if __name__ == "__main__":
    main()
