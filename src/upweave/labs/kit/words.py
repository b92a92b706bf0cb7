"""Every sentence in English and Chinese, beside each other: both are in the page, and the reader's switch shows one.

    both("The kernel has three taps.", "卷积核有三个抽头。")

Nothing is computed again when the language changes, no control loses its place, and a page saved as a file keeps both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from inspect import cleandoc

import marimo as mo
from markdown import markdown

from ..text import Text


def both(en: str, zh: str) -> mo.Html:
    """Markdown in both languages, of which the page shows one; inline HTML, such as `number` makes, passes through."""
    return _either(marked(Text(en, zh)))


def facts(rows: Iterable[tuple[Text, str | Text]], note: Text | None = None) -> mo.Html:
    """A table of two columns, what is called how and its value; values are HTML, as `number` makes it. `note` stands
    below. For tables that change with every move of a slider: there is no Markdown to read."""
    lines = [(name, value if isinstance(value, Text) else Text(value, value)) for name, value in rows]
    tables = [
        f"<table><tbody>{''.join(f'<tr><td>{escape(name)}</td><td>{value}</td></tr>' for name, value in column)}</tbody>"
        f"</table>{f'<p>{escape(below)}</p>' if below else ''}"
        for column, below in (
            ([(name.en, value.en) for name, value in lines], note.en if note else ""),
            ([(name.zh, value.zh) for name, value in lines], note.zh if note else ""),
        )
    ]
    return _either(Text(*tables))


def _either(text: Text) -> mo.Html:
    """Two pieces of HTML, of which the page shows one."""
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
