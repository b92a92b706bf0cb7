"""A rule's manual, out of its docstring: the same text for the terminal, SARIF's help and the site.

Docstrings hold a first line, then the headings of `HEADINGS`, in any of the usual ways to write one (underlined, `##`,
bold, or with a colon behind it).
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..rule import Rule

HEADINGS = ("What it finds", "Why it is bad", "Example", "Use instead", "Fix safety", "References")

_HEADING = re.compile(rf"^(?:#+\s*|\*\*)?({'|'.join(HEADINGS)})(?:\*\*)?(?:[:.]\s*|\s*$)(.*)$")
_UNDERLINE = re.compile(r"^\s*(-{3,}|={3,}|~{3,})\s*$")


def sections(rule: type[Rule]) -> dict[str, str]:
    """The docstring by heading; "" holds what stands above the first one."""
    found: dict[str, list[str]] = {"": []}
    current, before = "", ""
    for line in inspect.cleandoc(rule.__doc__ or "").splitlines():
        match = _HEADING.match(line)
        if match and not before.strip():
            current = match[1]
            found[current] = [match[2]] if match[2] else []
        elif not (_UNDERLINE.match(line) and _HEADING.match(before)):
            found[current].append(line)
        before = line
    return {heading: "\n".join(lines).strip("\n").rstrip() for heading, lines in found.items()}


def facts(rule: type[Rule]) -> str:
    """What there is to know besides the text: "warning · needs weights"."""
    words = [str(rule.level)]
    if rule.needs_weights:
        words.append("needs weights")
    if rule.needs_topology:
        words.append("needs the graph's topology")
    return " · ".join(words)


def markdown_of(rule: type[Rule]) -> str:
    """The manual as Markdown."""
    parts = [f"# {rule.name} ({rule.code})", f"*{facts(rule)}*", rule.summary]
    for heading, text in sections(rule).items():
        if heading:
            parts.append(f"## {heading}")
        if text and text.strip().rstrip(".") != rule.summary.rstrip("."):
            parts.append(text)
    return "\n\n".join(parts) + "\n"


def text_of(rule: type[Rule]) -> str:
    """The manual as plain text."""
    lines = [f"{rule.name} ({rule.code}) · {facts(rule)}", rule.summary]
    for heading, text in sections(rule).items():
        if heading:
            lines.append(f"{heading}\n{text}")
        elif text and text.strip().rstrip(".") != rule.summary.rstrip("."):
            lines.append(text)
    return "\n\n".join(lines)
