"""`upweave design`: layers that turn one size into another, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .audit import emit
from .inputs import axes, integers

if TYPE_CHECKING:
    from ..shapes import Size
    from ..theory.design import Candidate


@click.command("design", short_help="Layers that turn one size into another, best first.")
@click.option(
    "--in", "sizes", required=True, metavar="SIZES", help="The size to start from: 4, or 4x4; without --out a chain."
)
@click.option("--out", "output", metavar="SIZE", help="The size to reach: 8, or 8x8.")
@click.option(
    "--max-kernel", type=click.IntRange(1, 64), default=16, show_default=True, help="The largest kernel to try."
)
@click.option("--stride", metavar="S", help="The strides to try, separated by commas; default: what the sizes suggest.")
@click.option("--dilation", metavar="D", default="1", show_default=True, help="The dilations to try.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=5, show_default=True, help="How many to list for each step."
)
@click.option("--format", "fmt", type=click.Choice(("text", "json")), default="text", show_default=True)
def command(
    sizes: str, output: str | None, max_kernel: int, stride: str | None, dilation: str, limit: int, fmt: str
) -> int:
    """List the transposed convolutions that take one size to another, and say why each ranks where it does.

    \b
    upweave design --in 4 --out 8
    upweave design --in 4x6 --out 8x13        one size an axis; commas do as well
    upweave design --in 4,8,16,32             a chain, step by step
    """
    if output is not None:
        chain = tuple(_one(axes(text, option)) for text, option in ((sizes, "--in"), (output, "--out")))
        if isinstance(chain[1], int) and not isinstance(chain[0], int):
            raise click.UsageError("--out names fewer axes than --in; a chain names all its sizes in --in")
    else:
        chain = tuple(_one(axes(step, "--in")) for step in sizes.split(","))
    if len(chain) < 2:
        raise click.UsageError("give --out, or a chain of at least two sizes in --in")
    strides = integers(stride, "--stride") if stride is not None else None
    dilations = integers(dilation, "--dilation")
    from ..theory.design import design_chain

    steps = design_chain(chain, max_kernel=max_kernel, dilation=dilations, stride=strides, limit=limit)
    emit(as_json(chain, steps) if fmt == "json" else as_text(chain, steps))
    return 0


def _one(size: tuple[int, ...]) -> Size:
    """The number alone where there is one axis: the layers are then written in numbers too."""
    return size[0] if len(size) == 1 else size


def as_text(chain: tuple[Size, ...], steps: tuple[tuple[Candidate, ...], ...]) -> str:
    """A numbered list for each step."""
    lines: list[str] = []
    for a, b, found in zip(chain, chain[1:], steps, strict=False):
        lines.append(f"{_shown(a)} → {_shown(b)}")
        lines += [f"  {n}. {candidate}" for n, candidate in enumerate(found, 1)]
    return "\n".join(lines) + "\n"


def _shown(size: Size) -> str:
    return str(size) if isinstance(size, int) else "×".join(map(str, size))


def as_json(chain: tuple[Size, ...], steps: tuple[tuple[Candidate, ...], ...]) -> str:
    """A list of steps: in, out, candidates (spec, coverage, shift, cost, reasons)."""
    import json

    from ..audit.plain import plain
    from ..audit.render.json import spec_to_dict

    out: list[dict[str, Any]] = [
        {
            "in": a,
            "out": b,
            "candidates": [
                {
                    "spec": spec_to_dict(c.spec),
                    "coverage": plain(c.coverage),
                    "alignment": c.alignment.kind,
                    "shift": plain(c.shift),
                    "cost": c.cost,
                    "reasons": list(c.reasons),
                }
                for c in found
            ],
        }
        for a, b, found in zip(chain, chain[1:], steps, strict=False)
    ]
    return json.dumps(out, indent=2, ensure_ascii=False) + "\n"
