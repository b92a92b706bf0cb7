"""What a run on a GPU found, as values, as JSON, as text for the terminal and as a section of the performance page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .stats import geomean

SCHEMA = 1
MODES = ("forward", "train", "fold")
TITLES = {
    "forward": "Forward",
    "train": "Forward and backward",
    "fold": "Nearest resize ×2 and a 3×3 convolution, against the fold",
}
NOTHING = "—"

UNMEASURED = """\
## GPU

**No GPU has been measured yet.** The Triton kernels have been checked for correctness in Triton's interpreter and
compiled for several GPUs, but no time has been taken on one: whether they are fast is not known. What they should take
is predicted in [the notes on GPUs](performance-gpu.md);
`python bench/gpu.py --output bench/results/gpu.json` measures it.
"""

ABOUT = """\
## GPU

On {gpu}, compute capability {capability}. “upweave” chooses by itself; “triton” are its kernels by name; cuDNN with
`cudnn.benchmark`, contiguous and with channels last; `torch.compile` in its default mode. × is the best of the others
over Upweave, each in its better layout; roofline is the least time that the measured ceilings allow over Upweave's.
"""


@dataclass(frozen=True)
class Outcome:
    """One contender on one row: "ok" with its times, or "wrong", "failed" or "cannot" with the reason.

    `name` is "upweave" (chooses by itself), "triton" (its kernels by name), "cudnn" or "compile"; `layout` "first" or
    "last", where the channels lie. Times in milliseconds a call.
    """

    name: str
    layout: str
    status: str
    reason: str = ""
    error: float | None = None
    median_ms: float | None = None
    q1_ms: float | None = None
    q3_ms: float | None = None
    calls: int = 0

    def __post_init__(self) -> None:
        if self.status not in ("ok", "wrong", "failed", "cannot"):
            raise ValueError(f"no status is called {self.status!r}")
        if (self.median_ms is None) == (self.status == "ok"):
            raise ValueError(f"{self.name} is {self.status!r} with a median of {self.median_ms}")


@dataclass(frozen=True)
class Row:
    """One layer in one mode and dtype; `kernel` is the one that Triton runs, `floor_ms` the measured roof's time."""

    name: str
    mode: str
    dtype: str
    shapes: dict[str, list[int]]
    multiplies: int
    bytes: int
    floor_ms: float
    kernel: str
    outcomes: tuple[Outcome, ...]

    def best(self, *names: str) -> Outcome | None:
        """The fastest of these contenders in any layout."""
        timed = [o for o in self.outcomes if o.name in names and o.median_ms is not None]
        return min(timed, key=lambda o: o.median_ms or 0.0) if timed else None

    @property
    def ratio(self) -> float | None:
        """How many times faster Upweave is than the best of the others, any layout against any layout."""
        ours, others = self.best("upweave"), self.best("cudnn", "compile")
        if ours is None or others is None:
            return None
        return (others.median_ms or 0.0) / (ours.median_ms or 1.0)

    @property
    def roofline(self) -> float | None:
        """The share of the measured roofline that Upweave reaches."""
        ours = self.best("upweave")
        return None if ours is None or not ours.median_ms else self.floor_ms / ours.median_ms


@dataclass(frozen=True)
class Run:
    """Everything that one command measured, and on what."""

    date: str
    command: str
    machine: dict[str, Any]
    versions: dict[str, str | None]
    settings: dict[str, Any]
    ceilings: dict[str, float]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()
    seconds: float = 0.0
    schema: int = SCHEMA
    mode: str = "gpu"

    @property
    def wrong(self) -> tuple[str, ...]:
        """Rows on which an output of Upweave's was wrong, or raised."""
        return tuple(
            f"{r.name} {r.mode} {r.dtype}: {o.name} {o.layout}: {o.status}, {o.reason}"
            for r in self.rows
            for o in r.outcomes
            if o.name in ("upweave", "triton") and o.status in ("wrong", "failed")
        )

    @property
    def measured(self) -> bool:
        """False for a test of the script, whose times mean nothing."""
        return not (self.settings.get("tiny") or self.settings.get("interpret"))


def dumps(run: Run) -> str:
    """The run as JSON; `ValueError` if a number in it is not finite."""
    return json.dumps(asdict(run), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def loads(text: str) -> Run:
    """The run of a JSON text; `ValueError` for another schema, `TypeError` for unknown or missing fields."""
    data = json.loads(text)
    if data.get("schema") != SCHEMA or data.get("mode") != "gpu":
        raise ValueError(f"results of schema {data.get('schema')}, mode {data.get('mode')}; this reads gpu, {SCHEMA}")
    rows = tuple(Row(**{**r, "outcomes": tuple(Outcome(**o) for o in r["outcomes"])}) for r in data["rows"])
    return Run(**{**data, "rows": rows, "left_out": tuple(data["left_out"])})


def load(folder: Path) -> Run | None:
    """The results in a folder, if there are some."""
    path = folder / "gpu.json"
    return loads(path.read_text(encoding="utf-8")) if path.exists() else None


def line(row: Row) -> str:
    """A row in one line, as soon as it is there."""
    ours, others = row.best("upweave"), row.best("cudnn", "compile")
    bad = [f"{o.name} {o.layout} {o.status}: {o.reason}" for o in row.outcomes if o.status != "ok"]
    return (
        f"{row.name} {row.mode} {row.dtype}: {_ms(ours)} ms, best other {_ms(others)}, {_times(row.ratio)}"
        + "".join(f"; {b}" for b in bad)
    )


def text(run: Run) -> str:
    """All tables for the terminal, in columns."""
    parts = [", ".join(f"{name} {value:.4g}" for name, value in run.ceilings.items())]
    for mode, rows in _by_mode(run):
        cells = [_heads(mode), *(_cells(r) for r in rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        lines = ["  ".join(_justified(row, widths)) for row in cells]
        parts.append("\n".join([TITLES[mode], *lines, *_means(rows, str)]))
    if run.left_out:
        parts.append(f"no time was left for {len(run.left_out)} rows: {', '.join(run.left_out)}")
    return "\n\n".join(parts)


def _justified(cells: list[str], widths: list[int]) -> list[str]:
    """Names to the left, numbers to the right."""
    return [c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]


def section(run: Run | None) -> str:
    """The performance page's section on GPUs."""
    if run is None or not run.measured:
        return UNMEASURED
    parts = [ABOUT.format(gpu=run.machine.get("gpu"), capability=run.machine.get("capability"))]
    for mode, rows in _by_mode(run):
        heads = _heads(mode)
        table = [f"| {' | '.join(heads)} |", "|" + "|".join(["---"] * 3 + ["---:"] * (len(heads) - 3)) + "|"]
        table += [f"| {' | '.join(_cells(r))} |" for r in rows]
        parts.append("\n".join([f"### {TITLES[mode]} on a GPU", "", *_means(rows, lambda t: f"- {t}"), "", *table, ""]))
    details = [f"- Measured with `{run.command}`, {run.date}, in {run.seconds:.0f} s."]
    details += [f"- {name}: {value}" for name, value in {**run.machine, **run.versions}.items()]
    details += [f"- {name}: {value:.4g}" for name, value in run.ceilings.items()]
    if run.left_out:
        details.append(f"- No time was left for {len(run.left_out)} rows: {', '.join(run.left_out)}.")
    return "\n".join([*parts, "### On what (GPU)", "", *details, ""])


def _by_mode(run: Run) -> list[tuple[str, list[Row]]]:
    found = [(mode, [r for r in run.rows if r.mode == mode]) for mode in MODES]
    return [(mode, rows) for mode, rows in found if rows]


def _means(rows: Iterable[Row], as_line: Callable[[str], str]) -> list[str]:
    found = []
    by_dtype: dict[str, list[Row]] = {}
    for r in rows:
        by_dtype.setdefault(r.dtype, []).append(r)
    for dtype, some in by_dtype.items():
        ratios = [r.ratio for r in some if r.ratio is not None]
        if ratios:
            slower = [r.name for r in some if r.ratio is not None and r.ratio < 0.95]
            tail = f"; slower on {', '.join(slower)}" if slower else ""
            found.append(as_line(f"{dtype}: geometric mean of {len(ratios)} rows {geomean(ratios):.2f}×{tail}"))
    return found


_COLUMNS = tuple((name, layout) for name in ("upweave", "triton", "cudnn", "compile") for layout in ("first", "last"))


def _heads(mode: str) -> list[str]:
    return ["row", "dtype", "kernel", *(f"{name} {layout}" for name, layout in _COLUMNS), "×", "roofline"]


def _cells(row: Row) -> list[str]:
    by = {(o.name, o.layout): o for o in row.outcomes}
    share = NOTHING if row.roofline is None else f"{row.roofline:.2f}"
    return [row.name, row.dtype, row.kernel, *(_ms(by.get(c)) for c in _COLUMNS), _times(row.ratio), share]


def _ms(outcome: Outcome | None) -> str:
    if outcome is None or outcome.median_ms is None:
        return NOTHING if outcome is None else outcome.status
    return f"{outcome.median_ms:.3g}"


def _times(ratio: float | None) -> str:
    return NOTHING if ratio is None else f"{ratio:.2f}×"
