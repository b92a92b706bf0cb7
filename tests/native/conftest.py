"""Tests of the native core by itself: without it, none of them runs, and in CI that is a failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import IN_CI
from upweave.ops import native

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip these tests where there is no core to test; a build that went missing in CI would look like a pass."""
    if native.available() or (IN_CI and os.environ.get("UPWEAVE_NATIVE") != "0"):
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"native core not available: {native.why_not()}"))
