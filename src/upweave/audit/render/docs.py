"""A rule's manual, out of its docstring: the same text for the terminal, SARIF's help and the site."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..rule import Rule

HEADINGS = ("What it finds", "Why it is bad", "Example", "Use instead", "Fix safety", "References")


def sections(rule: type[Rule]) -> dict[str, str]:
    """The docstring by its "## " headings; "" holds what stands above the first one."""
    found: dict[str, list[str]] = {"": []}
    current = ""
    for line in inspect.cleandoc(rule.__doc__ or "").splitlines():
        if line.startswith("## "):
            current = line.removeprefix("## ").strip()
            found[current] = []
        else:
            found[current].append(line)
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
    parts = [f"# {rule.name} ({rule.code})", f"*{facts(rule)}*"]
    for heading, text in sections(rule).items():
        parts.extend(part for part in (heading and f"## {heading}", text) if part)
    return "\n\n".join(parts) + "\n"


def text_of(rule: type[Rule]) -> str:
    """The manual as plain text."""
    parts = [f"{rule.name} ({rule.code}) · {facts(rule)}"]
    parts.extend(f"{heading}\n{text}" if heading else text for heading, text in sections(rule).items() if text)
    return "\n\n".join(parts)
