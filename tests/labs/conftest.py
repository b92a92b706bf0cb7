"""Labs served for the browser, and one opened."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.labs.browsing import LabPage

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="session")
def labs_address() -> Iterator[str]:
    """The address of `upweave lab --no-browser`, run as a process of its own, as a user would."""
    env = os.environ | {"PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "upweave", "lab", "--no-browser"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split(" ")[0].strip()
        if not address.startswith("http://127.0.0.1:"):
            process.kill()
            pytest.fail(f"upweave lab printed {address!r} and {process.communicate()[1]!r}")
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(address, timeout=10).read()
                break
            except OSError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()


@pytest.fixture
def open_lab(browser: Browser, labs_address: str) -> Iterator[Callable[..., LabPage]]:
    """`open_lab(name, lang="en", width=1280, scheme="light")` opens a lab and waits until all its cells have run."""
    from playwright.sync_api import expect

    from tests.labs.browsing import WAIT, LabPage

    contexts, trouble, opened = [], [], []

    def open_one(name: str, lang: str = "en", width: int = 1280, scheme: str = "light") -> LabPage:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda e: trouble.append(f"script error: {e}"))
        page.on("console", lambda m: trouble.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("response", lambda r: trouble.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.on(
            "request",
            lambda r: (
                None if r.url.startswith((labs_address, "data:", "blob:")) else trouble.append(f"request: {r.url}")
            ),
        )
        page.goto(f"{labs_address}{name}/?lang={lang}")
        expect(page.locator("footer")).to_be_visible(timeout=WAIT)
        expect(page.locator("[data-status=running], [data-status=queued]")).to_have_count(0, timeout=WAIT)
        failed = page.locator(".marimo-error, [data-testid='cell-error'], .output.error")
        assert failed.count() == 0, failed.all_inner_texts()
        opened.append(LabPage(page, name))
        return opened[-1]

    yield open_one
    try:
        for lab in opened:
            lab.check_looks()
    finally:
        for context in contexts:
            context.close()
    assert not trouble, trouble
