"""What is looked at on every page of a lab is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.labs.browsing import LabPage

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("lang", "body", "fault"),
    [
        ("en", "<p>Words.</p><pre>代码</pre>", None),
        ("zh", "<p>一个 PyTorch 模型</p><p>Keras same</p>", None),
        ("en", "<p>Words, 字.</p>", "is not all in en"),
        ("zh", "<p>nobody translated this</p>", "is not all in zh"),
        ("en", "<div style='width: 3000px'>Words.</div>", "is too wide"),
        ("en", "<p style='color: #aaa'>Words.</p>", "hard to read"),
        ("en", "<div style='background: #333'><p>Words.</p></div>", "hard to read"),
    ],
)
def test_faults_are_noticed(page: Page, lang: str, body: str, fault: str | None) -> None:
    page.set_content(f"<!doctype html><html data-lang='{lang}'><body>{body}</body></html>")
    lab = LabPage(page, "a page")
    if fault is None:
        lab.check_looks()
    else:
        with pytest.raises(AssertionError, match=fault):
            lab.check_looks()
