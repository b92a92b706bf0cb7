"""Take the screenshots of the documentation anew: `python -m scripts.screenshots [FOLDER]`, by default docs/assets.

The HTML reports of an audit (CycleGAN's generator) and of an accelerated ONNX file, in a light and a dark browser and
on a phone, as WebP. Needs the packages of the extra `test` and a Chromium; 800 KiB in all is the most that they may be.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from upweave.audit.run import audit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ASSETS = Path(__file__).resolve().parent.parent / "docs" / "assets"
CHROMIUM = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
LIMIT = 800 * 1024
QUALITY = 80
"""Of WebP: text stays crisp at twice the density, and a picture under 100 KiB."""


@dataclass(frozen=True)
class Shot:
    """One picture: the page, how wide and high it is, light or dark, and which layer is at its top."""

    name: str
    page: str
    width: int
    height: int
    scheme: str = "light"
    layer: str | None = None


SHOTS = (
    Shot("report-light", "report", 1100, 900),
    Shot("report-dark", "report", 1100, 900, "dark"),
    Shot("report-phone", "report", 390, 844),
    Shot("report-layer", "report", 1100, 1180, layer="up.1.0"),
    Shot("accelerate-light", "accelerate", 1100, 900),
    Shot("accelerate-dark", "accelerate", 1100, 900, "dark"),
    Shot("accelerate-phone", "accelerate", 390, 844),
)


def audit_page(folder: Path) -> Path:
    """The report on CycleGAN's generator."""
    import torch

    from examples import MODELS

    example = MODELS["cyclegan"]
    torch.manual_seed(0)
    report = replace(audit(example.build(), [example.input]), target=example.target)
    return report.save(folder / "report.html")


def accelerate_page(folder: Path) -> Path:
    """The report on a decoder with two nearest resizes, accelerated for OpenVINO."""
    import torch

    from examples.export import quiet
    from upweave.audit.render.files import write_text
    from upweave.rewrite.html import to_html
    from upweave.rewrite.identity import choose
    from upweave.rewrite.onnx.run import rewrite_file

    torch.manual_seed(0)
    blocks: list[torch.nn.Module] = []
    for c_in, c_out in ((64, 64), (64, 32)):
        blocks += [torch.nn.Upsample(scale_factor=2), torch.nn.Conv2d(c_in, c_out, 3, padding=1), torch.nn.ReLU()]
    model = torch.nn.Sequential(*blocks, torch.nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1)).eval()
    path = folder / "decoder.onnx"
    with quiet():
        torch.onnx.export(model, (torch.zeros(1, 64, 16, 16),), path, dynamo=True, external_data=False, verbose=False)
    names = choose(None, (), purposes=("speed",))
    found = rewrite_file(str(path), names, target="openvino", measure=False)
    written = folder / "accelerate.html"
    write_text(written, to_html(replace(found.report, model="decoder.onnx")))
    return written


@contextmanager
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless; `RuntimeError` where there is none."""
    from playwright.sync_api import sync_playwright

    path = next((p for name in CHROMIUM if (p := shutil.which(name))), None)
    if path is None:
        raise RuntimeError(f"no Chromium found; looked for {', '.join(CHROMIUM)}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


def take(chromium: Browser, shot: Shot, page: Path) -> bytes:
    """The picture as WebP."""
    from PIL import Image

    context = chromium.new_context(
        viewport={"width": shot.width, "height": shot.height},
        device_scale_factor=1.5,
        color_scheme="dark" if shot.scheme == "dark" else "light",
        offline=True,
    )
    tab = context.new_page()
    tab.goto(page.as_uri())
    if shot.layer is not None:
        card = tab.locator("article.layer", has=tab.get_by_role("heading", name=shot.layer, exact=True))
        card.evaluate("e => window.scrollTo(0, e.getBoundingClientRect().top + window.scrollY - 16)")
    picture = Image.open(io.BytesIO(tab.screenshot()))
    context.close()
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=QUALITY, method=6)
    return out.getvalue()


def main() -> int:
    """Take all, and say how large they are; 1 if they are too large together."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ASSETS
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    with tempfile.TemporaryDirectory() as scratch, browser() as chromium:
        pages = {"report": audit_page(Path(scratch)), "accelerate": accelerate_page(Path(scratch))}
        for shot in SHOTS:
            data = take(chromium, shot, pages[shot.page])
            (folder / f"{shot.name}.webp").write_bytes(data)
            total += len(data)
            print(f"{shot.name}.webp  {len(data) / 1024:.0f} KiB")
    if total > LIMIT:
        print(f"{total / 1024:.0f} KiB in all, {LIMIT // 1024} at most")
    return int(total > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
