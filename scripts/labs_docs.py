"""The labs as they look when they are opened, for the documentation: a MkDocs hook, so that nothing is stored."""

from __future__ import annotations

from typing import Any

from upweave.labs.export import pages


def on_files(files: Any, config: Any) -> Any:
    """MkDocs: add labs/NAME/index.html for every lab, and the pages of the functions that its numbers lead to."""
    from mkdocs.structure.files import File

    for path, content in pages().items():
        files.append(File.generated(config, f"labs/{path}", content=content))
    return files
