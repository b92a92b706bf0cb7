"""The most memory a call takes above its output, measured in a process of its own.

Linux keeps the peak of a process's resident memory (VmHWM), and forgets it on request (5 into /proc/self/clear_refs).

    before ── call ──────────────── after        extra = peak − before − output − growth of file-backed pages
              output · packed weight · scratch

File-backed pages are code of libraries that is run for the first time: not the call's memory. malloc is told to return
what is freed at once, so that a block freed before the call cannot serve it unseen. The kernel counts pages for each
processor apart, in batches: what is read is right to about a quarter of a MiB a processor.
"""

from __future__ import annotations

import ctypes
import gc
import math
from collections.abc import Callable
from pathlib import Path

import torch

from upweave.ops import native
from upweave.ops.problem import problem

from .. import case as cases
from .. import child, layers, ours
from ..results import MemoryRow

ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": "0",
    "MALLOC_TOP_PAD_": "0",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_ARENA_MAX": "1",
}
"""Blocks of 64 KiB and more are mapped and unmapped one by one, and no thread keeps an arena."""

_MIB = float(1 << 20)


def measure(layer: layers.Layer, contender: str, backend: ours.Backend, threads: int) -> MemoryRow:
    """Memory of `contender` ("upweave" or "torch") on a layer, in a new process."""
    found = child.call(
        "bench.modes.memory:one_process",
        {"row": layer.name, "contender": contender, "backend": backend, "threads": threads},
        ENVIRONMENT,
    )
    output = 4 * math.prod(layer.problem.output_shape) / _MIB
    label = (ours.name(backend) or "") if contender == "upweave" else contender
    return MemoryRow(layer.name, label, layer.core, found["weight"], output, found["first"], found["later"], threads)


def one_process(row: str, contender: str, backend: ours.Backend, threads: int) -> dict[str, float]:
    """MiB that the first and a later call took above their output, and those of the weight, packed if it is."""
    layer = next(entry for entry in layers.load() if entry.name == row)
    torch.set_num_threads(threads)
    rank = layer.problem.rank
    tiny = cases.make(problem((1, 1, *(1,) * rank), (1, 1, *(1,) * rank)))
    case = cases.make(layer.problem)

    def call(case: cases.Case) -> torch.Tensor:
        return cases.aten(case) if contender == "torch" else ours.run(case, backend)

    with torch.no_grad():
        torch.mm(torch.ones(512, 512), torch.ones(512, 512))  # starts the threads, with their stacks
        call(tiny)  # loads the code
        first, later = extra(lambda: call(case)), extra(lambda: call(case))
    weight = case.weight.untyped_storage().nbytes()
    if contender == "upweave" and backend == "native":
        weight = native.pack(case.problem, "float32", False, case.weight.data_ptr(), threads).nbytes
    return {"first": first, "later": later, "weight": weight / _MIB}


def extra(call: Callable[[], torch.Tensor]) -> float:
    """MiB of resident memory that a call, which returns a tensor, took at its peak above that tensor.

    `RuntimeError` where the system cannot forget a peak: then there is nothing to measure by.
    """
    gc.collect()
    _trim()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        raise RuntimeError(f"the peak of resident memory cannot be reset: {error}") from error
    before = _status()
    y = call()
    after = _status()
    output = y.untyped_storage().nbytes()
    return (after["VmHWM"] - before["VmRSS"] - (after["RssFile"] - before["RssFile"]) - output) / _MIB


def _trim() -> None:
    """Give back what malloc keeps at the top of its heap (glibc; elsewhere there is nothing to call)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _status() -> dict[str, int]:
    """The sizes in /proc/self/status, in bytes."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in lines if words[-1] == "kB"}
