"""Results that nobody measured, for tests of what is made from results. They go to temporary folders only."""

from __future__ import annotations

import random

from bench import layers
from bench.results import MemoryRow, Outcome, Row, Run

MACHINE = {
    "cpu": "No such CPU", "family_model_stepping": "0/0/0", "flags": ["avx2"], "caches": {"L1": "32K"}, "cores": 2,
    "affinity": [0, 1], "memory_gib": 1.0, "system": "Linux", "kernel": "0", "governor": None,
    "transparent_hugepage": "madvise", "python": "3.11", "load_before": 0.0, "load_after": 1.0, "commit": "0" * 40,
    "changed_since": False,
}  # fmt: skip


def outcome(name: str, ms: float, takes_nchw: bool = True, status: str = "ok", variant: str = "v") -> Outcome:
    return Outcome(name, variant, takes_nchw, status, "", 1e-7, ms, 0.9 * ms, 1.1 * ms, 9, 3)


def row(name: str, outcomes: list[Outcome], *, core: bool = True, family: str = "gan", floor: float = 0.5) -> Row:
    shapes = {"input": [1, 1, 1], "weight": [1, 1, 1], "output": [1, 1, 1]}
    return Row(name, family, core, shapes, 1, 12, floor, tuple(outcomes))


def run(rows: list[Row], mode: str = "forward", ours: str | None = "upweave", **more: object) -> Run:
    return Run(
        mode, ours, "2000-01-01T00:00:00+00:00", f"python -m bench {mode}", MACHINE, {"torch": "0", "jax": None},
        {"torch": "About. Fresh output: yes."}, {"threads": 2}, {"gflops": 100.0, "gb_s": 10.0}, tuple(rows), **more,
    )  # fmt: skip


def memory(ours: str | None = "upweave") -> Run:
    found = (
        MemoryRow("a", ours or "torch", True, 4.0, 1.0, 7.0, 1.5, 2),
        MemoryRow("a", "torch", True, 4, 1, 99, 9, 2),
    )
    return run([], "memory", ours, memory=found)


def every_core_row(seed: int = 0) -> Run:
    """A run of all core rows with random times, one peer that cannot run and one trial."""
    dice = random.Random(seed)
    rows = []
    for layer in layers.select(layers.load(), core=True):
        base = dice.uniform(0.2, 100)
        found = [
            outcome("upweave", base / dice.uniform(0.8, 12)),
            outcome("torch", base),
            outcome("torch_channels_last", base / dice.uniform(0.7, 4), takes_nchw=False),
            outcome("onnxruntime", base / dice.uniform(0.7, 3)),
            outcome("openvino", base / dice.uniform(0.7, 3), takes_nchw=False),
            outcome("jax", 20 * base, status="trial"),
        ]
        rows.append(row(layer.name, found, family=layer.family, floor=base / 20))
    return run(rows)
