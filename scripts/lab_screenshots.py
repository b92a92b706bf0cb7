"""Pictures of the labs, made by the same browser that tests them: `python -m scripts.lab_screenshots [DIR]`.

Without DIR the few that the documentation shows, cut at a screen's height and with few colours, so that they are small;
with DIR every lab whole, in every combination of 1280 and 390 pixels, both languages, light and dark, to be looked at.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from upweave.labs import LABS

ROOT = Path(__file__).resolve().parents[1]
SHOWN = ROOT / "docs/assets/labs"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
WIDTHS, LANGUAGES, SCHEMES = (1280, 390), ("en", "zh"), ("light", "dark")

POINTED = {"matrix": "C1,2", "explorer": "C5,2"}
"""The labs that the documentation shows, and which mark of the first figure is pointed at there."""


@contextmanager
def served() -> Iterator[str]:
    """The address of the labs, served by a process of their own."""
    command = [sys.executable, "-m", "upweave", "lab", "--no-browser"]
    env = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


@contextmanager
def chromium() -> Iterator[Any]:
    """The system's Chromium, headless."""
    from playwright.sync_api import sync_playwright

    path = next((p for name in CHROMIUM if (p := shutil.which(name))), None)
    if path is None:
        raise SystemExit(f"none of {', '.join(CHROMIUM)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--headless", "--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, address: str, name: str, width: int, lang: str = "en") -> Iterator[Any]:
    """One lab, drawn."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.goto(f"{address}{name}/?lang={lang}")
    page.locator("footer").wait_for()
    page.wait_for_timeout(1500)  # widgets come with their own scripts, and tell nobody when the last has drawn
    yield page
    context.close()


def take_shown(browser: Any, address: str, name: str, folder: Path) -> Iterator[Path]:
    """The documentation's pictures of one lab: what a reader sees first, with something pointed at."""
    for width, lang in ((1280, "en"), (390, "zh")) if name == "explorer" else ((1280, "en"),):
        with opened(browser, address, name, width, lang) as page:
            if width > 400:
                figure = page.locator(".figure").first
                if figure.evaluate("e => e.getBoundingClientRect().bottom > innerHeight"):
                    figure.evaluate("e => e.scrollIntoView({ block: 'start' })")
                figure.locator(f"[data-mark='{POINTED[name]}']").hover()
            path = folder / f"{name}-{width}-{lang}.png"
            page.screenshot(path=path)
        shrink(path)
        yield path


def take_all(browser: Any, address: str, name: str, folder: Path) -> Iterator[Path]:
    """One lab whole, in every combination of width, language and colours."""
    for width in WIDTHS:
        with opened(browser, address, name, width) as page:
            for lang in LANGUAGES:
                if lang != LANGUAGES[0]:
                    page.keyboard.press("l")
                for scheme in SCHEMES:
                    page.emulate_media(color_scheme=scheme)
                    height = page.evaluate("document.querySelector('#App').scrollHeight")
                    page.set_viewport_size({"width": width, "height": height})
                    page.wait_for_timeout(400)
                    path = folder / f"{name}-{width}-{lang}-{scheme}.png"
                    page.screenshot(path=path)
                    page.set_viewport_size({"width": width, "height": 900})
                    yield path


def shrink(path: Path) -> None:
    """The same picture in 64 colours."""
    from PIL import Image

    with Image.open(path) as image:
        image.convert("RGB").quantize(64).save(path, optimize=True)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR")
    parser.add_argument("--lab", help="only this one")
    given = parser.parse_args()
    if not subprocess.run(["fc-list", ":lang=zh"], capture_output=True, text=True, check=False).stdout:
        print("No font with Chinese characters is installed: Chinese pages will show boxes.", file=sys.stderr)
    folder = given.folder or SHOWN
    folder.mkdir(parents=True, exist_ok=True)
    names = [n for n in (lab.name for lab in LABS) if given.lab in (None, n) and (given.folder or n in POINTED)]
    with served() as address, chromium() as browser:
        for name in names:
            for path in (take_all if given.folder else take_shown)(browser, address, name, folder):
                print(path)


if __name__ == "__main__":
    main()
