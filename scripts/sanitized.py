"""A plugin of pytest: the tests get the native core that `scripts.sanitize` built, whatever is installed."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

from scripts.sanitize import leaks

NAME = "upweave._native"
PATH = os.environ["UPWEAVE_SANITIZED"]


def load() -> None:
    """Loads the extension module as upweave._native, before anything imports that."""
    if NAME in sys.modules:
        raise RuntimeError(f"{NAME} was loaded before: {sys.modules[NAME].__file__}")
    spec = importlib.util.spec_from_file_location(NAME, PATH)
    if spec is None or spec.loader is None:
        raise ImportError(f"{PATH} is no extension module")
    sys.modules[NAME] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def leak_report() -> str:
    """What LeakSanitizer finds now: every allocation that nothing points to any more."""
    runtime = ctypes.CDLL(None)
    with tempfile.TemporaryDirectory() as directory:
        runtime.__sanitizer_set_report_path(f"{directory}/leaks".encode())
        runtime.__lsan_do_recoverable_leak_check()
        runtime.__sanitizer_set_report_path(b"stderr")
        return "\n\n".join(path.read_text() for path in Path(directory).iterdir())


def pytest_sessionfinish() -> None:
    """Raises if the core leaked, if the tests ran on another, or beside PyTorch, whose memory would be checked too."""
    from upweave.ops import native

    if native._core().module is not sys.modules[NAME] or sys.modules[NAME].__file__ != PATH:
        raise RuntimeError("the tests did not run on the sanitized core")
    if "torch" in sys.modules:
        raise RuntimeError("a test of the native core's memory loaded PyTorch")
    if ours := leaks(leak_report(), Path(PATH).name):
        raise RuntimeError("the native core leaks:\n\n" + "\n\n".join(ours))


load()
