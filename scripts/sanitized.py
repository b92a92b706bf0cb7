"""A plugin of pytest: the tests get the native core that `scripts.sanitize` built, whatever is installed."""

from __future__ import annotations

import importlib.util
import os
import sys

NAME = "upweave._native"


def load(path: str) -> None:
    """Loads the extension module at `path` as upweave._native, before anything imports that."""
    if NAME in sys.modules:
        raise RuntimeError(f"{NAME} was loaded before: {sys.modules[NAME].__file__}")
    spec = importlib.util.spec_from_file_location(NAME, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no extension module")
    sys.modules[NAME] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def pytest_sessionfinish() -> None:
    """Raises if the tests ran on another core, or beside PyTorch, whose threads and memory would be checked too."""
    from upweave.ops import native

    if native._core().module is not sys.modules[NAME] or sys.modules[NAME].__file__ != os.environ["UPWEAVE_SANITIZED"]:
        raise RuntimeError("the tests did not run on the sanitized core")
    if "torch" in sys.modules:
        raise RuntimeError("a test of the native core's memory loaded PyTorch")


load(os.environ["UPWEAVE_SANITIZED"])
