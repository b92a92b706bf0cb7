"""The screenshots in the documentation: there, small, used, and taken by the script."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.screenshots import ASSETS, LIMIT, SHOTS, Shot, take

from .pages import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_all_are_there_and_small() -> None:
    files = {p.name: p.stat().st_size for p in ASSETS.glob("*.webp")}
    assert set(files) == {f"{shot.name}.webp" for shot in SHOTS}
    assert 0 < sum(files.values()) <= LIMIT


def test_all_are_used() -> None:
    text = "".join(p.read_text("utf-8") for p in ROOT.glob("docs/**/*.md"))
    assert not [shot.name for shot in SHOTS if f"assets/{shot.name}.webp" not in text]


@pytest.mark.browser
def test_a_shot_starts_at_its_layer(browser: Browser, tmp_path: Path) -> None:
    from PIL import Image

    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><style>body { margin: 0 } article { height: 900px; background: #c00 } #b { background: #00c }"
        "</style><article class='layer'><h3>a</h3></article><article class='layer' id='b'><h3>b</h3></article>"
        "<div style='height: 900px'></div>",
        encoding="utf-8",
    )
    picture = Image.open(io.BytesIO(take(browser, Shot("b", "report", 200, 100, layer="b"), page)))
    assert picture.format == "WEBP"
    assert picture.size == (300, 150)
    red, _, blue = picture.convert("RGB").getpixel((150, 140))  # type: ignore[misc]
    assert blue > 150 > red
