"""Whole models: as PyTorch runs them, with channels-last weights and input, and accelerated; in turns.

Each model has a process of its own, as where it is deployed: what others ran before decides where allocators find room,
and whether a call that takes 15 ms in one process takes 25 in another.
"""

from __future__ import annotations

import copy
import fnmatch
import random
import time
from collections.abc import Callable
from dataclasses import asdict
from statistics import quantiles
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import upweave
from examples.cyclegan import cyclegan
from examples.dcgan import dcgan
from examples.hifigan import hifigan
from examples.resize_vae import resize_vae
from examples.unet import unet

from .. import child, results
from ..harness import Settings
from ..results import Outcome, Row

TOLERANCE = 1e-4
"""‖out − out of the original‖ relative to its norm: a deep model with random weights amplifies rounding."""


class NearestTail(nn.Module):
    """The upsampling end of ESRGAN's generator: nearest ×2 and a 3×3 convolution, twice; with `rest` the two
    convolutions behind them too. Source: X. Wang et al., ESRGAN, ECCV workshops 2018."""

    def __init__(self, width: int = 64, rest: bool = False) -> None:
        super().__init__()
        self.up1, self.up2 = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.act = nn.LeakyReLU(0.2, inplace=True)
        self.rest = (
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), self.act, nn.Conv2d(width, 3, 3, padding=1))
            if rest
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C or 3, 4·H, 4·W)."""
        x = self.act(self.up1(F.interpolate(x, scale_factor=2.0, mode="nearest")))
        y: Tensor = self.rest(self.act(self.up2(F.interpolate(x, scale_factor=2.0, mode="nearest"))))
        return y


class TinyDecoder(nn.Module):
    """The decoder of a tiny autoencoder for latents (TAESD): 64 channels, residual blocks of three 3×3 convolutions,
    nearest ×2 three times. Source: O. Boer Bohan, TAESD, 2023."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.head = nn.Conv2d(4, width, 3, padding=1)
        self.levels = nn.ModuleList(
            nn.ModuleList(_block(width) for _ in range(3 if level < 3 else 1)) for level in range(4)
        )
        self.ups = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(3))
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """(N, 4, H, W) → (N, 3, 8·H, 8·W)."""
        x = F.relu(self.head(torch.tanh(z / 3) * 3))
        for level, blocks in enumerate(self.levels):
            for block in blocks:  # type: ignore[attr-defined]
                x = F.relu(block(x) + x)
            if level < 3:
                x = self.ups[level](F.interpolate(x, scale_factor=2.0, mode="nearest"))
        y: Tensor = self.last(x)
        return y


def _block(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1),
    )  # fmt: skip


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "sd_vae_decoder": (resize_vae, (1, 4, 32, 32)),
    "taesd_decoder": (TinyDecoder, (1, 4, 64, 64)),
    "esrgan_upsamplers": (NearestTail, (1, 64, 128, 128)),
    "esrgan_tail": (lambda: NearestTail(rest=True), (1, 64, 64, 64)),
    "dcgan_b1": (dcgan, (1, 100, 1, 1)),
    "dcgan_b16": (dcgan, (16, 100, 1, 1)),
    "unet_k2s2": (unet, (1, 3, 512, 512)),
    "cyclegan": (cyclegan, (1, 3, 256, 256)),
    "hifigan_v1": (hifigan, (1, 80, 64)),
}
"""How each is built, and its input's shape."""


def select(pattern: str | None) -> list[str]:
    """The models whose name matches one of the comma-separated patterns; `RuntimeError` if none does."""
    wanted = (pattern or "*").split(",")
    found = [name for name in MODELS if any(fnmatch.fnmatchcase(name, p) for p in wanted)]
    if not found:
        raise RuntimeError(f"no model matches {pattern}; there are {', '.join(MODELS)}")
    return found


def measure(name: str, settings: Settings) -> Row:
    """One model's row."""
    wanted = {"name": name, "rounds": settings.rounds, "budget": settings.budget, "threads": settings.threads}
    return results.row(child.call("bench.modes.models:one_process", wanted))


def one_process(name: str, rounds: int, budget: float, threads: int) -> dict[str, Any]:
    """The fields of one model's row, measured here."""
    settings = Settings(threads=threads, rounds=rounds, budget=budget)
    torch.set_num_threads(threads)
    build, shape = MODELS[name]
    torch.manual_seed(0)
    model, x = build().eval(), torch.randn(shape)
    for p in model.parameters():
        p.requires_grad_(False)
    ways: dict[str, Callable[[], Tensor]] = {"torch": lambda: model(x)}
    if x.dim() == 4:
        last = copy.deepcopy(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x_last = x.contiguous(memory_format=torch.channels_last)
        ways["torch_channels_last"] = lambda: last(x_last)
    new = upweave.accelerate(model, x, seconds=settings.budget)
    ways["upweave"] = lambda: new(x)
    with torch.no_grad():
        want = model(x).double()
        errors = {way: float((f().double() - want).norm() / want.norm()) for way, f in ways.items()}
        with FlopCounterMode(display=False) as flops:
            model(x)
        times = turns(ways, settings)
    outcomes = tuple(_outcome(way, errors[way], times[way]) for way in ways)
    report: Any = new.report
    facts: dict[str, float | str] = {"layout": report.chosen or "as it was", "certified": str(report.certificate)}
    if report.share is not None:
        facts["share"] = report.share
    shapes = {"input": list(shape), "output": list(want.shape)}
    return asdict(Row(name, "model", True, shapes, flops.get_total_flops() // 2, 0, None, outcomes, facts))


def turns(ways: dict[str, Callable[[], Tensor]], settings: Settings) -> dict[str, list[float]]:
    """Milliseconds of each way, in rounds in which each runs once, in a new order; one untimed round before."""
    order = list(ways)
    times: dict[str, list[float]] = {way: [] for way in ways}
    end = time.perf_counter() + settings.budget
    for n in range(-1, 2 * settings.rounds):
        if n >= 3 and time.perf_counter() > end:
            break
        random.Random(n).shuffle(order)
        for way in order:
            start = time.perf_counter()
            ways[way]()
            if n >= 0:
                times[way].append(1e3 * (time.perf_counter() - start))
    return times


def _outcome(way: str, error: float, times: list[float]) -> Outcome:
    if not error <= TOLERANCE:
        return Outcome(way, "", True, "wrong", f"relative error {error:.1e}", error if error == error else None)
    q1, median, q3 = quantiles(times, n=4, method="inclusive")
    return Outcome(way, "", way != "torch_channels_last", "ok", "", error, median, q1, q3, len(times), len(times))


def line(row: Row) -> str:
    """A row in a line."""
    said = ", ".join(f"{o.name} {o.median_ms or 0:.4g} ms" for o in row.outcomes)
    return f"{row.name}: {said} ({row.facts['layout']})"
