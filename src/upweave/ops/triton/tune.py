"""The fastest of a few ways to run a problem on this GPU, measured once, cuDNN among them, and remembered.

    first call of a shape class   ATen, then each candidate of `choose`, timed until two seconds are over
    later calls                   the fastest of what was timed; what was not is tried in the next process
    never measured                while a CUDA graph is captured, in deterministic mode, in the interpreter, and with
                                  UPWEAVE_AUTOTUNE=0: then what `choose` expects is taken

Measurements are kept in memory and in one JSON file for each GPU and set of versions, in the user's cache folder
(platformdirs; UPWEAVE_CACHE names another). The file is replaced in one step; a broken one is ignored with a warning.
A shape class is everything but sizes, and sizes rounded up to powers of two, so that signals of many lengths share one.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import os
import re
import statistics
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ..problem import Problem
from ..torch import aten
from ..torch.layout import as_format, is_channels_last
from . import run
from .available import interpreted
from .choice import Choice, Direction
from .choose import candidates, choose, expected_of
from .tables import power

BUDGET = 2.0
"""Seconds that the first call of a shape class may take at most."""

COMPILE = 0.8
"""Seconds that a kernel is expected to take to compile as long as none has been."""

ATEN = "aten"
"""The name of PyTorch's own operator among the candidates."""

SCHEMA = 1


@dataclass
class Timings:
    """Milliseconds of each candidate by its blocks, why some failed, and whether all were tried."""

    ms: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    complete: bool = False

    def fastest(self, names: Sequence[str]) -> str | None:
        """The fastest of these that was timed."""
        timed = [n for n in names if n in self.ms]
        return min(timed, key=self.ms.__getitem__) if timed else None


_known: dict[str, dict[str, Timings]] = {}
"""Timings by machine and shape class: what this process measured or read from its files."""
_tried: set[tuple[str, str]] = set()
"""(machine, shape class) that this process has measured: a second call measures nothing more."""
_lock = threading.Lock()


def best(p: Problem, direction: Direction, *operands: torch.Tensor | None) -> Choice | None:
    """The choice for backend "auto", None for ATen: measured where that is allowed, else as expected."""
    x = _first(operands)
    timings = _timings(p, direction, operands)
    if timings is not None and ATEN in timings.ms:
        options = _options(p, direction, _dtype(x), is_channels_last(x), run.tf32())
        name = timings.fastest((ATEN, *options))
        return None if name is None else options.get(name)
    return run.default(p, direction, x) if expected_of(p, _dtype(x), run.tf32()) else None


def best_kernel(p: Problem, direction: Direction, *operands: torch.Tensor | None) -> Choice:
    """The choice for backend "triton": the fastest kernel that was measured, else as expected."""
    x = _first(operands)
    timings = _timings(p, direction, operands)
    if timings is not None:
        options = _options(p, direction, _dtype(x), is_channels_last(x), run.tf32())
        name = timings.fastest(tuple(options))
        if name is not None:
            return options[name]
    return run.default(p, direction, x)


def allowed(x: torch.Tensor) -> bool:
    """True where a call may measure."""
    return (
        x.is_cuda
        and not interpreted()
        and os.environ.get("UPWEAVE_AUTOTUNE", "1") != "0"
        and not torch.are_deterministic_algorithms_enabled()
        and not torch.cuda.is_current_stream_capturing()
    )


def measure(
    names: Sequence[str],
    prepare: Callable[[str], Callable[[], float]],
    timings: Timings,
    clock: Callable[[], float] = time.perf_counter,
    budget: float = BUDGET,
) -> None:
    """Time what `timings` does not know, in this order, as long as the budget lasts.

    `prepare(name)` makes a candidate ready (it compiles) and returns what times one call, in milliseconds. A candidate
    is begun only if it would be ready in time if it took as long as the slowest before it.
    """
    start = clock()
    slowest = COMPILE
    for i, name in enumerate(names):
        if name in timings.ms or name in timings.failed:
            continue
        if i > 0 and clock() - start + slowest > budget:
            return
        begun = clock()
        try:
            once = prepare(name)
            samples = [once()]
            while len(samples) < 7 and clock() - begun < 0.05 + slowest and clock() - start < budget:
                samples.append(once())
            timings.ms[name] = statistics.median(samples)
        except Exception as error:  # whatever a compiler or a driver raises: the candidate is out, and says why
            timings.failed[name] = f"{type(error).__name__}: {error}"[:300]
        if name != ATEN:
            slowest = max(0.3, clock() - begun)
    timings.complete = True


def _first(operands: tuple[torch.Tensor | None, ...]) -> torch.Tensor:
    x = operands[0]
    assert x is not None
    return x


@lru_cache(maxsize=4096)
def _options(p: Problem, direction: Direction, dtype: str, last: bool, tf32: bool) -> dict[str, Choice]:
    """The candidates by their blocks, the one that is expected to be best first."""
    first = choose(p, direction, dtype=dtype, channels_last=last, tf32=tf32)
    found = (first, *candidates(p, direction, dtype=dtype, channels_last=last, tf32=tf32))
    return {c.blocks: c for c in found}


def _timings(p: Problem, direction: Direction, operands: tuple[torch.Tensor | None, ...]) -> Timings | None:
    """What is known of the shape class, measured now if it may be; None if nothing is known and nothing may be."""
    x = _first(operands)
    if not x.is_cuda or interpreted() or torch.are_deterministic_algorithms_enabled():
        return None
    machine, shape = machine_key(x.get_device()), shape_class(p, direction, x)
    known = _known.get(machine, {}).get(shape)
    if known is not None and (known.complete or (machine, shape) in _tried):
        return known
    with _lock:
        if machine not in _known:
            _known[machine] = load(file(machine))
        known = _known[machine].get(shape)
        if (known is not None and known.complete) or (machine, shape) in _tried or not allowed(x):
            return known
        _tried.add((machine, shape))
        timings = known or Timings()
        options = _options(p, direction, _dtype(x), is_channels_last(x), run.tf32())
        with torch.no_grad():
            measure([ATEN, *options], _preparer(p, direction, operands, options), timings)
        _known[machine][shape] = timings
        save(file(machine), machine, shape, timings)
    return timings


def _preparer(
    p: Problem, direction: Direction, operands: tuple[torch.Tensor | None, ...], options: dict[str, Choice]
) -> Callable[[str], Callable[[], float]]:
    def prepare(name: str) -> Callable[[], float]:
        call = _call(p, direction, operands, options.get(name))
        call()  # compiles it
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

        def once() -> float:
            start.record()
            for _ in range(3):
                call()
            end.record()
            end.synchronize()
            return float(start.elapsed_time(end)) / 3

        once()
        return once

    return prepare


def _call(
    p: Problem, direction: Direction, operands: tuple[torch.Tensor | None, ...], choice: Choice | None
) -> Callable[[], object]:
    """One run of a candidate, ATen for None, whose result is dropped."""
    first, second = operands[0], operands[1]
    assert first is not None
    assert second is not None
    numbers = (p.stride, p.padding, p.output_padding, p.groups, p.dilation)
    last = is_channels_last(first)
    if direction == "forward":
        bias = operands[2]
        if choice is None:
            return lambda: as_format(aten.forward(first, second, bias, *numbers), last)
        return lambda: run.forward(first, second, bias, p, choice=choice)
    if direction == "grad_input":
        if choice is None:
            return lambda: as_format(aten.grad_input(first, second, p.size, *numbers), last)
        return lambda: run.grad_input(first, second, p, choice)
    if choice is None:
        return lambda: aten.grad_weight(first, second, p.kernel, *numbers)
    return lambda: run.grad_weight(first, second, p, choice)


@lru_cache(maxsize=64)
def machine_key(index: int) -> str:
    """The GPU, and every version that a measurement depends on."""
    name, capability = torch.cuda.get_device_name(index), torch.cuda.get_device_capability(index)
    return key_of(name, capability, torch.__version__, importlib.metadata.version("triton"))


def key_of(name: str, capability: tuple[int, int], torch_version: str, triton_version: str) -> str:
    """The same of its parts."""
    from ... import __version__

    versions = f"torch {torch_version}, triton {triton_version}, upweave {__version__}"
    return f"{name}, {capability[0]}.{capability[1]}, {versions}"


def shape_class(p: Problem, direction: Direction, x: torch.Tensor) -> str:
    """Everything that tells two problems apart but their sizes, and the sizes to the next power of two."""
    return _shape_class(p, direction, _dtype(x), is_channels_last(x), run.tf32())


@lru_cache(maxsize=4096)
def _shape_class(p: Problem, direction: Direction, dtype: str, last: bool, tf32: bool) -> str:
    algorithm = choose(p, direction, dtype=dtype, channels_last=last, tf32=tf32).algorithm
    numbers = [p.c_in, p.c_out, p.groups, p.kernel, p.stride, p.padding, p.dilation]
    sizes = power(max(1, p.batch * math.prod(p.size))), power(p.size[-1])
    layout, precision = "last" if last else "first", "tf32" if dtype == "float32" and tf32 else dtype
    return f"{direction} {algorithm} {' '.join(map(str, numbers))} {sizes} {precision} {layout}".replace(", ", ",")


def _dtype(x: torch.Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


def folder() -> Path | None:
    """Where the files are: UPWEAVE_CACHE, else the user's cache folder, None if neither can be found out."""
    if named := os.environ.get("UPWEAVE_CACHE"):
        return Path(named)
    try:
        import platformdirs
    except ImportError:
        return None
    return Path(platformdirs.user_cache_dir("upweave", appauthor=False))


def file(machine: str) -> Path | None:
    """The file of a machine."""
    where = folder()
    if where is None:
        return None
    short = re.sub(r"[^a-z0-9]+", "-", machine.split(",")[0].lower()).strip("-")
    return where / "triton" / f"{short}-{hashlib.sha256(machine.encode()).hexdigest()[:12]}.json"


def load(path: Path | None) -> dict[str, Timings]:
    """The timings of a file by shape class; a file that cannot be read as such is ignored with a warning."""
    if path is None or not path.exists():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            return {}
        return {shape: _checked(entry) for shape, entry in data["shapes"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        warnings.warn(f"{path} is ignored, it holds no timings: {type(error).__name__}: {error}", stacklevel=2)
        return {}


def _checked(entry: Any) -> Timings:
    ms = {str(name): float(value) for name, value in entry["ms"].items()}
    if not all(math.isfinite(v) and v >= 0 for v in ms.values()):
        raise ValueError("a time is not a number of milliseconds")
    failed = {str(name): str(why) for name, why in entry["failed"].items()}
    return Timings(ms, failed, bool(entry["complete"]))


def save(path: Path | None, machine: str, shape: str, timings: Timings) -> None:
    """Add a shape class to a file, which is whole at every moment; what cannot be written is a warning."""
    if path is None:
        return
    try:
        shapes = {**load(path), shape: timings}
        data = {
            "schema": SCHEMA,
            "machine": machine,
            "shapes": {s: {"ms": t.ms, "failed": t.failed, "complete": t.complete} for s, t in shapes.items()},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                json.dump(data, out, indent=1)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        warnings.warn(f"timings are not kept: {error}", stacklevel=2)
