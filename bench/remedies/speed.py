"""How long the upsamplers take in inference, in PyTorch and as `upweave.accelerate` runs them.

A parametrisation, a penalty and a start leave nothing behind, so that remedies of one form take the same time.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

import upweave

from ..harness import Settings
from ..modes.models import turns
from ..stats import spread
from .remedy import REMEDIES

SHAPES = {"middle": (64, 64, 64), "output": (24, 1, 128)}
"""A layer between others and one that makes the picture: C_in, C_out, and the side of the input."""


def forms() -> list[str]:
    """What there is to time, in the order of the remedies."""
    return list(dict.fromkeys(r.form for r in REMEDIES.values()))


def measure(shape: str, threads: int, seconds: float) -> list[dict[str, Any]]:
    """Milliseconds of each form at one of `SHAPES`, medians of calls in turns, over about `seconds`.

    `accelerated_ms` is None where `upweave.accelerate` leaves the layer as it is. `RuntimeError` if it does not compute
    what the layer does.
    """
    torch.set_num_threads(threads)
    c_in, c_out, side = SHAPES[shape]
    x = torch.randn(1, c_in, side, side, generator=torch.Generator().manual_seed(0))
    ways: dict[tuple[str, str], nn.Module] = {}
    for form in forms():
        layer = nn.Sequential(bare(REMEDIES[form].make(c_in, c_out, "linear"))).eval().requires_grad_(False)
        ways[form, "torch"] = layer
        fast: Any = upweave.accelerate(layer, x, seconds=seconds / 10)
        if fast.report.chosen:
            off = float((fast(x) - layer(x)).norm() / layer(x).norm())
            if not off < 1e-5:
                raise RuntimeError(f"{form} accelerated is off by {off:.1e}")
            ways[form, "accelerated"] = fast
    with torch.no_grad():
        times = turns(
            {f"{form} {way}": partial(layer, x) for (form, way), layer in ways.items()},
            Settings(threads=threads, rounds=1000, budget=seconds),
        )
    ms = {key: spread(times[" ".join(key)]).median for key in ways}
    return [
        {
            "shape": shape, "form": form, "threads": threads, "torch_ms": ms[form, "torch"],
            "accelerated_ms": ms.get((form, "accelerated")), "calls": len(times[f"{form} torch"]),
        }
        for form in forms()
    ]  # fmt: skip


def bare(layer: nn.Module) -> nn.Module:
    """The layer without its parametrisations, their results baked in: what inference runs."""
    for name in ("weight", "bias"):
        if parametrize.is_parametrized(layer, name):
            parametrize.remove_parametrizations(layer, name)
    return layer
