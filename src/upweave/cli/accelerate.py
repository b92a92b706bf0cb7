"""`upweave accelerate`: the same model, faster."""

from __future__ import annotations

from typing import Any

import click

from .rewriting import names_of, perform, shared_options

TARGETS = ("onnxruntime", "openvino", "tensorrt", "generic")


@click.command("accelerate", short_help="Rewrite a model so that it computes the same, faster.")
@shared_options
@click.option("--select", multiple=True, metavar="NAMES", help="Only these rewrites.")
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    default="onnxruntime",
    show_default=True,
    help="The runtime that it has to be faster on.",
)
@click.option("--no-measure", is_flag=True, help="Trust the estimates; do not time both models on the target.")
def command(select: tuple[str, ...], ignore: tuple[str, ...], target: str, no_measure: bool, **options: Any) -> int:
    """Rewrite MODEL.onnx: the same outputs, up to rounding, in less time.

    \b
    upweave accelerate decoder.onnx -o faster.onnx
    upweave accelerate decoder.onnx -o faster.onnx --target openvino --report faster.html

    Rewrites are exact identities, applied where they pay on the target. Old and new model are compared on random inputs
    (and yours, with --inputs), and timed where the target is installed; a rewrite that differs or does not pay is
    dropped.

    Exits with 0, with 1 if a rewrite had to be dropped because its outputs differed, with 2 if something is wrong with
    the input.
    """
    from ..rewrite.identity import all_identities, choose

    chosen = names_of(select)
    names = choose(chosen, names_of(ignore) or (), purposes=("speed",))
    known = all_identities()
    for name in names:
        if known[name].safety != "safe":
            raise click.UsageError(f"{name} changes outputs; upweave fix --unsafe applies it")
    report = perform(names=names, target=target, measure=not no_measure, **options)
    return int(any("certificate failed" in w for w in report.warnings))
