"""The ways to double a picture, one layer each: the times in docs/howto/choose.md.

python -m bench.upsamplers [CHANNELS SIZE …]

Different functions of one size, so that there is no common output to check; what each computes is tested elsewhere.
"""

from __future__ import annotations

import copy
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

import upweave

Ways = dict[str, Callable[[Tensor], Tensor]]
THREADS = 2
ROUNDS = 9
PAUSE = 0.05
"""Seconds before each burst: another library's threads spin for a while after its call."""


def layers(channels: int) -> dict[str, nn.Module]:
    """Each way to go from `channels` × H × W to `channels` × 2H × 2W, as one would write it in PyTorch."""
    c = channels
    return {
        "k2 s2": nn.ConvTranspose2d(c, c, 2, stride=2),
        "k3 s2 p1 o1": nn.ConvTranspose2d(c, c, 3, stride=2, padding=1, output_padding=1),
        "k4 s2 p1": nn.ConvTranspose2d(c, c, 4, stride=2, padding=1),
        "conv 3, pixel shuffle": nn.Sequential(nn.Conv2d(c, 4 * c, 3, padding=1), nn.PixelShuffle(2)),
        "nearest, conv 3": upweave.nn.ResizeConv2d(c, c, 3, stride=2, mode="nearest"),
        "linear, conv 3": upweave.nn.ResizeConv2d(c, c, 3, stride=2, mode="linear"),
    }


def ways(layer: nn.Module) -> Ways:
    """The layer as PyTorch runs it, with channels last, and by Upweave where that is another way."""
    found: Ways = {"torch": layer, "channels-last": layer}
    if isinstance(layer, nn.ConvTranspose2d):
        found["upweave"] = upweave.replace_layers(nn.Sequential(copy.deepcopy(layer)))
    elif isinstance(layer, upweave.nn.ResizeConv2d) and layer.mode == "nearest":
        found["upweave"] = layer.folded()
    return found


@torch.no_grad()
def measure(channels: int, size: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of each way of each layer, all in turns, in a new order for each round."""
    torch.manual_seed(0)
    x = torch.randn(1, channels, size, size)
    last = x.contiguous(memory_format=torch.channels_last)
    tasks: list[tuple[str, str, Callable[[Tensor], Tensor], Tensor]] = []
    for name, layer in layers(channels).items():
        for way, call in ways(layer).items():
            if way == "channels-last":
                other = layers(channels)[name].to(memory_format=torch.channels_last)  # type: ignore[call-overload]
                tasks.append((name, way, other, last))
            else:
                tasks.append((name, way, call, x))
    samples: dict[tuple[str, str], list[float]] = {(n, w): [] for n, w, _, _ in tasks}
    order = random.Random(0)
    for _ in range(ROUNDS):
        for name, way, call, given in order.sample(tasks, len(tasks)):
            time.sleep(PAUSE)
            call(given)
            for _ in range(5):
                start = time.perf_counter()
                call(given)
                samples[name, way].append(1e3 * (time.perf_counter() - start))
    out: dict[str, dict[str, float]] = {}
    for (name, way), times in samples.items():
        out.setdefault(name, {})[way] = statistics.median(times)
    return out


def table(channels: int, size: int, found: dict[str, dict[str, float]]) -> str:
    """The Markdown table of one size."""
    columns = ("torch", "channels-last", "upweave")
    rows = [f"| {channels}→{channels}, {size}² | {' | '.join(columns)} |", "|---|---:|---:|---:|"]
    for name, times in found.items():
        cells = [f"{times[c]:.3g}" if c in times else "—" for c in columns]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def main(arguments: Sequence[str]) -> None:
    """Print a table for each pair of numbers."""
    torch.set_num_threads(THREADS)
    numbers = [int(a) for a in arguments] or [64, 128, 256, 32]
    for channels, size in zip(numbers[::2], numbers[1::2], strict=True):
        print(table(channels, size, measure(channels, size)), flush=True)
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
