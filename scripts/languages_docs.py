"""English and Chinese pages beside each other: a MkDocs hook that links each page to its sister.

`docs/zh/` repeats the paths of `docs/` for the pages that exist in both languages. A page with a sister gets a link to
it at its top, and a Chinese page says in its HTML which language it is in.
"""

from __future__ import annotations

from typing import Any

PREFIX = "zh/"


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
    return f'<a class="sister" href="{target}" hreflang="{language}" lang="{language}">{words}</a>\n{html}'


def on_post_page(output: str, page: Any, config: Any) -> str:
    """MkDocs: mark a Chinese page as such, for fonts, screen readers and search engines."""
    if not is_chinese(page.file.src_uri):
        return output
    marked = output.replace('<html lang="en"', '<html lang="zh-Hans"', 1)
    if marked == output:
        raise ValueError(f'{page.file.src_uri}: no <html lang="en"> to change; has the theme\'s template changed?')
    return marked
