"""What the options say: shapes, rule codes, factory arguments."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UpweaveError

DTYPES = ("float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool")

_DIMS = re.compile(r"\d+(?:([x×,])\d+(?:\1\d+)*)?,?")
_KEYWORDS = {"true": True, "false": False, "none": None, "null": None}


@dataclass(frozen=True)
class Input:
    """One `--input`: a shape, the name of the model's input (None: by position), and the dtype where it is given."""

    shape: tuple[int, ...]
    name: str | None = None
    dtype: str | None = None


def parse_input(text: str) -> Input:
    """`1x3x64x64`, `1,3,64,64`, `name=1x3x64x64`, each with an optional `:int64`. Raises `UpweaveError`."""
    name, equals, rest = text.rpartition("=")
    dims, colon, dtype = rest.partition(":")
    if colon and dtype not in DTYPES:
        raise UpweaveError(f"--input {text}: no dtype is called '{dtype}'; known are {', '.join(DTYPES)}")
    dims = dims.strip()
    if equals and not name:
        raise UpweaveError(f"--input {text}: the name before '=' is empty")
    if not _DIMS.fullmatch(dims):
        raise UpweaveError(f"--input {text}: '{dims}' is no shape; write 1x3x64x64 or 1,3,64,64")
    shape = tuple(int(d) for d in re.split(r"[x×,]", dims.rstrip(",")))
    if 0 in shape:
        raise UpweaveError(f"--input {text}: every dimension must be at least 1")
    return Input(shape, name or None, dtype or None)


def shapes(texts: Sequence[str], *, typed: bool = True) -> Any:
    """What `upweave.audit` takes as `inputs`: None, a list by position, or a mapping by name.

    An entry is a shape, or a (dtype, shape) pair where a dtype is given and the model does not fix it itself (`typed`).
    Raises `UpweaveError` where some inputs are named and others are not, or one is named twice.
    """
    if not texts:
        return None
    parsed = [parse_input(t) for t in texts]
    values: list[Any] = [(p.dtype, p.shape) if p.dtype and typed else p.shape for p in parsed]
    names = [p.name for p in parsed]
    if not any(names):
        return values
    if None in names:
        raise UpweaveError("give every --input a name, or none: 'name=1x3x64x64'")
    twice = sorted({n for n in names if n is not None and names.count(n) > 1})
    if twice:
        raise UpweaveError(f"--input names '{twice[0]}' twice")
    return dict(zip(names, values, strict=True))


def arguments(texts: Sequence[str]) -> dict[str, Any]:
    """`k=v` pairs; v is a Python literal (3, 0.5, (1, 2), 'x'), true, false or none, and else a string."""
    out: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise UpweaveError(f"--arg {text}: write name=value")
        if key in out:
            raise UpweaveError(f"--arg names '{key}' twice")
        out[key] = literal(value)
    return out


def literal(text: str) -> Any:
    """The value that the text stands for."""
    if text.lower() in _KEYWORDS:
        return _KEYWORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def codes(texts: Sequence[str]) -> tuple[str, ...] | None:
    """Rule codes, prefixes or names, comma-separated and repeatable; None where none is given."""
    found = [c.strip() for t in texts for c in t.split(",") if c.strip()]
    if texts and not found:
        raise UpweaveError("an empty list of rules is given")
    return tuple(found) or None


def integers(text: str, option: str) -> tuple[int, ...]:
    """ "4,8,16" as numbers of at least 1. Raises `UpweaveError` naming the option."""
    parts = [p.strip() for p in text.split(",")]
    if not all(p.isdecimal() and int(p) > 0 for p in parts):
        raise UpweaveError(f"{option} {text}: write positive whole numbers, separated by commas")
    return tuple(int(p) for p in parts)


def axes(text: str, option: str) -> tuple[int, ...]:
    """ "4x4" or "4,4" as the size of each axis. Raises `UpweaveError` naming the option."""
    many = text.split("x")
    return integers(",".join(many) if all(many) else text, option)
