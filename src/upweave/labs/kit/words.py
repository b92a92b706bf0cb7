"""Every sentence in English and Chinese, beside each other: both are in the page, and the reader's switch shows one.

    both("The kernel has three taps.", "卷积核有三个抽头。")

Nothing is computed again when the language changes, no control loses its place, and a page saved as a file keeps both.
"""

from __future__ import annotations

import re
from inspect import cleandoc

import marimo as mo
from markdown import markdown

from ..text import Text


def both(en: str, zh: str) -> mo.Html:
    """Markdown in both languages, of which the page shows one; inline HTML, such as `number` makes, passes through."""
    text = marked(Text(en, zh))
    return mo.Html(
        f'<div class="uw-text"><div class="en" lang="en">{text.en}</div>'
        f'<div class="zh" lang="zh-Hans">{text.zh}</div></div>'
    )


def marked(text: Text) -> Text:
    """The same text with its Markdown turned into HTML; the indentation that all lines share is dropped."""
    return Text(*(markdown(unwrapped(cleandoc(t)), extensions=["tables", "fenced_code"]) for t in text.pair))


def unwrapped(text: str) -> str:
    """The same text with no line break between two Chinese characters, where a page would show it as a space."""
    return re.sub(r"(?<=[\u3000-\u9fff\uff00-\uffef*])\n *(?=\*{0,2}[\u3001-\u9fff\uff00-\uffef])", "", text)


def formula(text: str) -> str:
    """HTML of a formula on a line of its own, the same in both languages."""
    return f'<span class="uw-formula">{text}</span>'
