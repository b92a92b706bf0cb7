"""The labs as they look when they are opened, for the documentation: a MkDocs hook, so that nothing is stored."""

from __future__ import annotations

from typing import Any

from upweave.labs import LABS
from upweave.labs.export import pages

MARK = "| <!-- labs --> |"


def rows() -> str:
    """The labs as rows of a Markdown table: title, linked to the saved copy, and summary."""
    return "\n".join(f"| [{lab.title.en}]({lab.name}/index.html) | {lab.summary.en} |" for lab in LABS)


def on_files(files: Any, config: Any) -> Any:
    """MkDocs: add labs/NAME/index.html for every lab, and the pages of the functions that its numbers lead to."""
    from mkdocs.structure.files import File

    for path, content in pages().items():
        files.append(File.generated(config, f"labs/{path}", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """MkDocs: put the list of labs into their page."""
    return markdown.replace(MARK, rows()) if page.file.src_uri == "labs/index.md" else markdown
