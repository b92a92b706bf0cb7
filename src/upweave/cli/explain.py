"""`upweave explain`: the manual of one rule."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..audit.rule import Rule


@click.command("explain", short_help="The manual of one rule.")
@click.argument("rule")
def command(rule: str) -> int:
    """Print the manual of RULE: a code (UW101) or a name (uneven-coverage)."""
    from .audit import emit

    found = find(rule)
    if not sys.stdout.isatty():
        from ..audit.render.docs import markdown_of

        emit(markdown_of(found))
        return 0
    from rich.console import Console
    from rich.markdown import Markdown

    from ..audit.render.docs import markdown_of

    Console().print(Markdown(markdown_of(found)), width=100)
    return 0


def find(text: str) -> type[Rule]:
    """The rule of that code or name; raises `ConfigError`, naming the nearest ones."""
    from ..audit.rule import all_rules

    rules = all_rules()
    names = {r.name: r for r in rules.values()}
    if found := rules.get(text.upper()) or names.get(text.lower()):
        return found
    near = difflib.get_close_matches(text.lower(), [*names, *(c.lower() for c in rules)], n=2)
    hint = f"; did you mean {' or '.join(n.upper() if n.upper() in rules else n for n in near)}?" if near else ""
    raise ConfigError(f"no rule is called '{text}'{hint or '; upweave rules lists them'}")
