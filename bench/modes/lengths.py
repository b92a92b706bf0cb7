"""Lengths that were never seen before: 200 different ones, each once, as a vocoder or a codec meets them.

A library that builds something for every new shape pays for it here. What it built it may keep, so that a process can
meet 200 new lengths once only: every repetition is a process of its own. The same lengths a second time are measured
too, under names that end in "(seen)".
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Sequence

import torch

from upweave.ops.problem import problem

from .. import case as cases
from .. import child, ours
from ..harness import Settings
from ..layers import Layer
from ..results import Outcome, Row
from ..stats import spread

LAYERS = {
    "hifigan_up0_lengths": ((512, 256, 16), 8, 4, range(50, 451)),
    "hifigan_up2_lengths": ((128, 64, 4), 2, 1, range(3200, 28801, 64)),
}
"""Weight, stride, padding and lengths of two layers of HiFi-GAN V1: the first, and the third at what it then gets."""

COUNT, BLOCK = 200, 20
CHECKED = 20
"""One of so many lengths is checked against fp64; the first always is."""


def measure(name: str, backend: ours.Backend, settings: Settings) -> Row:
    """The row of one layer: total ms over `COUNT` lengths; median and quartiles over `settings.rounds` processes."""
    weight, stride, padding, lengths = LAYERS[name]
    chosen = random.Random(0).sample(lengths, COUNT)
    own = ours.name(backend)
    totals: dict[str, list[float]] = {}
    errors: dict[str, float] = {}
    for _ in range(settings.rounds):
        found = child.call("bench.modes.lengths:one_process", {
            "weight": weight, "stride": stride, "padding": padding, "lengths": chosen,
            "spare": max(lengths) + 1, "backend": backend, "threads": settings.threads, "pause": settings.pause,
        })  # fmt: skip
        for key, ms in found["ms"].items():
            totals.setdefault(key, []).append(ms)
        errors.update(found["errors"])
    outcomes = []
    for key in sorted(totals, key=lambda k: (not k.startswith("upweave"), k)):
        s, error = spread(totals[key]), errors[key.removesuffix(" (seen)")]
        wrong = not error <= settings.tolerance
        outcomes.append(
            Outcome(key, "NCHW", True, "wrong", f"relative error {error:.1e}", error if error == error else None)
            if wrong
            else Outcome(key, "NCHW", True, "ok", "", error, s.median, s.q1, s.q3, COUNT, s.count)
        )
    mean = problem((1, weight[0], sum(chosen) // COUNT), weight, stride=stride, padding=padding)
    shapes = {"input": list(mean.input_shape), "weight": list(weight), "output": list(mean.output_shape)}
    work = [problem((1, weight[0], n), weight, stride=stride, padding=padding) for n in chosen]
    return Row(
        name, "audio", True, shapes, sum(p.multiplies for p in work), sum(Layer("", "", True, p).bytes for p in work),
        None, tuple(outcomes), {"lengths": COUNT, "shortest": min(chosen), "longest": max(chosen), "ours": own or ""},
    )  # fmt: skip


def one_process(
    weight: Sequence[int],
    stride: int,
    padding: int,
    lengths: Sequence[int],
    spare: int,
    backend: ours.Backend,
    threads: int,
    pause: float,
) -> dict[str, dict[str, float]]:
    """Total ms and largest relative error of each contender, on lengths that this process did not see before.

    Blocks of lengths take turns between the contenders; one length that is not counted (`spare`) starts the threads
    and packs the weight. So is the garbage collection that the imports made due, of some 80 ms, which would otherwise
    meet one of the contenders by chance.
    """
    torch.set_num_threads(threads)
    runs: dict[str, Callable[[cases.Case], torch.Tensor]] = {"torch": cases.aten}
    own = ours.name(backend)
    if own is not None:
        runs = {own: lambda c: ours.run(c, backend), **runs}
    made = cases.make(problem((1, weight[0], max(*lengths, spare)), weight, stride=stride, padding=padding))

    def at(length: int) -> cases.Case:
        shape = (1, weight[0], length)
        return cases.Case(
            problem(shape, weight, stride=stride, padding=padding),
            made.x[:, :, :length].contiguous(), made.weight, made.bias,
        )  # fmt: skip

    inputs = [at(n) for n in lengths]
    first, order = at(spare), random.Random(1)
    ms: dict[str, float] = {}
    errors = dict.fromkeys(runs, 0.0)
    with torch.no_grad():
        for run in runs.values():
            run(first)
        gc.collect()
        for suffix in ("", " (seen)"):
            for begin in range(0, len(inputs), BLOCK):
                for name in order.sample(list(runs), len(runs)):
                    time.sleep(pause)
                    runs[name](first)
                    spent = 0.0
                    for case in inputs[begin : begin + BLOCK]:
                        start = time.perf_counter()
                        y = runs[name](case)
                        del y
                        spent += time.perf_counter() - start
                    ms[name + suffix] = ms.get(name + suffix, 0.0) + 1e3 * spent
        for case in inputs[::CHECKED]:
            expected = (cases.exact(case),)
            for name, run in runs.items():
                error = cases.relative_error((run(case),), expected)
                errors[name] = errors[name] if error <= errors[name] else error  # a NaN stays
    return {"ms": ms, "errors": errors}
