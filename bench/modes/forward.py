"""Inference: one call with a frozen weight, its output in fresh memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .. import case as cases
from .. import layers, ours
from ..contender import CannotRun, Contender, Peer
from ..harness import Settings, compare
from ..layers import Layer
from ..results import Outcome, Row
from ..roofline import Roofline


def measure(
    layer: Layer,
    peers: Sequence[Peer],
    backend: ours.Backend,
    settings: Settings,
    roofline: Roofline | None,
    *,
    channels_last: bool = False,
) -> Row:
    """The row of one layer: Upweave by `backend` and every peer, each checked against fp64 before it is timed."""
    case = cases.make(layer.problem)
    expected = (cases.exact(case),)
    contenders: list[Contender] = ours.contenders(case, backend, channels_last=channels_last)
    untimed: list[Outcome] = []
    for peer in peers:
        found, refusal = _ask(peer, case, settings.threads)
        contenders += found
        untimed += refusal
    keep = ["torch", *(c.name for c in contenders if c.name.startswith("upweave"))]
    outcomes = compare(contenders, expected, settings, keep)
    return row(layer, (*outcomes, *untimed), None if roofline is None else roofline.floor_ms(layer))


def _ask(peer: Peer, case: cases.Case, threads: int) -> tuple[list[Contender], list[Outcome]]:
    """The contenders of a peer, or the outcome that says why there are none."""
    if peer.version is None:
        return [], [Outcome(peer.name, "", False, "cannot", f"{peer.package} is not installed")]
    try:
        return peer.contenders(case, threads), []
    except CannotRun as reason:
        return [], [Outcome(peer.name, "", False, "cannot", str(reason))]


def row(layer: Layer, outcomes: Sequence[Outcome], floor_ms: float | None) -> Row:
    """A row of results for a layer."""
    p = layer.problem
    shapes = {"input": list(p.input_shape), "weight": list(p.weight_shape), "output": list(p.output_shape)}
    return Row(layer.name, layer.family, layer.core, shapes, p.multiplies, layer.bytes, floor_ms, tuple(outcomes))


def refloored(rows: Sequence[Row], roofline: Roofline) -> list[Row]:
    """The rows with floors by other ceilings: by those that all measurements of the run came to."""
    by_name = {layer.name: layer for layer in layers.load()}
    return [replace(row, floor_ms=roofline.floor_ms(by_name[row.name])) for row in rows]
