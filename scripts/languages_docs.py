"""English and Chinese pages beside each other: a MkDocs hook that links each page to its sister.

`docs/zh/` repeats the paths of `docs/` for the pages that exist in both languages. A page with a sister gets a link to
it at its top and in the menu of languages, where a page without one leads to the other language's first page. A Chinese
page says in its HTML which language it is in.
"""

from __future__ import annotations

import re
from typing import Any

PREFIX = "zh/"
ALTERNATE = re.compile(r'\n *<link rel="alternate" href="[^"]*" hreflang="\w+">')
"""What the theme puts into the head: the first page of each language. Those are no translations of the page, and the
theme's script asks for a site map of each, where there is one for all."""

MENU = re.compile(r'<a href="(?P<first>[^"]*)" hreflang="(?P<language>\w+)" class="md-select__link">')


def sister(path: str) -> str:
    """The path of the same page in the other language."""
    return path.removeprefix(PREFIX) if path.startswith(PREFIX) else PREFIX + path


def is_chinese(path: str) -> bool:
    """True for the source path of a Chinese page."""
    return path.startswith(PREFIX)


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """MkDocs: put the link to the sister above the page's heading."""
    other = files.get_file_from_path(sister(page.file.src_uri))
    if other is None:
        return html
    words, language = ("English", "en") if is_chinese(page.file.src_uri) else ("中文", "zh")
    target = other.url_relative_to(page.file)
    page.meta["sister"] = target
    return f'<a class="sister" href="{target}" hreflang="{language}" lang="{language}">{words}</a>\n{html}'


def on_post_page(output: str, page: Any, config: Any) -> str:
    """MkDocs: lead the menu to the sister, and mark a Chinese page as such, for fonts, screen readers and searches."""
    own = "zh" if is_chinese(page.file.src_uri) else "en"

    def link(found: re.Match[str]) -> str:
        target = "" if found["language"] == own else page.meta.get("sister", found["first"])
        return found[0].replace(f'href="{found["first"]}"', f'href="{target}"')

    marked, count = MENU.subn(link, ALTERNATE.sub("", output))
    if count != 2:
        raise ValueError(f"{page.file.src_uri}: {count} languages to choose; has the theme's template changed?")
    if own == "en":
        return marked
    chinese = marked.replace('<html lang="en"', '<html lang="zh-Hans"', 1)
    if chinese == marked:
        raise ValueError(f'{page.file.src_uri}: no <html lang="en"> to change; has the theme\'s template changed?')
    return chinese


def on_post_template(output: str, template_name: str, config: Any) -> str:
    """MkDocs: the page for an address that does not exist is the theme's own."""
    return ALTERNATE.sub("", output) if template_name == "404.html" else output
