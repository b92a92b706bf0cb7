"""Any value of an audit in JSON's types alone."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any


def plain(value: Any) -> Any:
    """The value in JSON's types alone: fractions and NumPy scalars as numbers, arrays as lists, non-finite as None."""
    if value is None or isinstance(value, (bool, str)):
        return value if not isinstance(value, str) else _text(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_text(str(k)): plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in (sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value)]
    return _text(str(value))


def _text(value: str) -> str:
    """The string without lone surrogates, which UTF-8 cannot hold."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
