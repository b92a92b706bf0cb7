"""A sentence in both languages of the labs."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from ..errors import UpweaveError


@dataclass(frozen=True)
class Text:
    """One sentence or label in English and Chinese. Raises `UpweaveError` where one of them is missing."""

    en: str
    zh: str

    def __post_init__(self) -> None:
        for name, value in (("English", self.en), ("Chinese", self.zh)):
            if not value.strip():
                raise UpweaveError(f"a text has no {name}: {self.en!r}, {self.zh!r}")

    @property
    def pair(self) -> list[str]:
        """[English, Chinese], as the widgets take it."""
        return [self.en, self.zh]

    @property
    def inline(self) -> str:
        """HTML of both, of which the page shows one; special characters escaped."""
        return spans(escape(self.en), escape(self.zh))


def same(value: Any) -> Text:
    """A label that is the same in both languages: a symbol, a number, a name."""
    return Text(str(value), str(value))


def spans(en: str, zh: str) -> str:
    """Two pieces of inline HTML, of which the page shows one."""
    return f'<span class="en" lang="en">{en}</span><span class="zh" lang="zh-Hans">{zh}</span>'
