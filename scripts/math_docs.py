"""Formulas as MathML: a MkDocs hook that renders each ```math block while the site is built.

GitHub renders the same blocks from the Markdown. MathML needs no script and no font of ours, so that the site works
without a network.
"""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert


def fence(source: str, language: str, class_name: str, options: Any, md: Any, **keywords: Any) -> str:
    """The HTML of one block: the formula as MathML, its LaTeX source beside it for who reads with other tools."""
    return f'<div class="{class_name}" title="{html.escape(source.strip(), quote=True)}">{mathml(source)}</div>'


def mathml(source: str) -> str:
    """A LaTeX formula as a displayed MathML element; `ValueError` for what the converter does not know.

    It passes a command or an environment that it does not know through as text.
    """
    rendered: str = convert(source.strip(), display="block")
    if left := re.search(r">[^<]*?(\\\w+|&(?!#))[^<]*<", rendered):
        raise ValueError(f"{left[1]!r} would stand in the formula as it is: {source.strip()}")
    return rendered


def on_config(config: Any) -> Any:
    """MkDocs: give ```math blocks to `fence`."""
    fences = config["mdx_configs"].setdefault("pymdownx.superfences", {}).setdefault("custom_fences", [])
    fences.append({"name": "math", "class": "formula", "format": fence})
    return config
