"""`upweave fix`: the model with its flaws repaired."""

from __future__ import annotations

from typing import Any

import click

from ..errors import ConfigError
from .rewriting import names_of, perform, shared_options


@click.command("fix", short_help="Rewrite a model so that its flaws are repaired.")
@shared_options
@click.option(
    "--select",
    multiple=True,
    metavar="NAMES",
    help="These repairs: names (equal-phase-gain), or codes of the audit (UW401). Default: those that run everywhere.",
)
@click.option("--unsafe", is_flag=True, help="Allow repairs that change outputs, where --select names them.")
def command(select: tuple[str, ...], ignore: tuple[str, ...], unsafe: bool, **options: Any) -> int:
    """Repair MODEL.onnx.

    \b
    upweave fix generator.onnx -o portable.onnx
    upweave fix generator.onnx -o even.onnx --select equal-phase-gain --unsafe

    Without --select: paddings are written out and output padding becomes zero taps, both of which keep the outputs.
    Repairs that change outputs need their name and --unsafe, and the report says what they changed.

    Exits with 0, with 1 if a selected repair could not be made somewhere, with 2 if something is wrong with the input.
    """
    from ..rewrite.identity import all_identities, choose

    names = choose(names_of(select), names_of(ignore) or (), purposes=("portability",))
    known = all_identities()
    changing = [n for n in names if known[n].safety != "safe"]
    if changing and not unsafe:
        raise ConfigError(f"{', '.join(changing)} changes outputs; pass --unsafe to allow it")
    report = perform(names=names, target="generic", measure=False, **options)
    return int(bool(report.refused) or any("certificate failed" in w for w in report.warnings))
