"""The frame of a lab: its title, the way to the other labs, the switch of the language; and pages without Python."""

from __future__ import annotations

import inspect
from html import escape

import marimo as mo

from .. import LABS, Lab, find_lab
from ..text import Text, spans
from .links import find
from .widget import static

BRAND = spans("Upweave <small>labs</small>", "Upweave <small>实验</small>")
SWITCH = (
    '<button type="button" class="language" data-language title="L">'
    + spans("中文", "English")
    + " <kbd>L</kbd></button>"
)

ICON = (  # two phases, interleaved; a page without one makes a browser ask for /favicon.ico
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 4 4'%3E%3Cpath fill='%231f5fa8' "
    "d='M0 0h4v4h-4z'/%3E%3Cpath fill='%23f2a365' d='M1 0h1v1h-1zM3 0h1v1h-1zM1 2h1v1h-1zM3 2h1v1h-1zM0 1h1v1h-1zM2 1h1v1h-1z"
    "M0 3h1v1h-1zM2 3h1v1h-1z'/%3E%3C/svg%3E"
)


def opening(name: str) -> mo.Html:
    """The head of the lab of that name: navigation, title, summary, language switch."""
    lab = find_lab(name)
    links = " ".join(_link(other, current=other is lab) for other in LABS)
    return mo.Html(
        f'<div class="uw-page" data-lab="{lab.name}"><header><a class="brand" href="../index.html">{BRAND}</a>{SWITCH}</header>'
        f"<nav>{links}</nav><h1>{_text(lab.title)}</h1><p class='summary'>{_text(lab.summary)}</p></div>"
    )


def closing(name: str) -> mo.Html:
    """The foot of the lab: the one before and the one after."""
    at = LABS.index(find_lab(name))
    before = f"← {_link(LABS[at - 1])}" if at else ""
    after = f"{_link(LABS[at + 1])} →" if at + 1 < len(LABS) else ""
    return mo.Html(f'<div class="uw-page"><footer><span>{before}</span><span>{after}</span></footer></div>')


def index_page() -> str:
    """The page that lists the labs, as HTML."""
    items = "".join(f"<li>{_link(lab, up='', words=lab.title)}<p>{_text(lab.summary)}</p></li>" for lab in LABS)
    summary = Text(
        "Transposed convolution and learnable upsampling, hands on. Every number is computed by the library while you look.",
        "动手学转置卷积与可学习上采样。页面上的每个数都由这个库当场算出。",
    )
    body = f"<header><a class='brand' href='index.html'>{BRAND}</a>{SWITCH}</header><h1>{BRAND}</h1>"
    body += f"<p class='summary'>{_text(summary)}</p><ul class='labs'>{items}</ul>"
    return document("Upweave labs · 实验", body)


def theory_page(name: str) -> str:
    """The page of one public function: signature and docstring. Raises `UpweaveError` where there is none."""
    found = find(name)
    try:
        signature = str(inspect.signature(found))
    except (TypeError, ValueError):
        signature = ""
    words = inspect.getdoc(found) or ""
    back = Text("back to the labs", "回到实验")
    return document(
        name,
        f"<header><a class='brand' href='../index.html'>{BRAND}</a>{SWITCH}</header>"
        f"<h1><code>{escape(name)}</code></h1><pre>{escape(found.__name__ + signature)}</pre><pre>{escape(words)}</pre>"
        f"<p><a href='../index.html'>{_text(back)}</a></p>",
    )


def document(title: str, body: str, more: str = "") -> str:
    """A whole HTML page in the labs' style; `more` goes to the end of its body."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="{ICON}">'
        f"<title>{escape(title)}</title><style>body {{ margin: 0; }}\n{static('page.css')}</style>{static('head.html')}</head>"
        f'<body><div class="uw-page">{body}</div>{more}</body></html>\n'
    )


def _text(text: Text) -> str:
    return text.inline


def _link(lab: Lab, up: str = "../", *, words: Text | None = None, current: bool = False) -> str:
    mark = ' aria-current="page"' if current else ""
    return f'<a href="{up}{lab.name}/index.html"{mark}>{_text(words or lab.short)}</a>'
