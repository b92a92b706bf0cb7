"""`upweave rules`: the list of all rules."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..audit.rule import Rule


@click.command("rules", short_help="List all rules.")
@click.option("--format", "fmt", type=click.Choice(("text", "json", "markdown")), default="text", show_default=True)
def command(fmt: str) -> int:
    """List every rule: code, name, level and what it finds."""
    from ..audit.rule import all_rules
    from .audit import emit

    rules = list(all_rules().values())
    if fmt == "json":
        emit(as_json(rules))
    elif fmt == "markdown":
        emit(as_markdown(rules))
    elif sys.stdout.isatty():
        _show(rules)
    else:
        emit("".join(f"{r.code}  {r.name:<{_width(rules)}}  {r.level!s:<7}  {r.summary}\n" for r in rules))
    return 0


def as_json(rules: list[type[Rule]]) -> str:
    """A JSON list: code, name, level, summary, needs_weights, needs_topology, documentation (Markdown)."""
    import json

    from ..audit.render.docs import markdown_of

    entries = [
        {
            "code": r.code,
            "name": r.name,
            "level": str(r.level),
            "summary": r.summary,
            "needs_weights": r.needs_weights,
            "needs_topology": r.needs_topology,
            "documentation": markdown_of(r),
        }
        for r in rules
    ]
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def as_markdown(rules: list[type[Rule]]) -> str:
    """A Markdown table."""
    rows = [f"| {r.code} | `{r.name}` | {r.level} | {r.summary.replace('|', chr(92) + '|')} |" for r in rules]
    return "\n".join(["| code | name | level | finds |", "|---|---|---|---|", *rows]) + "\n"


def _width(rules: list[type[Rule]]) -> int:
    return max((len(r.name) for r in rules), default=0)


def _show(rules: list[type[Rule]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..audit.render.text import STYLES

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("code", "name", "level", "finds"):
        table.add_column(name, overflow="fold", no_wrap=name != "finds")
    for r in rules:
        level = str(r.level)
        table.add_row(Text(r.code, "bold"), Text(r.name), Text(level, STYLES[level]), Text(r.summary))
    Console(highlight=False, emoji=False).print(table)
