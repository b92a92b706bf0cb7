"""One page a rule, from the rules' docstrings: a MkDocs hook, so that the pages exist only while the site is built."""

from __future__ import annotations

from typing import Any

from upweave.audit.render.docs import markdown_of
from upweave.audit.rule import all_rules

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
        files.append(File.generated(config, f"rules/{rule.name}.md", content=markdown_of(rule)))
    return files
