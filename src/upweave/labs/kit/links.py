"""Numbers that lead to the function they come from: each is a link to that function's page.

A lab stands at NAME/, the functions' pages at theory/FUNCTION.html beside it, whether the labs are served or saved.
"""

from __future__ import annotations

import importlib
import inspect
from html import escape
from typing import Any

import numpy as np

from ...errors import UpweaveError


def find(name: str) -> Any:
    """The public function or class of that dotted name. Raises `UpweaveError` where there is none."""
    parts = name.split(".")
    if parts[0] != "upweave" or any(p.startswith("_") for p in parts):
        raise UpweaveError(f"{name!r} is no public name of upweave")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
            for p in parts[cut:]:
                found = getattr(found, p)
        except (ImportError, AttributeError):
            continue
        if callable(found) and not inspect.ismodule(found) and inspect.getdoc(found):
            return found
    raise UpweaveError(f"there is no documented function {name!r}")


def address(name: str) -> str:
    """Where the page of a function is, seen from a lab. Raises `UpweaveError` where there is no such function."""
    find(name)
    return f"../theory/{name}.html"


def number(value: Any, source: str) -> str:
    """HTML of a value, linked to the page of the function that computed it, such as "upweave.coverage"."""
    text = escape(show(value))
    kind = "uw-number short" if len(text) <= 14 else "uw-number"
    return f'<a class="{kind}" href="{address(source)}" title="{escape(source)}" data-number="{source}">{text}</a>'


def show(value: Any) -> str:
    """A number, or several, as one writes them: at most four significant digits, a true minus sign."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        opening, closing = "()" if isinstance(value, tuple) else "[]"
        return opening + ", ".join(show(v) for v in value) + closing
    if isinstance(value, (float, np.floating)):
        plain = float(value)
        if not np.isfinite(plain):
            return "∞" if plain > 0 else "−∞" if plain < 0 else "—"
        text = f"{0.0 if abs(plain) < 5e-13 else plain:.4g}"
        if "e" in text:
            digits, power = text.split("e")
            text = f"{digits}·10^{int(power)}"
    else:
        text = str(value)
    return text.replace("-", "−")
