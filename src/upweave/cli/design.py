"""`upweave design`: layers that turn one size into another, best first."""

from __future__ import annotations

import click

@click.command("design", short_help="Layers that turn one size into another, best first.")
def command() -> int:
    """List (k, s, p, o, d)."""
    return 0
