"""Pictures of the labs, made by the same browser that tests them: `python -m scripts.lab_screenshots [DIR]`.

Without DIR the few that the documentation shows, cut at a screen's height and with few colours, so that they are small;
with DIR every lab whole, at 1280 and 390 pixels, in both languages, light and dark, to be looked at.
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
VIEWS = ((1280, "en", "light"), (1280, "zh", "dark"), (390, "zh", "light"), (390, "en", "dark"))

POINTED = {"matrix": "C1,2", "explorer": "C5,2"}
"""Which mark of the first figure is pointed at in the documentation's pictures."""


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


def take(browser: Any, address: str, name: str, view: tuple[int, str, str], path: Path, *, whole: bool) -> None:
    """One picture of one lab."""
    width, lang, scheme = view
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}{name}/?lang={lang}")
    page.locator("footer").wait_for()
    page.wait_for_timeout(1500)  # widgets come with their own scripts, and tell nobody when the last has drawn
    if whole:
        page.set_viewport_size({"width": width, "height": page.evaluate("document.querySelector('#App').scrollHeight")})
        page.wait_for_timeout(300)
    elif name in POINTED and width > 400:
        page.locator(".figure").first.locator(f"[data-mark='{POINTED[name]}']").hover()
    page.screenshot(path=path)
    context.close()


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
    names = [lab.name for lab in LABS if given.lab in (None, lab.name)]
    with served() as address, chromium() as browser:
        for name in names:
            for view in VIEWS if given.folder else VIEWS[:1] if name != "explorer" else (VIEWS[0], VIEWS[2]):
                path = folder / f"{name}-{view[0]}-{view[1]}.png"
                take(browser, address, name, view, path, whole=given.folder is not None)
                if given.folder is None:
                    shrink(path)
                print(path)


if __name__ == "__main__":
    main()
