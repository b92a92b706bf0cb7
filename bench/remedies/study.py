"""The cells of the study: one for each seed, task and remedy, written as soon as it is done.

A run goes on from what its file has. Remedies of one task and seed see the same patches, and start from the same
numbers wherever they have the same layers, so that they can be compared seed by seed.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

import upweave

from .. import machine, results
from . import measure, photographs, training
from .networks import NETWORKS, TaskName, upsamplers
from .remedy import REMEDIES

SCHEMA = 1
FILE = "remedies.json"
PACKAGES = ("numpy", "scikit-image", "scikit-learn")

TASKS: tuple[TaskName, ...] = tuple(NETWORKS)


@dataclass(frozen=True)
class Settings:
    """What all cells of a file share.

    Attributes:
        steps, batch, patch: of the training, by task: how many steps, patches a step, and samples of a patch's side.
        side: of the held-out photographs, at most.
        samples: of the generator, when it is measured.
        watched: after which parts of the steps a network is measured, beside the start and the end.
    """

    steps: dict[str, int] = field(
        default_factory=lambda: {"super-resolution": 1800, "autoencoder": 900, "generator": 450}
    )
    batch: dict[str, int] = field(default_factory=lambda: {"super-resolution": 4, "autoencoder": 4, "generator": 8})
    patch: dict[str, int] = field(default_factory=lambda: {"super-resolution": 32, "autoencoder": 64, "generator": 64})
    side: int = 384
    samples: int = measure.SAMPLES
    watched: tuple[float, ...] = (1 / 16, 1 / 4)

    def at(self, task: TaskName) -> list[int]:
        """The numbers of steps after which a network is measured."""
        steps = self.steps[task]
        return sorted({0, *(round(part * steps) for part in self.watched), steps})


def quick() -> Settings:
    """A look, of a minute: too short for conclusions."""
    return Settings({"super-resolution": 60, "autoencoder": 40, "generator": 15}, side=256, samples=4, watched=())


@dataclass(frozen=True)
class Cell:
    """One network, trained once.

    Attributes:
        task, remedy, seed: which.
        parameters: of all its upsamplers together.
        states: `measure.state` by the number of steps done.
        quality: `measure.quality` at the end; empty for the generator.
        shares: `measure.shares` at the end.
        seconds: processor time, of training and measuring.
    """

    task: str
    remedy: str
    seed: int
    parameters: int
    states: dict[int, measure.Numbers]
    quality: measure.Numbers
    shares: dict[str, float]
    seconds: float

    @property
    def start(self) -> measure.Numbers:
        """Before the first step."""
        return self.states[min(self.states)]

    @property
    def end(self) -> measure.Numbers:
        """After the last."""
        return self.states[max(self.states)]


@dataclass(frozen=True)
class Study:
    """What a file holds; `references` are what the photographs themselves and an interpolation have."""

    settings: Settings
    cells: tuple[Cell, ...] = ()
    references: dict[str, measure.Numbers] = field(default_factory=dict)
    speed: tuple[dict[str, Any], ...] = ()
    commands: tuple[str, ...] = ()
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str | None] = field(default_factory=dict)
    date: str = ""

    def of(self, task: str, remedy: str) -> dict[int, Cell]:
        """The cells of one task and remedy, by seed."""
        return {c.seed: c for c in self.cells if (c.task, c.remedy) == (task, remedy)}

    def without(self, tasks: Sequence[str], remedies: Sequence[str]) -> Study:
        """The study without the cells of these tasks and remedies."""
        return replace(self, cells=tuple(c for c in self.cells if c.task not in tasks or c.remedy not in remedies))

    def with_cell(self, cell: Cell) -> Study:
        """The study and one cell more, in the order of task, remedy and seed."""
        names = list(REMEDIES)
        cells = [*self.cells, cell]
        cells.sort(key=lambda c: (TASKS.index(c.task), names.index(c.remedy), c.seed))
        return replace(self, cells=tuple(cells))


def run(
    path: Path,
    settings: Settings,
    tasks: Sequence[TaskName],
    remedies: Sequence[str],
    seeds: int,
    command: str,
    say: Callable[[str], None],
    anew: bool = False,
) -> Study:
    """All cells that the file at `path` lacks, seed by seed, each kept at once; the study as it is then.

    With `anew` its cells of these tasks and remedies are forgotten first, of all seeds, so that none is of other code.
    `ValueError` if the file holds cells of other settings.
    """
    study = begin(path, settings, command)
    study = study.without(tasks, remedies) if anew else study
    known = {(c.task, c.remedy, c.seed) for c in study.cells}
    todo = [(s, t, r) for s in range(seeds) for t in tasks for r in remedies if (t, r, s) not in known]
    if not todo:
        return study
    pictures, held = photographs.training(), photographs.held_out(settings.side)
    if not study.references:
        study = replace(study, references=_references(held))
    for seed, task, remedy in todo:
        cell = one(task, remedy, seed, settings, pictures, held)
        study = study.with_cell(cell)
        save(study, path)
        say(line(cell))
    return study


def one(
    task: TaskName,
    remedy: str,
    seed: int,
    settings: Settings,
    pictures: dict[str, photographs.Picture],
    held: dict[str, torch.Tensor],
) -> Cell:
    """Train and measure one network."""
    began = time.process_time()
    how = REMEDIES[remedy]
    network = NETWORKS[task](how, seed)
    patches = photographs.Patches(pictures, settings.patch[task], seed)
    states: dict[int, measure.Numbers] = {}

    def watch(done: int) -> None:
        states[done] = measure.state(task, network, held, settings.samples)

    training.train(
        task, network, how, patches, settings.steps[task], settings.batch[task], seed, settings.at(task), watch
    )
    network.eval()
    with torch.no_grad():
        quality = {} if task == "generator" else measure.quality(measure.outputs(task, network, held), held)
        shares = measure.shares(task, network, held)
    parameters = sum(p.numel() for layer in upsamplers(network) for p in layer.parameters())
    return Cell(task, remedy, seed, parameters, states, quality, shares, round(time.process_time() - began, 2))


def line(cell: Cell) -> str:
    """A cell in a line."""
    start, end = (measure.decibels(s["pattern"]) for s in (cell.start, cell.end))
    said = "".join(f", {cell.quality[k]:.4g} {k.upper()}" for k in measure.QUALITY if k in cell.quality)
    return (
        f"seed {cell.seed} {cell.task:16} {cell.remedy:13} pattern {start:6.1f} → {end:6.1f} dB, flat "
        f"{cell.start['flat']:5.1f} → {cell.end['flat']:.2f}{said} ({cell.seconds:.0f} s)"
    )


def begin(path: Path, settings: Settings, command: str) -> Study:
    """The study to go on with: that of the file, or a new one."""
    study = load(path) if path.exists() else Study(settings)
    if study.cells and study.settings != settings:
        raise ValueError(f"{path} holds cells of other settings; choose another --name, or start anew with --force")
    commands = tuple(dict.fromkeys([*study.commands, command]))
    versions = {"upweave": upweave.__version__, "torch": torch.__version__} | {p: _version(p) for p in PACKAGES}
    return replace(
        study, settings=settings, commands=commands, machine=machine.describe(), versions=versions, date=machine.now()
    )


def save(study: Study, path: Path) -> None:
    """Write the study; the file is whole, whatever happens in between."""
    data = {"schema": SCHEMA, "mode": "remedies", **_rounded(asdict(study))}
    results.write(path, json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def load(path: Path) -> Study:
    """The study of a file; `ValueError` for another schema, or another mode's results."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if (data.pop("mode", None), data.pop("schema", None)) != ("remedies", SCHEMA):
        raise ValueError(f"{path} holds no results of remedies of schema {SCHEMA}; measure again")
    if unknown := sorted(set(data) - {f.name for f in fields(Study)}):
        raise ValueError(f"{path} has unknown fields {', '.join(unknown)}")
    data["settings"] = Settings(**{**data["settings"], "watched": tuple(data["settings"]["watched"])})
    data["cells"] = tuple(Cell(**{**c, "states": {int(n): s for n, s in c["states"].items()}}) for c in data["cells"])
    return Study(**{**data, "speed": tuple(data["speed"]), "commands": tuple(data["commands"])})


def _references(held: dict[str, torch.Tensor]) -> dict[str, measure.Numbers]:
    """The photographs' own patterns, for both periods, and bicubic interpolation as a super-resolution."""
    pictures = list(held.values())
    enlarged = [F.interpolate(training.low(x), scale_factor=2.0, mode="bicubic") for x in pictures]
    return {
        "photographs, period 2": measure.patterns(pictures, 2),
        "photographs, period 8": measure.patterns(pictures, 8),
        "photographs": {"contrast": statistics.fmean(float(x.std()) for x in pictures)},
        "bicubic": measure.patterns(enlarged, 2) | measure.quality(enlarged, held),
    }


def _rounded(value: Any) -> Any:
    """Numbers with six digits: more are noise, and make the file large."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, (list, tuple)) else value


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
