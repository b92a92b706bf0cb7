"""What a call costs besides the work: problems of one multiplication, against PyTorch's own operator."""

from __future__ import annotations

from dataclasses import replace

from upweave.ops.problem import problem

from .. import ours
from ..harness import Settings
from ..layers import Layer
from ..peers import by_name
from ..results import Row
from . import forward

LAYERS = tuple(
    Layer(f"one_multiply_{rank}d", "overhead", True, problem((1, 1, *(1,) * rank), (1, 1, *(1,) * rank)))
    for rank in (1, 2, 3)
)


def measure(layer: Layer, backend: ours.Backend, settings: Settings) -> Row:
    """The row of one layer: Upweave and torch, under no_grad, in bursts of many calls."""
    settings = replace(settings, least_calls=1000, rounds=max(settings.rounds, 9))
    return forward.measure(layer, by_name("torch"), backend, settings, None)
