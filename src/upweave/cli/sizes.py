"""`upweave sizes`: which input sizes survive the round trip through a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .audit import emit, read_target, target_options

if TYPE_CHECKING:
    from ..graph.load import Device
    from ..graph.sizes import ValidSizes


@click.command("sizes", short_help="The input sizes that a model maps to the output it promises.")
@target_options
@click.option("--format", "fmt", type=click.Choice(("text", "json")), default="text", show_default=True)
def command(
    target: str, inputs: tuple[str, ...], args: tuple[str, ...], device: Device, traceback: bool, fmt: str
) -> int:
    """List, for every spatial axis of every input of TARGET, the sizes that come out as they should."""
    graph, _ = read_target(target, inputs, args, device, traceback)
    from ..graph.infer import infer
    from ..graph.sizes import sizes_of

    found = sizes_of(infer(graph))
    emit(as_json(found, target) if fmt == "json" else as_text(found))
    return 0


def as_text(found: ValidSizes) -> str:
    """A few lines an axis: the rule, the first sizes that obey it, and what goes wrong between them."""
    lines: list[str] = []
    for a in found.axes:
        lines.append(f"{a.input}[{a.dim}]  {a}")
        first = a.sizes(max(a.least, a.size) + 4 * a.period)[:8]
        if first and not a.is_free:
            lines.append(f"    valid: {', '.join(map(str, first))} …")
        if a.failure:
            lines.append(f"    {a.failure}")
    lines += [f"unknown: {u}" for u in found.unknown]
    return "\n".join(lines or ["no input of this model has a spatial axis"]) + "\n"


def as_json(found: ValidSizes, target: str) -> str:
    """The same as JSON: axes (input, dim, size, period, residues, least, failure) and unknown."""
    import json

    axes: list[dict[str, Any]] = [
        {
            "input": a.input,
            "dim": a.dim,
            "size": a.size,
            "period": a.period,
            "residues": list(a.residues),
            "least": a.least,
            "failure": a.failure,
            "text": str(a),
        }
        for a in found.axes
    ]
    return (
        json.dumps({"target": target, "axes": axes, "unknown": list(found.unknown)}, indent=2, ensure_ascii=False)
        + "\n"
    )
