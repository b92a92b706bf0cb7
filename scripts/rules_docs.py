"""One page a rule, from the rules' docstrings: a MkDocs hook, so that the pages exist only while the site is built.

Named under `hooks:` in mkdocs.yml. `page` and `overview` are what the tests call.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

from upweave.audit.rule import Rule, all_rules

HEADINGS = ("What it finds", "Why it is bad", "Example", "Use instead", "Fix safety", "References")

GROUPS = {
    "UW1": "Coverage",
    "UW2": "Alignment",
    "UW3": "Sizes",
    "UW4": "Weights",
    "UW5": "Initialisation",
    "UW6": "Portability",
    "UW7": "Cost",
    "UW9": "The audit itself",
}

_HEADING = re.compile(rf"^(?:#+\s*|\*\*)?({'|'.join(HEADINGS)})(?:\*\*)?(?:[:.]\s*|\s*$)(.*)$")
_UNDERLINE = re.compile(r"^\s*(-{3,}|={3,}|~{3,})\s*$")


def sections(rule: type[Rule]) -> dict[str, str]:
    """The docstring of a rule by heading; "" holds what stands above the first one."""
    found: dict[str, list[str]] = {"": []}
    current = ""
    for line in inspect.cleandoc(rule.__doc__ or "").splitlines():
        match = _HEADING.match(line)
        if match:
            current = match[1]
            found[current] = [match[2]] if match[2] else []
        elif not _UNDERLINE.match(line):
            found[current].append(line)
    return {heading: textwrap.dedent("\n".join(lines)).strip() for heading, lines in found.items()}


def page(rule: type[Rule]) -> str:
    """The Markdown page of one rule."""
    facts = [f"**{rule.level}**"]
    if rule.needs_weights:
        facts.append("needs weights")
    if rule.needs_topology:
        facts.append("needs the graph's topology")
    parts = [f"# {rule.name} ({rule.code})", " · ".join(facts)]
    for heading, text in sections(rule).items():
        if heading:
            parts.append(f"## {heading}")
        if text:
            parts.append(text)
    return "\n\n".join(parts) + "\n"


def overview() -> str:
    """The Markdown page that lists all rules by group."""
    parts = [
        "# Rules",
        "Codes are stable, names say what is found. `upweave explain NAME` prints a page in the terminal.",
    ]
    rules = all_rules()
    for prefix, title in GROUPS.items():
        rows = [
            f"| [`{r.name}`]({r.name}.md) | {c} | {r.level} | {r.summary} |"
            for c, r in rules.items()
            if c[:3] == prefix
        ]
        if rows:
            parts.append(f"## {title}")
            parts.append("\n".join(["| rule | code | level | finds |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def on_config(config: Any) -> Any:
    """MkDocs: put the rules' pages into the navigation, under "Rules"."""
    pages = ["rules/index.md", *({f"{r.name} ({c})": f"rules/{r.name}.md"} for c, r in all_rules().items())]
    config["nav"] = [{"Rules": pages} if "Rules" in entry else entry for entry in config["nav"]]
    return config


def on_files(files: Any, config: Any) -> Any:
    """MkDocs: add the generated pages."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "rules/index.md", content=overview()))
    for rule in all_rules().values():
        files.append(File.generated(config, f"rules/{rule.name}.md", content=page(rule)))
    return files
