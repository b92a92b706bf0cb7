"""What a run found, as values, and their JSON."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .contender import Contender

SCHEMA = 1
FOLDER = Path(__file__).with_name("results")
MODES = ("forward", "train", "lengths", "overhead", "memory", "isa", "models")

STATUSES = ("ok", "trial", "wrong", "failed", "cannot")
"""ok: timed in every round. trial: timed in the trial alone. wrong: its output was. failed: raised. cannot: says so."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Outcome:
    """What became of one contender on one row; times in milliseconds, over all timed calls (of the trial, if `trial`).

    `error` is the largest ‖out − exact‖/‖exact‖ of its results. `reason` says why a status is not "ok".
    """

    name: str
    variant: str
    takes_nchw: bool
    status: str
    reason: str = ""
    error: float | None = None
    median_ms: float | None = None
    q1_ms: float | None = None
    q3_ms: float | None = None
    calls: int = 0
    rounds: int = 0

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status {self.status!r} is none of {', '.join(STATUSES)}")
        if (self.median_ms is None) == (self.status in ("ok", "trial")):
            raise ValueError(f"{self.name} is {self.status!r} with a median of {self.median_ms}")

    @classmethod
    def untimed(cls, contender: Contender, status: str, reason: str, error: float | None = None) -> Outcome:
        """The outcome of a contender that was not timed; a NaN error is kept as None, since JSON has no NaN."""
        kept = None if error is None or error != error else error
        return cls(contender.name, contender.variant, contender.takes_nchw, status, reason, kept)


@dataclass(frozen=True)
class Row:
    """One layer (or task) and what became of every contender on it.

    `shapes` are input, weight and output; `floor_ms` is the roofline's time where one was measured.
    """

    name: str
    family: str
    core: bool
    shapes: dict[str, list[int]]
    multiplies: int
    bytes: int
    floor_ms: float | None
    outcomes: tuple[Outcome, ...]
    facts: dict[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryRow:
    """Memory of one contender on one layer, in MiB, each measured in a process of its own.

    `first` and `later`: peak of the first and of a later call above what was there before, less the output. `weight`:
    the weight as the contender keeps it, packed if it packs.
    """

    name: str
    contender: str
    core: bool
    weight_mib: float
    output_mib: float
    first_mib: float
    later_mib: float
    threads: int

    @property
    def above_packed_mib(self) -> float:
        """What a call takes besides its output and the packed weight.

        The larger of: the first call, which packs, less that size; a later call, for which the packed weight is there.
        """
        return max(self.first_mib - self.weight_mib, self.later_mib)


@dataclass(frozen=True)
class Run:
    """Everything that one command measured, and on what."""

    mode: str
    ours: str | None
    date: str
    command: str
    machine: dict[str, Any]
    versions: dict[str, str | None]
    peers: dict[str, str]
    settings: dict[str, Any]
    roofline: dict[str, float]
    rows: tuple[Row, ...] = ()
    memory: tuple[MemoryRow, ...] = ()
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode {self.mode!r} is none of {', '.join(MODES)}")
        if self.schema != SCHEMA:
            raise ValueError(f"results of schema {self.schema}, but this reads schema {SCHEMA}; measure again")

    @property
    def wrong(self) -> tuple[str, ...]:
        """Rows on which Upweave's own output was wrong, or raised."""
        return tuple(
            f"{row.name}: {o.name}: {o.reason}"
            for row in self.rows
            for o in row.outcomes
            if self.ours is not None and o.name.startswith("upweave") and o.status not in ("ok", "trial")
        )


def dumps(run: Run) -> str:
    """The run as JSON; `ValueError` if a number in it is not finite."""
    return json.dumps(asdict(run), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def loads(text: str) -> Run:
    """The run of a JSON text; `ValueError` for another schema, unknown or missing fields."""
    data = json.loads(text)
    if data.get("schema") != SCHEMA:
        raise ValueError(f"results of schema {data.get('schema')}, but this reads schema {SCHEMA}; measure again")
    rows = tuple(row(r) for r in data.get("rows", ()))
    memory = tuple(_make(MemoryRow, m) for m in data.get("memory", ()))
    return _make(Run, {**data, "rows": rows, "memory": memory})


def row(data: Mapping[str, Any]) -> Row:
    """A row of what `asdict` made of it; `ValueError` for unknown or missing fields."""
    return _make(Row, {**data, "outcomes": tuple(_make(Outcome, o) for o in data.get("outcomes", ()))})


def _make(cls: type[_T], data: Mapping[str, Any]) -> _T:
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(data) - known):
        raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}")
    try:
        return cls(**data)
    except TypeError as error:
        raise ValueError(f"{cls.__name__}: {error}") from error


def target(name: str, folder: Path = FOLDER, *, force: bool = False) -> Path:
    """Where results of this name go; `FileExistsError` if there are some and `force` does not allow to replace them."""
    path = folder / f"{name}.json"
    if path.exists() and not force:
        raise FileExistsError(f"{path} exists; choose another --name, or replace it with --force")
    return path


def save(run: Run, path: Path) -> None:
    """Write the run; the file is whole or not there, whatever happens in between."""
    write(path, dumps(run))


def write(path: Path, text: str) -> None:
    """Replace a file's text in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)  # mkstemp's files are for their owner alone
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
