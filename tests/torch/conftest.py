"""Operators without a core, with a stand-in for it, and with the real one where it is built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from upweave.ops import native
from upweave.ops.torch.packed import PACKED

from .core import StandIn

REPLACED = (
    "available", "why_not", "forward", "prepared", "pack_key", "pack", "fingerprint", "grad_input", "grad_weight",
)  # fmt: skip


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Two threads that wait for each other on a loaded machine take longer than these tiny problems."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def install(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Put a stand-in in the place of the native core's functions."""
    core = StandIn()
    for name in REPLACED:
        monkeypatch.setattr(native, name, getattr(core, name))
    return core


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Operators over the stand-in, with nothing packed before or after."""
    PACKED.clear()
    yield install(monkeypatch)
    PACKED.clear()


@pytest.fixture(params=["without", "stand-in", "native"])
def core(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Which core the operators find."""
    if request.param == "native" and not native.available():
        pytest.skip(f"no native core here: {native.why_not()}")
    PACKED.clear()
    if request.param == "without":
        monkeypatch.setattr(native, "available", lambda: False)
        monkeypatch.setattr(native, "why_not", lambda: "turned off for this test")
    elif request.param == "stand-in":
        install(monkeypatch)
    yield request.param
    PACKED.clear()
