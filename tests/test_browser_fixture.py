"""The browser fixture itself: it renders, and its page fails on what a report must not do."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def test_renders(page) -> None:
    page.set_content("<p style='width:100px'>coverage</p>")
    assert page.inner_text("p") == "coverage"
    assert page.evaluate("document.querySelector('p').offsetWidth") == 100


def test_sees_requests(browser) -> None:
    context = browser.new_context(offline=True)
    seen = []
    page = context.new_page()
    page.on("request", lambda request: seen.append(request.url))
    page.set_content("<img src='https://example.invalid/x.png'>", wait_until="commit")
    page.wait_for_timeout(200)
    context.close()
    assert "https://example.invalid/x.png" in seen
